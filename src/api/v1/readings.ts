/** Whoever watches is watched: what is read of recordings is in the audit log before its first byte leaves. */
import type { SessionRow } from '../../model.ts'
import type { AuditEvent, SignedLine } from '../../audit/audit-log.ts'
import type { ApiParts } from './deps.ts'
import type { Asking } from './route.ts'

/** Somebody who goes on reading the same thing is noted again after so long (decision 253), in microseconds. */
const againAfterUs = 3_600_000_000
/** Readings that are remembered; past it the oldest are noted once more. */
const maxRemembered = 50_000

/** What of a session is read: one note for each. */
export type Reading = 'replay' | 'transcript' | 'report' | 'recording as stored' | `export as ${string}`

export class Readings {
  readonly #parts: Pick<ApiParts, 'audit' | 'appendSigned' | 'reviews' | 'clock'>
  readonly #noted = new Map<string, number>()

  constructor(parts: Pick<ApiParts, 'audit' | 'appendSigned' | 'reviews' | 'clock'>) {
    this.#parts = parts
  }

  /** Once an hour for each person, session and kind of reading. Throws a Fault where it cannot be noted: then nothing is read. */
  async note(row: SessionRow, person: Asking, reading: Reading): Promise<void> {
    const key = `${person.key}\n${row.id}\n${reading}`
    const nowUs = this.#parts.clock.monotonicUs()
    const notedAtUs = this.#noted.get(key)
    if (notedAtUs !== undefined && nowUs - notedAtUs < againAfterUs) return
    await this.noteEach(row, person, reading)
    this.#noted.delete(key)
    this.#noted.set(key, nowUs)
    this.#forget()
  }

  /** The same, each time: for what leaves the gateway as a file. */
  async noteEach(row: SessionRow, person: Asking, reading: Reading): Promise<void> {
    this.#parts.audit.append(eventOf(row, person, reading))
    await this.#keep(row, person, reading)
  }

  /** The same, and the proof that it was noted. */
  async noteSigned(row: SessionRow, person: Asking, reading: Reading): Promise<SignedLine> {
    const signed = await this.#parts.appendSigned(eventOf(row, person, reading))
    await this.#keep(row, person, reading)
    return signed
  }

  async #keep({ id: session }: SessionRow, { principal }: Asking, purpose: Reading): Promise<void> {
    const { issuer, subject, name } = principal.fields
    const atMs = this.#parts.clock.nowMs()
    await this.#parts.reviews.noteReading({ session, issuer, subject, name, atMs, purpose })
  }

  #forget(): void {
    for (const key of this.#noted.keys()) {
      if (this.#noted.size <= maxRemembered) return
      this.#noted.delete(key)
    }
  }
}

function eventOf(
  { id: session }: SessionRow,
  { principal, sourceAddress }: Asking,
  purpose: Reading,
): AuditEvent {
  const { issuer, subject, name } = principal.fields
  return { kind: 'recording-read', session, purpose, issuer, subject, name, sourceAddress }
}
