/**
 * The identification line that opens an SSH connection (RFC 4253, section 4.2), read under our own limits before
 * anything reaches the engine.
 */

/** RFC 4253, section 4.2: with CR and LF. */
const maxIdentBytes = 255

/** A server may send other lines first; OpenSSH does so only to say why it refuses. Bytes, then lines. */
const maxGreetingLineBytes = 1024
const maxGreetingLines = 64

const lineFeed = 0x0a
const carriageReturn = 0x0d

export type IdentStep =
  | { kind: 'more' }
  | { kind: 'ident'; text: string; rest: Buffer }
  | { kind: 'refused'; reason: string }

/** Collects lines until the identification; `push` is not to be called again after it said 'ident' or 'refused'. */
export class IdentReader {
  readonly #greetingAllowed: boolean
  #line: Buffer = Buffer.alloc(0)
  #greetingLines = 0

  /** @param peer who speaks: only a server may greet first. */
  constructor(peer: 'client' | 'server') {
    this.#greetingAllowed = peer === 'server'
  }

  push(chunk: Buffer): IdentStep {
    let rest = chunk
    for (;;) {
      const end = rest.indexOf(lineFeed)
      this.#line = Buffer.concat([this.#line, end < 0 ? rest : rest.subarray(0, end)])
      if (this.#line.length > this.#maxLineBytes())
        return { kind: 'refused', reason: 'a line before the key exchange is too long' }
      if (end < 0) return { kind: 'more' }
      const step = this.#take(rest.subarray(end + 1))
      if (step !== undefined) return step
      rest = rest.subarray(end + 1)
    }
  }

  #maxLineBytes(): number {
    const greeting = this.#greetingAllowed && !this.#line.subarray(0, 4).equals(Buffer.from('SSH-'))
    return greeting ? maxGreetingLineBytes : maxIdentBytes - 1
  }

  #take(rest: Buffer): IdentStep | undefined {
    const line = this.#line.at(-1) === carriageReturn ? this.#line.subarray(0, -1) : this.#line
    this.#line = Buffer.alloc(0)
    const text = line.toString('latin1')
    if (!text.startsWith('SSH-')) {
      if (!this.#greetingAllowed)
        return { kind: 'refused', reason: 'the first line is not an SSH identification' }
      this.#greetingLines += 1
      return this.#greetingLines > maxGreetingLines
        ? { kind: 'refused', reason: 'too many lines before the identification' }
        : undefined
    }
    return isIdent(text)
      ? { kind: 'ident', text, rest }
      : { kind: 'refused', reason: 'the identification is malformed' }
  }
}

/** Version 2.0 (or 1.99, which means both), then printable US-ASCII; so it can be logged as it is. */
function isIdent(text: string): boolean {
  return /^SSH-(?:2\.0|1\.99)-[\x21-\x7e]+(?: [\x20-\x7e]*)?$/.test(text)
}
