/**
 * The outbox of a process that may not write the logs itself: each entry is with the operating system when the call returns, as in the
 * logs, and the process that has them takes it over from there, in order, also after a crash of either.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AppendSync } from '../../model.ts'
import { storedFields } from '../line.ts'
import { encodeEntry, nextFileLine, type OutboxSaying, outboxFileName } from './entry.ts'

/** A file is left for the next one at this size; what was taken over of it goes with it. Bytes. */
const maxFileBytes = 1024 * 1024
/** Entries that nobody has taken over yet: some minutes of many sessions. Beyond them the gateway does not listen, and nothing may go on. */
export const maxUntaken = 20_000

export type OutboxOptions = {
  readonly folder: string
  /** Names this process; 16 hexadecimal digits. */
  readonly owner: string
  readonly clock: Clock
  readonly log: Log
  /** Guard it with a watchdog. */
  readonly append: AppendSync
  /** Hears of each entry, to tell the other process that there is one. */
  readonly onEntry: () => void
  /** A file's size; smaller in tests. */
  readonly fileBytes?: number
}

export class Outbox {
  readonly #options: OutboxOptions
  #fd = -1
  #file = 0
  #bytes = 0
  #last = 0
  #taken = 0
  #failure: Fault | undefined

  /** Must be the only writer in its folder. Throws what the file system says. */
  constructor(options: OutboxOptions) {
    this.#options = options
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
    this.#nextFile()
  }

  /** Set once nothing may be said any more. */
  get failure(): Fault | undefined {
    return this.#failure
  }

  /** Returns the entry's number. Throws Fault AUDIT_APPEND_FAILED, and from then on always. */
  say(saying: OutboxSaying): number {
    if (this.#failure !== undefined) throw this.#failure
    const n = this.#last + 1
    try {
      if (n - this.#taken > maxUntaken) throw new Error('the gateway takes no entries over')
      this.#write(encodeEntry({ n, atMs: this.#options.clock.nowMs(), ...bounded(saying) }))
    } catch (cause) {
      this.fail(cause)
      throw this.#failure ?? cause
    }
    this.#last = n
    this.#options.onEntry()
    return n
  }

  /** The other process has all up to this one. */
  taken(upTo: number): void {
    this.#taken = Math.max(this.#taken, upTo)
  }

  /** Nothing may be said any more: the logs cannot be written. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const userText =
      "The audit log cannot be written, so nothing is allowed. Ask the operator to look at the gateway's disk."
    this.#failure = new Fault('AUDIT_APPEND_FAILED', userText, {
      log: `the outbox failed: ${reasonOf(cause)}`,
      cause,
    })
    this.#options.log.error({ reason: reasonOf(cause) }, 'the outbox of the audit log has failed')
  }

  close(): void {
    this.#failure ??= new Fault('AUDIT_APPEND_FAILED', 'The gateway is stopping. Connect again later.')
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }

  #write(line: Buffer): void {
    if (this.#bytes >= (this.#options.fileBytes ?? maxFileBytes)) {
      this.#options.append(this.#fd, [nextFileLine])
      closeSync(this.#fd)
      this.#nextFile()
    }
    this.#options.append(this.#fd, [line])
    this.#bytes += line.length
  }

  #nextFile(): void {
    const { folder, owner } = this.#options
    this.#fd = -1
    this.#fd = openSync(join(folder, outboxFileName(owner, ++this.#file)), 'ax', 0o600)
    this.#bytes = 0
  }
}

/** As the audit log stores fields, so that an entry has a limit. */
function bounded(saying: OutboxSaying): OutboxSaying {
  if ('note' in saying) {
    const { sourceAddress, event } = saying.note
    return { note: { sourceAddress, event: storedFields(event) } }
  }
  if ('leaf' in saying) return saying
  const { kind, ...fields } = saying.audit
  return { audit: { ...storedFields(fields), kind } }
}
