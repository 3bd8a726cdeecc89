/** Which bytes of a chunk go on: as they came, but for frames that are replaced and frames that are not whole yet. */
import type { FrameScanner } from '../wire/frame-scanner.ts'
import type { Outlet } from './outlet.ts'

const nothing = Buffer.alloc(0)

export class Release {
  readonly #scanner: FrameScanner
  readonly #outlet: Outlet
  #chunk: Buffer = nothing
  /** Of the chunk so much was dealt with. */
  #done = 0

  constructor(scanner: FrameScanner, outlet: Outlet) {
    this.#scanner = scanner
    this.#outlet = outlet
  }

  begin(chunk: Buffer): void {
    this.#chunk = chunk
    this.#done = 0
  }

  /** In `body`: the frame goes on. One that began in an earlier chunk was held until now. */
  passFrame(): void {
    if (this.#scanner.start >= 0) return
    this.#outlet.push(this.#scanner.frame, true)
    this.#done = this.#scanner.end
  }

  /** In `begin`, of a frame whose body goes on as it comes: its head may have been held; then it is returned. */
  passHead(type: number, bodyBytes: number): Buffer | undefined {
    if (this.#scanner.start >= 0) return undefined
    const head = Buffer.allocUnsafe(5)
    head[0] = type
    head.writeInt32BE(bodyBytes + 4, 1)
    this.#outlet.push(head, bodyBytes === 0)
    this.#done = this.#scanner.offset
    return head
  }

  /** In `body`: the frame goes on, and this of ours right behind it. */
  passFrameAnd(bytes: Buffer): void {
    this.passFrame()
    this.#passUpTo(this.#scanner.end, true)
    this.#outlet.push(bytes, true)
  }

  /** In `body`: the frame is for us alone. */
  dropFrame(): void {
    this.#passUpTo(Math.max(this.#scanner.start, 0), true)
    this.#done = this.#scanner.end
  }

  /** In `body`: this goes in the frame's place. */
  replaceFrame(bytes: Buffer): void {
    this.#passUpTo(Math.max(this.#scanner.start, 0), true)
    this.#outlet.push(bytes, true)
    this.#done = this.#scanner.end
  }

  /** In `body`: what is before the frame goes on; the frame waits. */
  holdFrame(): void {
    this.#passUpTo(Math.max(this.#scanner.start, 0), true)
    this.#done = this.#scanner.end
  }

  /** A frame that was held goes on now, or something in its place. */
  resume(bytes: Buffer): void {
    this.#outlet.push(bytes, true)
  }

  /** The chunk is looked through up to `end`: frames that are not whole wait, but for those that go on as they come. */
  finish(streaming: boolean): void {
    const { atBoundary, start, offset } = this.#scanner
    this.#passUpTo(atBoundary || streaming ? offset : start, atBoundary || !streaming)
    this.#chunk = nothing
  }

  #passUpTo(end: number, atBoundary: boolean): void {
    if (end <= this.#done) return
    const isWhole = this.#done === 0 && end === this.#chunk.length
    this.#outlet.push(isWhole ? this.#chunk : this.#chunk.subarray(this.#done, end), atBoundary)
    this.#done = end
  }
}
