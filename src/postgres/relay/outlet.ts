/** The end of one direction: bytes wait here until what they say is recorded, and leave as they came. */
import type { Socket } from 'node:net'
import type { Recording } from '../../recorder/recorder.ts'

type Waiting = { readonly turn: number; readonly pieces: Buffer[]; atBoundary: boolean }

/** Messages of ours that wait for a client in the middle of a row: a session that is held and let go on, twice. */
const maxAside = 4

export class Outlet {
  readonly #socket: Socket
  readonly #recording: Recording
  readonly #onWritten: (bytes: number) => void
  /** What waits, by the turn of the event loop in which it came: later turns may have to wait for the disk for longer. */
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #isOver = false
  /** Whether the last one that left did end with the end of a frame. */
  #isAtBoundary = true
  /** Messages of ours that wait for a boundary. */
  #aside: Buffer[] = []

  constructor(socket: Socket, recording: Recording, onWritten: (bytes: number) => void) {
    this.#socket = socket
    this.#recording = recording
    this.#onWritten = onWritten
  }

  /** Sends a piece after everything that was recorded so far. */
  push(piece: Buffer, atBoundary: boolean): void {
    const { turn } = this.#recording
    this.#waitingBytes += piece.length
    const last = this.#waiting.at(-1)
    if (last?.turn === turn) {
      last.pieces.push(piece)
      last.atBoundary = atBoundary
      return
    }
    this.#waiting.push({ turn, pieces: [piece], atBoundary })
    this.#recording.forward(this.#write)
  }

  /** Says a message of ours between two of the other end's: at once, or behind the one that is under way. */
  say(message: Buffer): void {
    if (this.#isOver || !this.#socket.writable) return
    this.#aside.push(message)
    if (this.#aside.length > maxAside) this.#aside.shift() // the newest says what holds now
    if (this.#isAtBoundary) this.#writeAside()
  }

  /** Bytes that wait for the recording, and those that the other end has not taken yet. */
  get queuedBytes(): number {
    return this.#waitingBytes + this.#socket.writableLength
  }

  /** Whether something may be said between what has left so far and what follows. */
  get isAtBoundary(): boolean {
    return this.#isAtBoundary
  }

  /** Nothing that waits leaves any more. */
  close(): void {
    this.#isOver = true
    this.#waiting = []
    this.#aside = []
    this.#waitingBytes = 0
  }

  readonly #write = (): void => {
    const oldest = this.#waiting.shift()
    if (oldest === undefined || this.#isOver) return
    const { pieces } = oldest
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    this.#waitingBytes -= bytes
    this.#isAtBoundary = oldest.atBoundary
    const [only] = pieces
    if (pieces.length === 1 && only !== undefined) this.#socket.write(only)
    else this.#writeTogether(pieces)
    if (this.#isAtBoundary) this.#writeAside()
    this.#onWritten(bytes)
  }

  #writeAside(): void {
    for (const message of this.#aside.splice(0)) this.#socket.write(message)
  }

  #writeTogether(pieces: readonly Buffer[]): void {
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }
}
