/** What a byte is: text or a control character; part of an escape sequence; or the last of one. */
export type EscapeStep = 'plain' | 'inside' | 'done'

/** A sequence longer than this is no longer believed to be one, so that an unfinished one hides nothing for long. */
const maxSequenceBytes = 4096
/** How much of a sequence is kept to tell which it is. */
const maxKeptBytes = 64

const escape = 0x1b
const bell = 0x07

/**
 * Tells escape sequences (ECMA-48: CSI, OSC, DCS and the short ones) from what is between them, a byte at a time and in
 * bounded memory.
 */
export class EscapeSkipper {
  readonly #readsMouse: boolean
  #at: 'ground' | 'escape' | 'short' | 'csi' | 'string' | 'string-escape' | 'mouse' = 'ground'
  #sequence = ''
  #length = 0
  #mouseBytes = 0

  /** `readsMouse` for what a terminal sends. */
  constructor(options: { readsMouse: boolean }) {
    this.#readsMouse = options.readsMouse
  }

  /** Whether the next byte begins something new. */
  get isIdle(): boolean {
    return this.#at === 'ground'
  }

  /** The last whole sequence, without its first ESC. */
  get sequence(): string {
    return this.#sequence
  }

  step(byte: number): EscapeStep {
    if (this.#at === 'ground') return this.#ground(byte)
    if (byte === 0x18 || byte === 0x1a || ++this.#length > maxSequenceBytes) return this.#cancel()
    if (byte === escape && !this.#at.startsWith('string')) return this.#begin()
    return this.#inside(byte)
  }

  #ground(byte: number): EscapeStep {
    return byte === escape ? this.#begin() : 'plain'
  }

  #begin(): EscapeStep {
    this.#at = 'escape'
    this.#sequence = ''
    this.#length = 0
    return 'inside'
  }

  #cancel(): EscapeStep {
    this.#at = 'ground'
    this.#sequence = ''
    return 'inside'
  }

  #done(): EscapeStep {
    this.#at = 'ground'
    return 'done'
  }

  #keep(byte: number): void {
    if (this.#sequence.length < maxKeptBytes) this.#sequence += String.fromCharCode(byte)
  }

  #inside(byte: number): EscapeStep {
    switch (this.#at) {
      case 'escape':
        return this.#afterEscape(byte)
      case 'short':
        this.#keep(byte)
        return byte >= 0x30 ? this.#done() : 'inside'
      case 'csi':
        return this.#csi(byte)
      case 'mouse':
        return --this.#mouseBytes === 0 ? this.#done() : 'inside'
      case 'ground':
        return 'plain'
      default:
        return this.#string(byte)
    }
  }

  #afterEscape(byte: number): EscapeStep {
    this.#keep(byte)
    const character = String.fromCharCode(byte)
    if (character === '[') this.#at = 'csi'
    else if (character === 'O')
      this.#at = 'short' // SS3: one more byte
    else if (']P_^X'.includes(character)) this.#at = 'string'
    else if (byte >= 0x20 && byte < 0x30) this.#at = 'short'
    else return this.#done()
    return 'inside'
  }

  /** Control characters inside a CSI are not part of it; terminals obey them at once, and here they are dropped. */
  #csi(byte: number): EscapeStep {
    if (byte < 0x20) return 'inside'
    this.#keep(byte)
    if (byte < 0x40) return 'inside'
    return this.#sequence === '[M' ? this.#mouse() : this.#done()
  }

  /** The oldest mouse report has three bytes after its end. Only terminals send it; a target's `CSI M` deletes a line. */
  #mouse(): EscapeStep {
    if (!this.#readsMouse) return this.#done()
    this.#at = 'mouse'
    this.#mouseBytes = 3
    return 'inside'
  }

  #string(byte: number): EscapeStep {
    if (byte === bell) return this.#done()
    if (this.#at === 'string-escape') return byte === 0x5c ? this.#done() : this.#restart(byte)
    if (byte === escape) this.#at = 'string-escape'
    else this.#keep(byte)
    return 'inside'
  }

  /** An ESC within a string that does not end it begins another sequence. */
  #restart(byte: number): EscapeStep {
    this.#begin()
    return this.#afterEscape(byte)
  }
}
