/** What a process that died has left: recordings are sealed, and the rows of its sessions closed. */
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Recovered } from '../recorder/recover.ts'
import type { Recorder } from '../recorder/recorder.ts'
import { whoAndWhere } from '../session/session.ts'
import type { Store } from '../store/store.ts'

const reason = 'the gateway stopped before this session ended'

export type CrashedParts = {
  readonly store: Store
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
  /** A recorder on the journal of a process that is gone. */
  readonly recorderIn: (journalFolder: string) => Recorder
  /** Hears of each recording that was finished. */
  readonly onRecovered?: (recovered: Recovered) => void
}

export class Crashed {
  readonly #parts: CrashedParts

  constructor(parts: CrashedParts) {
    this.#parts = parts
  }

  /** Seals what the journal of this recorder holds; how many sessions were cut off. */
  async recover(recorder: Recorder): Promise<number> {
    let interrupted = 0
    for (const recovered of await recorder.recover()) {
      const { session, events, endedAtMs } = recovered
      this.#parts.log.warn({ session, events }, 'recovered an interrupted recording')
      this.#parts.onRecovered?.(recovered)
      if (await this.#interrupt(session, endedAtMs)) interrupted += 1
    }
    return interrupted
  }

  /** The same for the journal of a process that is gone. */
  async recoverJournal(journalFolder: string): Promise<number> {
    const recorder = this.#parts.recorderIn(journalFolder)
    try {
      return await this.recover(recorder)
    } finally {
      await recorder.close()
    }
  }

  /** Rows that are open, of an owner who is gone; how many. */
  async closeRowsOf(isGone: (owner: string) => boolean): Promise<number> {
    const { store, clock } = this.#parts
    const rows = (await store.sessions.openNotOf('')).filter(({ owner }) => isGone(owner))
    for (const row of rows) await this.#interrupt(row.id, clock.nowMs())
    return rows.length
  }

  /** A session that was sealed, and whose process died before it said so to the store. */
  async closeRow(id: string, endedAtMs: number, endReason: string): Promise<void> {
    await this.#parts.store.sessions.end(id, { endedAtMs, state: 'ended', endReason })
  }

  /** False if its row is closed already: then only the proof of its place was missing. */
  async #interrupt(id: string, endedAtMs: number): Promise<boolean> {
    const { store, audit } = this.#parts
    const row = await store.sessions.get(id)
    if (row?.state !== 'open') return false
    audit.append({
      kind: 'session-close',
      session: id,
      ...whoAndWhere(row),
      reason,
      sealed: 'interrupted',
    })
    return store.sessions.end(id, { endedAtMs, state: 'interrupted', endReason: reason })
  }
}
