/** What reviewers may read of a configuration: who may do what, where. Not how targets are reached, and no comments, which may say anything. */
import { createHash } from 'node:crypto'
import { parse, stringify } from 'yaml'

/** Of each target: what rules match. */
const targetKeys = ['name', 'protocol', 'labels', 'sensitive']

/** `version`: of the policy alone, in 12 hexadecimal digits; it stays when something else of the file changes. */
export type PolicyText = { readonly version: string; readonly text: string }

/** Of a file that was accepted. */
export function policyTextOf(file: string): PolicyText {
  return policyTextIn(parse(file))
}

/** The same, of what the file says. */
export function policyTextIn(value: unknown): PolicyText {
  const { targets, roles } = value as { targets?: unknown; roles?: unknown }
  const known = Array.isArray(targets) ? targets.map(told) : []
  const text = stringify({ targets: known, roles: roles ?? {} }, { lineWidth: 0 })
  return { version: createHash('sha256').update(text).digest('hex').slice(0, 12), text }
}

function told(target: unknown): Record<string, unknown> {
  const fields = Object.entries((target ?? {}) as Record<string, unknown>)
  return Object.fromEntries(fields.filter(([key]) => targetKeys.includes(key)))
}
