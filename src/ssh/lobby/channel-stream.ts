import { Duplex } from 'node:stream'
import type { ChannelOwner, LobbyChannel } from './channel.ts'

/**
 * The bytes of a channel as a stream, which an inner SSH server can speak over. Whatever is not read is not given back to the
 * client's window, so that no more than one window waits here.
 */
export class ChannelStream extends Duplex {
  readonly #channel: LobbyChannel
  #unreadBytes = 0
  #outgoing: Buffer = Buffer.alloc(0)
  #written: (() => void) | undefined

  constructor(channel: LobbyChannel) {
    super({ allowHalfOpen: true, emitClose: true })
    this.#channel = channel
  }

  /** What the channel tells this stream. */
  get owner(): ChannelOwner {
    return {
      data: data => this.#receive(data),
      endOfFile: () => this.push(null),
      closed: () => this.destroy(),
      writable: () => this.#pump(),
      request: () => false,
    }
  }

  #receive(data: Buffer): void {
    if (this.destroyed) return
    this.#unreadBytes += data.length
    if (this.push(data)) this.#giveBack()
  }

  #giveBack(): void {
    const bytes = this.#unreadBytes
    this.#unreadBytes = 0
    if (bytes > 0) this.#channel.giveBack(bytes)
  }

  override _read(): void {
    this.#giveBack()
  }

  override _write(chunk: Buffer, _: BufferEncoding, written: () => void): void {
    this.#outgoing = chunk
    this.#written = written
    this.#pump()
  }

  override _writev(chunks: { chunk: Buffer }[], written: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', written)
  }

  override _final(done: () => void): void {
    this.#channel.close()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channel.close()
    this.#outgoing = Buffer.alloc(0)
    done(error)
  }

  #pump(): void {
    while (this.#outgoing.length > 0) {
      const room = this.#channel.roomBytes
      if (room === 0) return
      this.#channel.send(this.#outgoing.subarray(0, room))
      this.#outgoing = this.#outgoing.subarray(room)
    }
    const written = this.#written
    this.#written = undefined
    written?.()
  }
}
