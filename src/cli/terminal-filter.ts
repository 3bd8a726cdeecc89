/**
 * Lets recorded output draw on an auditor's terminal and do nothing else. A replayed program must not set the clipboard or
 * the title, ask the terminal for an answer that the shell would then read as typed, or leave it in a strange mode
 * (CVE-2022-45063 and its kin). So what draws passes and everything else is dropped: a list of what is allowed, not of what is not.
 */

/** Finals of control sequences that draw or move (ECMA-48): cursor, erase, insert, delete, scroll, colours, margins. */
const drawingFinals = new Set('@ABCDEFGHIJKLMPSTXZ`abdefm'.split(''))

/** Private modes that change how following output is drawn: wrap, cursor, alternate screen. Not origin mode (6): leaving it moves the cursor. */
const drawingModes = new Set(['4', '7', '20', '25', '47', '1047', '1048', '1049'])

/** Longer sequences are dropped whole; real ones have a few dozen bytes. */
const maxSequenceBytes = 256

type State =
  | { at: 'text' }
  | { at: 'escape' }
  | { at: 'charset' }
  | { at: 'control'; bytes: string }
  | { at: 'string'; escape: boolean }

/** Keeps its state between pieces, so that cutting a sequence in two changes nothing. */
export class TerminalFilter {
  #state: State = { at: 'text' }
  /** Whether what passed has switched to the alternate screen. */
  onAlternateScreen = false
  readonly #decoder = new TextDecoder('utf-8')

  push(data: Uint8Array): string {
    let out = ''
    for (const character of this.#decoder.decode(data, { stream: true })) out += this.#step(character)
    return out
  }

  #step(character: string): string {
    const code = character.codePointAt(0) ?? 0
    switch (this.#state.at) {
      case 'text':
        return this.#text(character, code)
      case 'escape':
        return this.#escape(character)
      case 'charset':
        this.#state = { at: 'text' }
        return '0AB12'.includes(character) ? `\x1b(${character}` : ''
      case 'control':
        return this.#control(this.#state, character, code)
      case 'string':
        return this.#string(this.#state, code)
    }
  }

  #text(character: string, code: number): string {
    if (code === 0x1b) {
      this.#state = { at: 'escape' }
      return ''
    }
    if (code === 0x9b) return this.#enter({ at: 'control', bytes: '' })
    if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f))
      return this.#enter({ at: 'string', escape: false })
    if (code >= 0x80 && code < 0xa0) return ''
    const plain = code >= 0x20 && code !== 0x7f
    return plain || (code >= 0x07 && code <= 0x0f) ? character : ''
  }

  #enter(state: State): string {
    this.#state = state
    return ''
  }

  #escape(character: string): string {
    if (character === '[') return this.#enter({ at: 'control', bytes: '' })
    if (']PX^_'.includes(character)) return this.#enter({ at: 'string', escape: false })
    if (character === '(') return this.#enter({ at: 'charset' })
    if (character === '\x1b') return ''
    this.#state = { at: 'text' }
    return '78DEHM'.includes(character) ? `\x1b${character}` : ''
  }

  #control(state: { bytes: string }, character: string, code: number): string {
    if (code === 0x1b) return this.#enter({ at: 'escape' })
    if (code < 0x40 || code > 0x7e) {
      state.bytes += character
      if (state.bytes.length > maxSequenceBytes || code < 0x20 || code > 0x7e) this.#state = { at: 'text' }
      return ''
    }
    this.#state = { at: 'text' }
    if (!isDrawing(state.bytes, character)) return ''
    if (/^\?(.*;)?(47|1047|1049)(;|$)/.test(state.bytes)) this.onAlternateScreen = character === 'h'
    return `\x1b[${state.bytes}${character}`
  }

  /** Operating system commands, device control strings and the like: to their end, without a trace. */
  #string(state: { escape: boolean }, code: number): string {
    const ended =
      code === 0x07 || code === 0x9c || code === 0x18 || code === 0x1a || (state.escape && code === 0x5c)
    if (ended) this.#state = { at: 'text' }
    else state.escape = code === 0x1b
    return ''
  }
}

function isDrawing(parameters: string, final: string): boolean {
  if (/^[\d;:]*$/.test(parameters)) {
    if (final === 'h' || final === 'l')
      return parameters.split(';').every(mode => mode === '4' || mode === '20')
    return drawingFinals.has(final) || final === 'r' || final === 's' || final === 'u'
  }
  if ((final === 'h' || final === 'l') && /^\?[\d;]*$/.test(parameters)) {
    return parameters
      .slice(1)
      .split(';')
      .every(mode => drawingModes.has(mode))
  }
  return false
}

/** Colours and character set back to what a sentence of ours needs. Moves nothing. */
export const plainText = '\x1b[0m\x1b(B'

/** Brings a terminal back to what a shell expects. Setting margins moves the cursor, so its place is kept. */
const shellModes = `${plainText}\x1b[?25h\x1b[?7h\x1b7\x1b[r\x1b8`

/** The main screen with the cursor where it was when the recording left it; only if that is where we are not. */
const leaveAlternateScreen = '\x1b[?1049l'

export function terminalReset(onAlternateScreen: boolean): string {
  return onAlternateScreen ? `${leaveAlternateScreen}${shellModes}` : shellModes
}
