/**
 * Why a recording was removed, as one line of text: the audit log holds it, and the tombstone in the log of sessions is its hash.
 * So "purged by policy" can be told from "missing" with nothing but the two logs. It names nobody.
 */
import { createHash } from 'node:crypto'
import type { PurgeRow } from '../../model.ts'

export type Decision = {
  readonly session: string
  readonly cause: PurgeRow['cause']
  /** The rule of the configuration, or the reason that was given. */
  readonly rule: string
  /** ISO 8601, UTC. */
  readonly endedAt: string
  readonly decidedAt: string
}

const format = 'sallyport purge'
const version = 1

export function decisionText({ session, cause, rule, endedAt, decidedAt }: Decision): string {
  return JSON.stringify({ format, version, session, cause, rule, endedAt, decidedAt })
}

/** What a tombstone has, in hexadecimal. */
export function decisionHash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Undefined for a text that is no decision. */
export function readDecision(text: string): Decision | undefined {
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
  if (fields['format'] !== format || fields['version'] !== version) return undefined
  const { session, rule, endedAt, decidedAt } = fields
  const cause = fields['cause'] === 'policy' ? 'policy' : 'request'
  if ([session, rule, endedAt, decidedAt].some(field => typeof field !== 'string')) return undefined
  return {
    session: String(session),
    cause,
    rule: String(rule),
    endedAt: String(endedAt),
    decidedAt: String(decidedAt),
  }
}
