/** What a finding says: observed, compared with what, and what it does not know. Of sessions, never of what somebody is like. */
import { randomBytes } from 'node:crypto'
import type { FindingKind, FindingRow, Severity } from '../../model.ts'

/** One observation, in three scopes as far as they are known. */
export type Reason = {
  /** What was seen. */
  readonly observed: string
  /** What is usual for the person, for peers, for everybody; each with its number of events and window. */
  readonly own?: string
  readonly peers?: string
  readonly everybody?: string
  /** Log odds that it adds, in nats. */
  readonly adds?: number
  readonly entry?: number
  readonly offsetMs?: number
}

export type Quote = { readonly entry: number; readonly offsetMs: number; readonly text: string }

/** Everything about a finding that does not change when somebody decides. Holds no name of a person. */
export type FindingBody = {
  /** One sentence that says what was observed. */
  readonly sentence: string
  readonly why: readonly Reason[]
  readonly quotes: readonly Quote[]
  readonly techniques: readonly { readonly id: string; readonly name: string }[]
  /** Harmless explanations to check. */
  readonly benign: readonly string[]
  /** How far this can be relied on. */
  readonly quality: readonly string[]
  readonly versions: Readonly<Record<string, string>>
}

/** What the analysis noticed; the desk adds who, where and how it ranks. */
export type FindingDraft = {
  readonly session: string
  /** Whom it is about, if that is not whose session it is: a reviewer who opened it. */
  readonly person?: { readonly issuer: string; readonly subject: string; readonly name: string }
  readonly group: string
  readonly kind: FindingKind
  readonly severity: Severity
  readonly unusualness?: number
  readonly rules: readonly string[]
  readonly atMs: number
  readonly body: FindingBody
}

export const severityOrder: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical']

export function isAtLeast(severity: Severity, least: Severity): boolean {
  return severityOrder.indexOf(severity) >= severityOrder.indexOf(least)
}

export function isWorse(severity: Severity, than: Severity): boolean {
  return severityOrder.indexOf(severity) > severityOrder.indexOf(than)
}

/** A body as it was stored. */
export function bodyOf(row: FindingRow): FindingBody {
  return JSON.parse(row.body) as FindingBody
}

const idBytes = 10

/** Of a finding, or of what somebody decided about some. */
export function newId(): string {
  return randomBytes(idBytes).toString('hex')
}
