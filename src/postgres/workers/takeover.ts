/** Puts what workers have said into the logs, each entry once. */
import type { AuditEvent, AuditLog } from '../../audit/audit-log.ts'
import type { OutboxEntry } from '../../audit/outbox/entry.ts'
import { leftOutboxes, OutboxReader } from '../../audit/outbox/outbox-reader.ts'
import { entriesTakenOver, takenFrom, takenFromValue } from '../../audit/outbox/taken-over.ts'
import type { LeafProof, SessionLog } from '../../audit/tree/session-log.ts'
import type { RefusalNotes } from '../../identity/refusal-notes.ts'

/** So long after it was said, a line that is stamped with another time says when. Milliseconds. */
const lateMs = 2000

export type TakeoverParts = {
  readonly audit: AuditLog
  /** Where the audit log's files lie. */
  readonly auditFolder: string
  readonly sessionLog: SessionLog
  readonly notes: RefusalNotes
  readonly clock: { readonly nowMs: () => number }
}

/** A session whose recording was sealed, and whose row may still be open. */
export type ClosedSession = { readonly id: string; readonly atMs: number; readonly reason: string }

/** The entries of one worker. */
export class Takeover {
  readonly #parts: TakeoverParts
  readonly #owner: string
  readonly #reader: OutboxReader
  /** Places in the log of sessions, by the number of the entry; gone once their proof was given. */
  readonly #leaves = new Map<number, number>()
  readonly #closed = new Map<string, ClosedSession>()
  /** Of a worker that is gone: a gateway before this one may have had some. */
  #known: ReadonlySet<number> | undefined
  readonly #isLeft: boolean

  constructor(folder: string, owner: string, parts: TakeoverParts, firstFile?: number) {
    this.#parts = parts
    this.#owner = owner
    this.#isLeft = firstFile !== undefined
    this.#reader = new OutboxReader(folder, owner, entry => this.#apply(entry), firstFile)
  }

  /** What lies in a folder whose worker is gone. */
  static leftIn(folder: string, parts: TakeoverParts): readonly Takeover[] {
    return leftOutboxes(folder).map(({ owner, firstFile }) => new Takeover(folder, owner, parts, firstFile))
  }

  get taken(): number {
    return this.#reader.taken
  }

  /** Sessions that were said to be closed, and of which `forget` was not told. */
  get closed(): readonly ClosedSession[] {
    return [...this.#closed.values()]
  }

  /** All that is there now. Throws what the logs throw; then the rest waits. */
  take(): void {
    this.#reader.take()
  }

  /** The row of the session is closed. */
  forget(session: string): void {
    this.#closed.delete(session)
  }

  /** Of a leaf, by its entry's number. */
  async proofOf(entry: number): Promise<LeafProof> {
    const index = this.#leaves.get(entry)
    if (index === undefined) throw new TypeError(`entry ${entry} is no leaf`)
    const proof = await this.#parts.sessionLog.proofOf(index)
    this.#leaves.delete(entry)
    return proof
  }

  /** The worker is gone, and everything was taken over. */
  discard(): void {
    this.#reader.discard()
  }

  #apply(entry: OutboxEntry): void {
    if ('leaf' in entry) return this.#addLeaf(entry)
    if ('audit' in entry && entry.audit.kind === 'session-close') this.#noteClosed(entry.audit, entry.atMs)
    if (this.#isLeft && this.#isKnown(entry)) return
    const { audit, notes, clock } = this.#parts
    const late = clock.nowMs() - entry.atMs > lateMs ? { saidAt: new Date(entry.atMs).toISOString() } : {}
    const from = { [takenFrom]: takenFromValue(this.#owner, entry.n), ...late }
    if ('audit' in entry) audit.append({ ...entry.audit, ...from })
    else notes.note(entry.note.sourceAddress, { ...entry.note.event, ...from })
  }

  #addLeaf({ n, atMs, leaf }: Extract<OutboxEntry, { leaf: object }>): void {
    const { sessionLog } = this.#parts
    const known = this.#isLeft
      ? sessionLog.find(
          there =>
            there.kind === leaf.kind &&
            'session' in there &&
            'session' in leaf &&
            there.session === leaf.session &&
            there.sha256 === leaf.sha256,
          atMs - clockMarginMs,
        )
      : undefined
    this.#leaves.set(n, known ?? sessionLog.add(leaf))
  }

  #noteClosed({ session, sealed, reason }: AuditEvent, atMs: number): void {
    if (typeof session !== 'string' || sealed !== 'yes') return
    this.#closed.set(session, { id: session, atMs, reason: typeof reason === 'string' ? reason : '' })
  }

  #isKnown(entry: OutboxEntry): boolean {
    this.#known ??= entriesTakenOver(this.#parts.auditFolder, this.#owner, entry.atMs)
    return this.#known.has(entry.n)
  }
}

/** Leaves are stamped with the wall's clock, which may have been set back since. */
const clockMarginMs = 86_400_000
