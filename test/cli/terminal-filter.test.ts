import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TerminalFilter } from '../../src/cli/terminal-filter.ts'

const filter = (text: string): string => new TerminalFilter().push(Buffer.from(text))

describe('does not reach the auditor’s terminal:', () => {
  const attacks: [string, string][] = [
    ['a window title', '\x1b]0;owned\x07'],
    ['a title ended by ST', '\x1b]2;owned\x1b\\'],
    ['the clipboard', '\x1b]52;c;cm0gLXJmIC8=\x07'],
    ['a hyperlink', '\x1b]8;;javascript:alert(1)\x07'],
    ['a question for the device', '\x1b[c'],
    ['a question for the cursor’s place, whose answer a shell would read', '\x1b[6n'],
    ['a question for a setting (DECRQSS)', '\x1bP$q"p\x1b\\'],
    ['a status string', '\x1b_anything\x1b\\'],
    ['window operations', '\x1b[8;1;1t'],
    ['mouse reports', '\x1b[?1000h'],
    ['focus reports', '\x1b[?1004h'],
    ['bracketed paste', '\x1b[?2004h'],
    ['the keyboard’s modes', '\x1b[>1u'],
    ['a soft reset', '\x1b[!p'],
    ['a hard reset', '\x1bc'],
    ['media copy', '\x1b[5i'],
    ['an eight-bit control', '\u009b6n'],
    ['an eight-bit operating system command', '\u009d0;owned\u009c'],
    ['an answerback', '\x05'],
    ['a NUL', '\0'],
    ['a sequence without end', `\x1b[${'1;'.repeat(400)}`],
    ['locked keys', '\x1b[2q'],
  ]
  for (const [name, text] of attacks) {
    test(name, () => expect(filter(`a${text}b`).replace(/^a.*?(?=b$)/s, 'a')).toBe('ab'))
    test(`${name}, and nothing of it stands for it`, () =>
      expect(filter(text)).not.toMatch(/[\x1b\0\x05\u0080-\u009f]/))
  }
})

test('what draws passes unchanged', () => {
  const drawing =
    'plain\r\n\ttab \x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mtrue\x1b[m\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[?25l\x1b[?1049h\x1b7\x1b8\x1b(0lqk\x1b(B é 漢 🙂\x1b[3;9r\x1bM'
  expect(filter(drawing)).toBe(drawing)
})

test('how the bytes were cut never shows', () => {
  const piece = fc.constantFrom(
    'a',
    'é🙂',
    '\x1b[31m',
    '\x1b]0;x\x07',
    '\x1b[6n',
    '\x1bP1$r\x1b\\',
    '\x1b',
    '[',
    '\u009b',
  )
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat(40)), (pieces, cuts) => {
      const bytes = Buffer.from(pieces.join(''))
      const whole = new TerminalFilter().push(bytes)
      const cutting = new TerminalFilter()
      const bounds = [0, ...cuts.filter(cut => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]
      let parts = ''
      for (let index = 1; index < bounds.length; index++) {
        parts += cutting.push(bytes.subarray(bounds[index - 1], bounds[index]))
      }
      expect(parts).toBe(whole)
    }),
  )
})

test('no bytes at all make it pass an escape that is not on its list', () => {
  const allowed = /\x1b(?:\[[\d;:]*[@A-HJ-MPSTXZ`abdefmhlrsu]|\[\?[\d;]*[hl]|[78DEHM=]|\([0AB12])/g
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0x1b, 0x5b, 0x5d, 0x3f, 0x31, 0x6e, 0x63, 0x68, 0x07, 0x50, 0x9b, 0x20), {
        maxLength: 60,
      }),
      bytes => {
        const out = new TerminalFilter().push(Buffer.from(bytes))
        expect(out.replaceAll(allowed, '')).not.toContain('\x1b')
      },
    ),
    { numRuns: 2000 },
  )
})

test('it knows whether the recording has left the main screen', () => {
  const screen = new TerminalFilter()
  screen.push(Buffer.from('\x1b[?1049h'))
  expect(screen.onAlternateScreen).toBe(true)
  screen.push(Buffer.from('\x1b[?25h\x1b[?1049l'))
  expect(screen.onAlternateScreen).toBe(false)
})
