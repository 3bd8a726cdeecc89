import { statSync } from 'node:fs'

/** How often it is looked whether the folders are still those that the gateway began with. */
export const folderCheckMs = 500

/** A folder by what it is and not by its name: where a volume is taken away, another folder, an empty one, stands in its place. */
export class KnownFolder {
  readonly #path: string
  readonly #identity: string

  constructor(path: string) {
    this.#path = path
    this.#identity = identityOf(path)
  }

  /** Throws if the name stands for another folder now, or for none. */
  mustBeThere(): void {
    if (identityOf(this.#path) === this.#identity) return
    throw new Error(
      `${this.#path} is not the folder that it was when the gateway started (was a volume unmounted?): put it back, then restart the gateway`,
    )
  }
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true })
  return `${dev} ${ino}`
}
