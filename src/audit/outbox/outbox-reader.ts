/** Takes over what another process has put into its outbox, in order and once. */
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { decodeEntry, type OutboxEntry, outboxFileName, readOutboxFileName } from './entry.ts'

/** Read at once. Bytes. */
const pieceBytes = 64 * 1024
/** No entry is longer: an audit event as stored. Bytes. */
const maxLineBytes = 4 * 1024 * 1024

export class OutboxReader {
  readonly owner: string
  readonly #folder: string
  readonly #apply: (entry: OutboxEntry) => void
  readonly #piece = Buffer.allocUnsafe(pieceBytes)
  #file: number
  #fd = -1
  #offset = 0
  /** Of a line whose end has not been read. */
  #begun: Buffer = Buffer.alloc(0)
  #taken = 0

  /** `apply` throws where an entry cannot be taken over: then it, and what follows, stays. */
  constructor(folder: string, owner: string, apply: (entry: OutboxEntry) => void, firstFile = 1) {
    this.owner = owner
    this.#file = firstFile
    this.#folder = folder
    this.#apply = apply
  }

  /** The number of the last entry that was taken over. */
  get taken(): number {
    return this.#taken
  }

  /** All that is there now. Throws what `apply` throws, or for a file that the other process did not write so. */
  take(): void {
    for (;;) {
      if (this.#fd < 0 && !this.#open()) return
      const count = readSync(this.#fd, this.#piece, 0, pieceBytes, this.#offset)
      if (count === 0) return
      this.#lines(this.#piece.subarray(0, count))
    }
  }

  /** The other process is gone and everything was taken over. */
  discard(): void {
    this.close()
    for (const name of readdirSync(this.#folder))
      if (readOutboxFileName(name)?.owner === this.owner) rmSync(join(this.#folder, name), { force: true })
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }

  #path(number: number): string {
    return join(this.#folder, outboxFileName(this.owner, number))
  }

  #open(): boolean {
    if (!existsSync(this.#path(this.#file))) return false
    this.#fd = openSync(this.#path(this.#file), 'r')
    this.#offset = 0
    return true
  }

  /** The place in the file moves with each line that was taken, so that one that fails is tried again. */
  #lines(piece: Buffer): void {
    let from = 0
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      const line = Buffer.concat([this.#begun, piece.subarray(from, end)]).toString()
      const isLast = this.#takeLine(line)
      this.#offset += end + 1 - from
      this.#begun = Buffer.alloc(0)
      from = end + 1
      if (isLast) return this.#nextFile()
    }
    this.#begun = Buffer.concat([this.#begun, piece.subarray(from)])
    this.#offset += piece.length - from
    if (this.#begun.length > maxLineBytes) throw new Error('an entry of the outbox is too long')
  }

  /** True for the last line of a file. */
  #takeLine(line: string): boolean {
    const entry = decodeEntry(line)
    if (entry === undefined) return true
    if (entry.n !== this.#taken + 1 && this.#taken > 0) throw new Error('entries of the outbox are missing')
    this.#apply(entry)
    this.#taken = entry.n
    return false
  }

  #nextFile(): void {
    this.close()
    rmSync(this.#path(this.#file), { force: true })
    this.#file += 1
  }
}

/** Outboxes in a folder whose processes are gone; each begins with the oldest file that is left. */
export function leftOutboxes(folder: string): readonly { owner: string; firstFile: number }[] {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).flatMap(name => readOutboxFileName(name) ?? [])
  return [...Map.groupBy(files, ({ owner }) => owner)].map(([owner, of]) => ({
    owner,
    firstFile: Math.min(...of.map(({ number }) => number)),
  }))
}
