/**
 * What happened in a session, one thing at a time, as the search index, the rules and the baselines see it. Derived from the recording: an aid,
 * no evidence. Texts are redacted, and hostile when shown.
 */
import type { Severity } from './rules/rule.ts'

export type EntryKind = 'command' | 'statement' | 'file' | 'screen' | 'forward'

export type Entry = {
  readonly session: string
  /** Counted from 0 within the session, in the order in which entries became known. The same recording always gives the same numbers. */
  readonly number: number
  readonly kind: EntryKind
  readonly atMs: number
  /** Since the session's opening. */
  readonly offsetMs: number
  /** The command line, the statement, the path, or what the screen showed. */
  readonly text: string
  readonly command?: CommandDetail
  readonly statement?: StatementDetail
  readonly file?: FileDetail
}

export type CommandDetail = {
  readonly channel: number
  /** How the text became known; `exec` is a request of the client, the others are read off the screen. */
  readonly found: 'exec' | 'marks' | 'editor' | 'prompt' | 'typed'
  /** 0 to 1. */
  readonly sure: number
  readonly program?: string
  readonly directory?: string
  readonly exitStatus?: number
  /** Why the gateway refused it, so that it did not run. */
  readonly blocked?: string
  /** What was encoded in it, in clear. */
  readonly decoded?: readonly string[]
}

export type StatementDetail = {
  /** Its number within the session. */
  readonly statement: number
  readonly class: string
  /** Why PostgreSQL's grammar did not read it, so that no rule could look into it. */
  readonly unparsed?: string
  readonly fingerprint?: string
  readonly tables: readonly string[]
  /** Returned to the client. */
  readonly rows?: number
  /** Changed, or moved without being returned, as the target says. */
  readonly affected?: number
  readonly bytes?: number
  readonly durationMs?: number
  readonly sqlstate?: string
  readonly message?: string
  /** Why it was not forwarded. */
  readonly blocked?: string
}

export type FileDetail = {
  readonly operation: string
  readonly direction?: 'up' | 'down'
  readonly bytes?: number
  readonly sha256?: string
  /** Why it failed, if so. */
  readonly status?: string
}

/** A rule that one entry, or several together, met. */
export type EntryHit = {
  readonly session: string
  /** The entry that completed it. */
  readonly entry: number
  readonly atMs: number
  readonly offsetMs: number
  readonly rule: string
  readonly severity: Severity
  readonly technique: readonly string[]
  /** What the entry said, redacted and cut. */
  readonly quote: string
}
