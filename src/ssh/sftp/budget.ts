/** Memory that decoding the file transfers of one connection may take. Estimates, in bytes; their sum is what is limited. */

/**
 * Of all channels of a connection together. paramiko asks for a whole file at once, so a target's window (2 MiB in OpenSSH)
 * full of read requests must fit: 80,000 of them.
 */
export const maxDecodingBytes: number = 32 * 1024 * 1024

export class MemoryBudget {
  #leftBytes: number

  constructor(bytes: number = maxDecodingBytes) {
    this.#leftBytes = bytes
  }

  get leftBytes(): number {
    return this.#leftBytes
  }

  /** Whether there was room; if so it is taken. */
  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false
    this.#leftBytes -= bytes
    return true
  }

  give(bytes: number): void {
    this.#leftBytes += bytes
  }
}
