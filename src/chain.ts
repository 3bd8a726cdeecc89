import { createHash } from 'node:crypto'

/** Length of every link of a chain: SHA-256. */
export const linkBytes = 32

/** What the first record of a chain names as its predecessor. */
export const firstLink: Buffer = Buffer.alloc(linkBytes)

/** The link that the next record names: SHA-256 over the stored bytes of this one, its own predecessor link included. */
export function linkOf(...stored: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of stored) hash.update(part)
  return hash.digest()
}
