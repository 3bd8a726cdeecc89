/** Keeps the content of files that pass, as far as `files: copy` wants it, as events of the recording. */
import type { FileEvent } from '../../recorder/file-event.ts'

/** Both 0: nothing is kept. */
export type CopyLimits = { readonly fileBytes: number; readonly sessionBytes: number }

export const noCopies: CopyLimits = { fileBytes: 0, sessionBytes: 0 }

/** Of one event: its base64 is 32 KiB. */
const pieceBytes: number = 24 * 1024

/** What a session may still keep, all its files together. */
export class Copies {
  readonly #fileBytes: number
  #leftBytes: number

  constructor({ fileBytes, sessionBytes }: CopyLimits = noCopies) {
    this.#fileBytes = fileBytes
    this.#leftBytes = sessionBytes
  }

  of(channel: number, file: number, stream: 'read' | 'written'): FileCopy {
    return new FileCopy({ channel, file, stream }, this.#fileBytes, bytes => this.#take(bytes))
  }

  #take(bytes: number): number {
    const taken = Math.min(bytes, this.#leftBytes)
    this.#leftBytes -= taken
    return taken
  }
}

/** One direction of one open file. */
export class FileCopy {
  readonly #about: { readonly channel: number; readonly file: number; readonly stream: 'read' | 'written' }
  readonly #take: (bytes: number) => number
  #leftBytes: number

  constructor(
    about: { readonly channel: number; readonly file: number; readonly stream: 'read' | 'written' },
    leftBytes: number,
    take: (bytes: number) => number,
  ) {
    this.#about = about
    this.#leftBytes = leftBytes
    this.#take = take
  }

  /** Of these bytes, which begin at `from` of the file, those that are kept. What does not fit is described and not kept. */
  keep(from: number, data: Buffer): readonly FileEvent[] {
    if (this.#leftBytes === 0) return []
    const bytes = this.#take(Math.min(data.length, this.#leftBytes))
    this.#leftBytes = bytes < data.length ? 0 : this.#leftBytes - bytes
    return piecesOf(data.subarray(0, bytes)).map(({ at, piece }) => ({
      type: 'file-content',
      ...this.#about,
      from: from + at,
      base64: piece.toString('base64'),
    }))
  }
}

function piecesOf(data: Buffer): readonly { readonly at: number; readonly piece: Buffer }[] {
  const count = Math.ceil(data.length / pieceBytes)
  return Array.from({ length: count }, (_, index) => {
    const at = index * pieceBytes
    return { at, piece: data.subarray(at, at + pieceBytes) }
  })
}
