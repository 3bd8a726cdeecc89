/** A file or directory that the target has opened for the client, and what passes of it. */
import type { FileEvent, PathFields } from '../../recorder/file-event.ts'
import type { MemoryBudget } from './budget.ts'
import { Content } from './content.ts'
import type { Copies, FileCopy } from './copies.ts'

export class OpenFile {
  readonly number: number
  readonly path: PathFields
  readonly #read: Content
  readonly #written: Content
  readonly copies: { readonly read: FileCopy; readonly written: FileCopy }
  readonly #flags: ReadonlySet<string>
  /** Requests about its content that have no reply yet. */
  unanswered = 0
  #unansweredWrites = 0
  #readRequests = 0
  #writeReplies = 0
  #failedWrites = 0
  /** Where reading met the end of the file. */
  #endedAt: number | undefined
  /** How long the target says that it is. */
  #saidSize: number | undefined
  /** How long the client made it, last of all. */
  #madeSize: number | undefined
  #writtenEnd = 0
  #unansweredSizes = 0
  /** It lost bytes that had passed: a digest of what passed is no longer the file's. */
  #wasCut = false
  #told = { readRequests: 0, writeReplies: 0 }
  /** The target puts bytes into it that never pass here: no digest of what passes is the file's. */
  isCopiedInto = false
  /** Why the client's CLOSE failed, or "ok". */
  closed: { readonly status: string; readonly message?: string } | undefined

  constructor(
    number: number,
    path: PathFields,
    flags: readonly string[],
    kept: { readonly channel: number; readonly budget: MemoryBudget; readonly copies: Copies },
  ) {
    const { channel, budget, copies } = kept
    this.number = number
    this.path = path
    this.copies = {
      read: copies.of(channel, number, 'read'),
      written: copies.of(channel, number, 'written'),
    }
    this.#flags = new Set(flags)
    this.#read = new Content(budget)
    this.#written = new Content(budget)
    const isNew = this.#flags.has('create') && this.#flags.has('exclusive')
    if (isNew || this.#flags.has('truncate')) this.#madeSize = 0
  }

  readRequested(): void {
    this.unanswered++
    this.#readRequests++
  }

  /** DATA begins to pass, in answer to a READ at this offset. */
  readBegins(offset: number, bytes: number): Content {
    this.#read.begin(offset, bytes)
    return this.#read
  }

  readEndedAt(offset: number): void {
    this.#endedAt = Math.min(offset, this.#endedAt ?? offset)
  }

  sizeIs(size: number | string | undefined): void {
    if (typeof size === 'number') this.#saidSize = size
  }

  sizeRequested(): void {
    this.#unansweredSizes++
  }

  sizeAnswered(size: number | string, succeeded: boolean): void {
    this.#unansweredSizes--
    if (!succeeded || typeof size === 'string') return
    this.#madeSize = size
    if (size < this.#writtenEnd) this.#wasCut = true
  }

  writeBegins(offset: number, bytes: number): Content {
    this.unanswered++
    this.#unansweredWrites++
    if (bytes > 0) this.#reach(offset + bytes)
    this.#written.begin(offset, bytes)
    return this.#written
  }

  #reach(end: number): void {
    this.#writtenEnd = Math.max(this.#writtenEnd, end)
    if (this.#madeSize !== undefined) this.#madeSize = Math.max(this.#madeSize, end)
  }

  writeAnswered(succeeded: boolean): void {
    this.#unansweredWrites--
    this.#writeReplies++
    if (!succeeded) this.#failedWrites++
  }

  /** What moved since the last call, or undefined if nothing did. */
  progress(channel: number): FileEvent | undefined {
    const read = this.#read.progress()
    const written = this.#written.progress()
    const scatteredRead = this.#read.scatteredProgress()
    const scatteredWritten = this.#written.scatteredProgress()
    const counts = this.#counts()
    const told = {
      ...(read.length === 0 ? {} : { read }),
      ...(written.length === 0 ? {} : { written }),
      ...(scatteredRead === undefined ? {} : { scatteredRead }),
      ...(scatteredWritten === undefined ? {} : { scatteredWritten }),
      ...counts,
    }
    return Object.keys(told).length === 0
      ? undefined
      : { type: 'file-progress', channel, file: this.number, ...told }
  }

  #counts(): { readRequests?: number; writeReplies?: number; failedWrites?: number } {
    const before = this.#told
    this.#told = { readRequests: this.#readRequests, writeReplies: this.#writeReplies }
    return {
      ...(before.readRequests === this.#readRequests ? {} : { readRequests: this.#readRequests }),
      ...(before.writeReplies === this.#writeReplies ? {} : { writeReplies: this.#writeReplies }),
      ...(this.#failedWrites === 0 || before.writeReplies === this.#writeReplies
        ? {}
        : { failedWrites: this.#failedWrites }),
    }
  }

  /** Describes it to its end. An append goes where the target puts it, so its offsets mean nothing and prove nothing. */
  close(channel: number): FileEvent {
    const failed = this.#failedWrites + this.#unansweredWrites
    const wasWritten = this.#flags.has('write') || this.#written.bytes > 0
    const isUnsure =
      this.#flags.has('append') || this.isCopiedInto || this.#wasCut || this.#unansweredSizes > 0
    const read = this.#read.finish(this.#endedAt ?? this.#saidSize)
    const written = this.#written.finish(isUnsure ? undefined : this.#madeSize, failed)
    return {
      type: 'file-close',
      channel,
      file: this.number,
      ...this.path,
      ...(this.closed ?? { status: 'not closed' }),
      ...(this.#readRequests === 0 ? {} : { read }),
      ...(wasWritten ? { written } : {}),
    }
  }
}
