/** Text from pieces that may end within a character. */
export class StringDecoder {
  readonly #decoder = new TextDecoder('utf8', { ignoreBOM: true })

  write(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true })
  }

  end(): string {
    return this.#decoder.decode()
  }
}
