/** What reviewers may read of the configuration: who may do what, where. Not how targets are reached, and no comments, which may say anything. */
import { createHash } from 'node:crypto'
import { parse, stringify } from 'yaml'
import type { PolicyView } from '../schema.ts'

/** Of each target: what rules match. */
const targetKeys = ['name', 'protocol', 'labels', 'sensitive']

/** Of a file that was accepted. The version is that of the policy alone: it stays when something else changes. */
export function policyTextOf(file: string): Pick<PolicyView, 'version' | 'text'> {
  const { targets, roles } = parse(file) as { targets?: unknown; roles?: unknown }
  const known = Array.isArray(targets) ? targets.map(told) : []
  const text = stringify({ targets: known, roles: roles ?? {} }, { lineWidth: 0 })
  return { version: createHash('sha256').update(text).digest('hex').slice(0, 12), text }
}

function told(target: unknown): Record<string, unknown> {
  const fields = Object.entries((target ?? {}) as Record<string, unknown>)
  return Object.fromEntries(fields.filter(([key]) => targetKeys.includes(key)))
}
