/** The end of one direction: bytes wait here until what they say is recorded, and leave as they came. */
import type { Socket } from 'node:net'
import type { Recording } from '../../recorder/recorder.ts'

export class Outlet {
  readonly #socket: Socket
  readonly #recording: Recording
  readonly #onWritten: () => void
  #pieces: Buffer[] = []
  #isQueued = false
  #isOver = false
  /** Whether the last piece that waits ends with the end of a frame, and whether the last one that left did. */
  #waitsAtBoundary = true
  #isAtBoundary = true

  constructor(socket: Socket, recording: Recording, onWritten: () => void) {
    this.#socket = socket
    this.#recording = recording
    this.#onWritten = onWritten
  }

  /** Sends a piece after everything that was recorded so far. */
  push(piece: Buffer, atBoundary: boolean): void {
    this.#pieces.push(piece)
    this.#waitsAtBoundary = atBoundary
    if (this.#isQueued) return
    this.#isQueued = true
    this.#recording.forward(this.#write)
  }

  /** Bytes that the other end has not taken yet. */
  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  /** Whether something may be said between what has left so far and what follows. */
  get isAtBoundary(): boolean {
    return this.#isAtBoundary
  }

  /** Nothing that waits leaves any more. */
  close(): void {
    this.#isOver = true
    this.#pieces = []
  }

  readonly #write = (): void => {
    this.#isQueued = false
    if (this.#isOver) return
    const pieces = this.#pieces
    this.#pieces = []
    this.#isAtBoundary = this.#waitsAtBoundary
    const [only] = pieces
    if (pieces.length === 1 && only !== undefined) this.#socket.write(only)
    else this.#writeTogether(pieces)
    this.#onWritten()
  }

  #writeTogether(pieces: readonly Buffer[]): void {
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }
}
