import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { original, Revealer } from '../../../web/app/player/reveal.ts'

function revealed(...texts: readonly string[]): string {
  const revealer = new Revealer()
  return texts.map(text => revealer.reveal(new TextEncoder().encode(text))).join('')
}

describe('concealed text shows', () => {
  test.each([
    ['\x1b[8mx', '\x1b[7;4:3mx'],
    ['\x1b[0;8;31mx\x1b[28m', '\x1b[0;7;4:3;31mx\x1b[27;24m'],
    ['\x1b[38;5;8;8mx', '\x1b[38;5;8;7;4:3mx'],
    ['\x1b[48;2;8;8;8;8mx', '\x1b[48;2;8;8;8;7;4:3mx'],
  ])('%j', (sent, drawn) => {
    expect(revealed(sent)).toBe(drawn)
  })

  test('however the sequence was cut', () => {
    const sent = 'a\x1b[31;8mb'
    for (let cut = 0; cut <= sent.length; cut++)
      expect(revealed(sent.slice(0, cut), sent.slice(cut))).toBe('a\x1b[31;7;4:3mb')
  })

  test('and is known to have been', () => {
    const revealer = new Revealer()
    revealer.revealText('\x1b[38;5;8mx\x1b[28m')
    expect(revealer.hasConcealed).toBe(false)
    revealer.revealText('\x1b[8m')
    expect(revealer.hasConcealed).toBe(true)
  })
})

test('colours that have an eight in them stay as they are', () => {
  for (const sent of ['\x1b[38;5;8mx', '\x1b[38:5:8mx', '\x1b[48;2;8;28;8mx', '\x1b[18mx', '\x1b[58;5;28mx'])
    expect(revealed(sent)).toBe(sent)
})

test('nothing that reorders text or has no width reaches the page, and what it was is known', () => {
  const hidden = fc.constantFrom(
    '\u202e',
    '\u202c',
    '\u200b',
    '\u200d',
    '\u2066',
    '\u2069',
    '\ufeff',
    '\u00ad',
    '\u{e0041}',
    '\u{e007f}',
  )
  const piece = fc.oneof(
    hidden,
    fc
      .string({ minLength: 1, maxLength: 3 })
      .filter(text => !text.includes('\u001b') && !text.includes('\u0333')),
  )
  fc.assert(
    fc.property(fc.array(piece), pieces => {
      const text = pieces.join('').toWellFormed()
      const drawn = revealed(text)
      expect(drawn).not.toMatch(/[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/)
      expect(drawn).not.toMatch(/[\u{e0020}-\u{e007f}]/u)
      expect(original(drawn)).toBe(text.replace(/^\ufeff/, ''))
    }),
  )
})

test('characters that were cut between two events come whole', () => {
  const bytes = new TextEncoder().encode('grüße 🙂')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length }), cut => {
      const revealer = new Revealer()
      expect(revealer.reveal(bytes.slice(0, cut)) + revealer.reveal(bytes.slice(cut))).toBe('grüße 🙂')
    }),
  )
})
