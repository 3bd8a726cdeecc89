/** Encrypted recordings can be read as long as they are written: this is where the one who may is told of them. */
import type { ContentKeys } from './content-keys.ts'

/** Reads encrypted recordings while they are written, and has forgotten their keys when they are sealed. */
export type SealedReading = {
  /** One was begun. The keys are copies, the reader's to overwrite: they go to no disk. */
  readonly opened: (session: string, keys: ContentKeys) => void
  /** Nothing is added to it but its seal. Resolves when it was read, and soon in any case: nobody has its keys then. Never rejects. */
  readonly ended: (session: string) => Promise<void>
}

/** Nobody reads until somebody comes. */
export class SealedReadings implements SealedReading {
  #reader: SealedReading | undefined

  attach(reader: SealedReading): void {
    this.#reader = reader
  }

  readonly opened = (session: string, keys: ContentKeys): void => {
    if (this.#reader === undefined) forgetKeys(keys)
    else this.#reader.opened(session, keys)
  }

  readonly ended = async (session: string): Promise<void> => {
    await this.#reader?.ended(session)
  }
}

/** Overwrites them. */
export function forgetKeys({ chunks, events }: ContentKeys): void {
  chunks.fill(0)
  events.fill(0)
}
