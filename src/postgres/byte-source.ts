/** Reads a socket by exact counts while both sides still take turns; what comes later stays in the socket for the relay. */
import type { Socket } from 'node:net'

export class ByteSource {
  readonly #socket: Socket
  /** The socket ended, failed or was closed: nothing more will come. */
  #over = false
  #waiting: (() => void) | undefined
  #onGone: (() => void)[] = []
  readonly #look = (): void => {
    const waiting = this.#waiting
    if (waiting === undefined) this.#socket.read(0) // lets an end be seen while nobody reads
    this.#waiting = undefined
    waiting?.()
  }
  readonly #end = (): void => {
    this.#over = true
    for (const listener of this.#onGone.splice(0)) listener()
    this.#look()
  }

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('readable', this.#look)
    socket.on('end', this.#end)
    socket.on('close', this.#end)
    if (socket.destroyed || socket.readableEnded) this.#over = true
  }

  /** Exactly so many bytes, or undefined if the other side closes before. One call at a time. */
  async take(count: number): Promise<Buffer | undefined> {
    if (count === 0) return Buffer.alloc(0)
    for (;;) {
      const bytes = this.#over && this.#socket.readableLength < count ? null : this.#read(count)
      if (bytes !== null) return bytes.length === count ? bytes : undefined
      if (this.#over) return undefined
      await new Promise<void>(resolve => {
        this.#waiting = resolve
      })
    }
  }

  #read(count: number): Buffer | null {
    return this.#socket.read(count) as Buffer | null
  }

  /** The first byte, left where it is. */
  async peek(): Promise<number | undefined> {
    const first = await this.take(1)
    if (first !== undefined) this.#socket.unshift(first)
    return first?.[0]
  }

  /** Bytes that came and that nobody has taken. */
  get waitingBytes(): number {
    return this.#socket.readableLength
  }

  onGone(listener: () => void): void {
    if (this.#over) listener()
    else this.#onGone.push(listener)
  }

  /** The socket is somebody else's now. Whoever listens to `data` has to call `resume`. */
  release(): void {
    this.#socket.off('readable', this.#look)
    this.#socket.off('end', this.#end)
    this.#socket.off('close', this.#end)
  }
}
