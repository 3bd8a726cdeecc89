/** Lines in a file that others collect. */
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { reasonOf } from '../../errors.ts'
import type { Message, Outcome, Sink } from './sink.ts'

/** One write and one sync for so many. */
const batch = 256
const maxBytes = 64 * 1024

export type FileSinkOptions = {
  readonly path: string
  /** A file that would grow beyond is left as `PATH.1`. */
  readonly rotateBytes: number
  /** Older ones that stay. */
  readonly keepFiles: number
}

export class FileSink implements Sink {
  readonly batch = batch
  readonly maxBytes = maxBytes
  readonly #options: FileSinkOptions
  #file: FileHandle | undefined
  #bytes = 0

  constructor(options: FileSinkOptions) {
    this.#options = options
  }

  /** On the disk when this resolves. What a full disk took of a line is taken off again. */
  async deliver(messages: readonly Message[]): Promise<Outcome> {
    const lines = Buffer.from(messages.map(({ body }) => `${body}\n`).join(''))
    try {
      const file = await this.#ready(lines.length)
      try {
        await file.appendFile(lines)
        await file.datasync()
      } catch (cause) {
        await file.truncate(this.#bytes).catch(() => {})
        throw cause
      }
      this.#bytes += lines.length
      return { taken: messages.length }
    } catch (cause) {
      await this.close()
      return { taken: 0, problem: { kind: 'away', reason: reasonOf(cause) } }
    }
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => {})
  }

  /** Whoever moved the file away (logrotate does) gets a new one. */
  async #ready(more: number): Promise<FileHandle> {
    if (this.#file !== undefined && !(await this.#isStillThere(this.#file))) await this.close()
    if (this.#file === undefined) await this.#open()
    if (this.#bytes > 0 && this.#bytes + more > this.#options.rotateBytes) {
      await this.close()
      await this.#rotate()
      await this.#open()
    }
    if (this.#file === undefined) throw new Error('the file is closed')
    return this.#file
  }

  async #isStillThere(file: FileHandle): Promise<boolean> {
    const [ours, named] = await Promise.all([file.stat(), stat(this.#options.path).catch(() => undefined)])
    return (
      named !== undefined && named.ino === ours.ino && named.dev === ours.dev && named.size === this.#bytes
    )
  }

  async #open(): Promise<void> {
    const file = await open(this.#options.path, 'a+', 0o600)
    this.#file = file
    this.#bytes = await cutTornLine(file)
  }

  async #rotate(): Promise<void> {
    const { path, keepFiles } = this.#options
    await rm(`${path}.${keepFiles}`, { force: true })
    for (let number = keepFiles - 1; number >= 1; number--)
      await rename(`${path}.${number}`, `${path}.${number + 1}`).catch(ifMissing)
    if (keepFiles > 0) await rename(path, `${path}.1`)
    else await rm(path, { force: true })
  }
}

function ifMissing(cause: unknown): void {
  if ((cause as { code?: unknown }).code !== 'ENOENT') throw cause
}

/** What a crash has left of a line is taken off, since the next one would continue it. Gives the length of what is whole. */
async function cutTornLine(file: FileHandle): Promise<number> {
  const { size } = await file.stat()
  const tail = Buffer.alloc(Math.min(size, maxBytes + 1))
  await file.read(tail, 0, tail.length, size - tail.length)
  const wholeBytes = size - tail.length + tail.lastIndexOf(10) + 1
  if (wholeBytes < size) await file.truncate(wholeBytes)
  return wholeBytes
}
