/**
 * Makes what hides in a terminal's output show, without moving anything: concealed text (SGR 8) is drawn inverted with a wavy line,
 * and characters without width, or that reorder others, become a double line under the character before them.
 */

const singles = [
  0xad, 0x61c, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2060,
  0x2061, 0x2062, 0x2063, 0x2064, 0x2066, 0x2067, 0x2068, 0x2069, 0x206a, 0x206b, 0x206c, 0x206d, 0x206e,
  0x206f, 0xfeff, 0xfff9, 0xfffa, 0xfffb, 0xe0001,
]
/** Characters that hide, in an order that never changes while a page is open. Tag characters spell ASCII unseen. */
const hiders: readonly number[] = [...singles, ...Array.from({ length: 96 }, (_, index) => 0xe0020 + index)]
const hiderPattern = new RegExp(`[${hiders.map(code => `\\u{${code.toString(16)}}`).join('')}]`, 'gu')
/** Combining, so that it takes no cell; a selector behind it says which character it stands for. */
const line = '\u0333'
const firstSelector = 0xe0100
const stand = /\u0333([\u{e0100}-\u{e01ef}])/gu

const graphics = new RegExp(String.raw`\x1b\[([\d;:]*)m`, 'g')
/** The beginning of a sequence whose end has not come yet. */
const unfinished = new RegExp(String.raw`\x1b(?:\[[\d;:]{0,64})?$`)

export class Revealer {
  readonly #decoder = new TextDecoder()
  #held = ''
  /** Whether anything was concealed so far. */
  hasConcealed = false

  reveal(bytes: Uint8Array): string {
    return this.revealText(this.#decoder.decode(bytes, { stream: true }))
  }

  revealText(more: string): string {
    const text = this.#held + more
    const cut = unfinished.exec(text)?.index ?? text.length
    this.#held = text.slice(cut)
    return text
      .slice(0, cut)
      .replace(graphics, (whole, parameters: string) => this.#graphics(whole, parameters))
      .replace(hiderPattern, character => standFor(character.codePointAt(0) ?? 0))
  }

  #graphics(whole: string, parameters: string): string {
    if (!parameters.includes('8')) return whole
    const parts = parameters.split(';')
    let isChanged = false
    for (let at = 0; at < parts.length; at++) {
      const part = parts[at]
      if (part === '38' || part === '48' || part === '58')
        at += parts[at + 1] === '5' ? 2 : parts[at + 1] === '2' ? 4 : 0
      if (part !== '8' && part !== '28') continue
      parts[at] = part === '8' ? '7;4:3' : '27;24'
      isChanged = true
      this.hasConcealed ||= part === '8'
    }
    return isChanged ? `\x1b[${parts.join(';')}m` : whole
  }
}

function standFor(code: number): string {
  const place = hiders.indexOf(code)
  return place === -1 ? '' : line + String.fromCodePoint(firstSelector + place)
}

/** The text of a screen as it was received: each stand-in is the character that it stands for. */
export function original(text: string): string {
  return text.replace(stand, (_, selector: string) =>
    String.fromCodePoint(hiders[(selector.codePointAt(0) ?? 0) - firstSelector] ?? 0xfffd),
  )
}
