/** Packets below this are built in fresh memory: those of a keystroke must not keep a large buffer waiting for a slow reader. */
const smallestBytes = 8 * 1024
/** Above it too: a data message of 32 KiB with all that SSH puts around it is below. */
const largestBytes = 36 * 1024
/** A buffer is at most so much longer than what it is for. */
const stepBytes = 4 * 1024
/** Of the process: what a few busy connections have on their way at once. */
const maxSpareBytes = 4 * 1024 * 1024

/**
 * Memory in which packets are built and wait until the operating system has taken them, used again and again. Fresh memory
 * for each packet lies outside of the heap, and V8 collects the whole heap for every 64 MiB of that.
 */
export class PacketBuffers {
  readonly #spare = new Map<number, Buffer[]>()
  #spareBytes = 0

  get spareBytes(): number {
    return this.#spareBytes
  }

  /** A buffer of at least so many bytes, with whatever is in it; undefined where one is not worth keeping. */
  take(bytes: number): Buffer | undefined {
    if (bytes < smallestBytes || bytes > largestBytes) return undefined
    const size = Math.ceil(bytes / stepBytes) * stepBytes
    const spare = this.#spare.get(size)?.pop()
    if (spare === undefined) return Buffer.allocUnsafeSlow(size)
    this.#spareBytes -= size
    return spare
  }

  /** Only what `take` gave, and only when nothing reads or writes it any more. */
  giveBack(buffer: Buffer): void {
    if (this.#spareBytes + buffer.length > maxSpareBytes) return
    const spare = this.#spare.get(buffer.length)
    if (spare === undefined) this.#spare.set(buffer.length, [buffer])
    else spare.push(buffer)
    this.#spareBytes += buffer.length
  }
}
