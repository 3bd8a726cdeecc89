/** One message as the transport hands it out, with the number of its packet. */
export type Held = { readonly payload: Buffer; readonly sequence: number }

/** Messages that came before anybody wanted them, in their order. */
export class HeldMessages {
  #messages: Held[] = []
  #bytes = 0

  /** Memory that they take, about. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  add(message: Held): void {
    this.#messages.push(message)
    this.#bytes += costOf(message)
  }

  /** Hands them to `deliver` as long as `isWanted` says so; it may add some and may clear them. */
  deliver(isWanted: () => boolean, deliver: (message: Held) => void): void {
    const messages = this.#messages
    let taken = 0
    while (isWanted()) {
      const next = messages[taken]
      if (next === undefined) break
      taken += 1
      this.#bytes -= costOf(next)
      deliver(next)
    }
    messages.splice(0, taken)
  }

  clear(): void {
    this.#messages = []
  }
}

/** Bytes; a message costs more than its own, hence the constant. */
function costOf({ payload }: Held): number {
  return payload.length + 128
}
