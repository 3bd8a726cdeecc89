/**
 * A key exchange costs us a signature and the peer next to nothing, so that one stranger could keep a core busy with them.
 * Those that a peer starts so soon after the last one, and after so few bytes, are counted.
 */
const hurriedExchange = { withinMs: 10_000, withinBytes: 16 * 1024, allowed: 20 } as const

/** Bytes on the wire, so far. */
export type Traffic = { readonly bytesIn: number; readonly bytesOut: number }

/** How long the keys of a transport have been in use: in bytes each way, and in time. */
export class KeyLife {
  readonly #maxBytes: number
  #untilIn: number
  #untilOut: number
  #sinceMs = 0
  #isAsked = false
  #hurried = 0

  /** New keys are due after so many bytes in either direction. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#untilIn = maxBytes
    this.#untilOut = maxBytes
  }

  isOverIn(bytesIn: number): boolean {
    return bytesIn >= this.#untilIn
  }

  isOverOut(bytesOut: number): boolean {
    return bytesOut >= this.#untilOut
  }

  /** The next key exchange is ours. */
  ask(): void {
    this.#isAsked = true
  }

  /** New keys were agreed on. False: the peer has been in a hurry too often. */
  mayRenew(traffic: Traffic): boolean {
    if (this.#isHurried(traffic)) this.#hurried += 1
    return this.#hurried <= hurriedExchange.allowed
  }

  /** They are in use from now on. */
  renew({ bytesIn, bytesOut }: Traffic): void {
    this.#isAsked = false
    this.#sinceMs = performance.now()
    this.#untilIn = bytesIn + this.#maxBytes
    this.#untilOut = bytesOut + this.#maxBytes
  }

  #isHurried({ bytesIn, bytesOut }: Traffic): boolean {
    const bytes = bytesIn + bytesOut + 2 * this.#maxBytes - this.#untilIn - this.#untilOut
    return (
      this.#sinceMs > 0 &&
      !this.#isAsked &&
      bytes < hurriedExchange.withinBytes &&
      performance.now() - this.#sinceMs < hurriedExchange.withinMs
    )
  }
}
