import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Screen } from '../../src/recorder/screen.ts'
import { Utf8Stream } from '../../src/recorder/utf8-stream.ts'

/** Bytes that mean something in UTF-8, those at the edges of its ranges among them. */
const byte = fc.oneof(
  fc.constantFrom(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4),
  fc.constantFrom(0x20, 0x41, 0x0a, 0x0d, 0xf5, 0xff),
)
const bytes = fc.oneof(
  fc.array(byte, { maxLength: 40 }).map(all => Buffer.from(all)),
  fc.string({ unit: 'grapheme', maxLength: 20 }).map(text => Buffer.from(text)),
)

describe('UTF-8 in pieces', () => {
  test('is read as the whole would be, whatever the bytes and wherever they are cut', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat({ max: 40 }), { maxLength: 8 }), (data, cuts) => {
        const stream = new Utf8Stream()
        const edges = [0, ...cuts.filter(cut => cut < data.length).toSorted((a, b) => a - b), data.length]
        const read = edges.slice(1).map((to, index) => stream.decode(data.subarray(edges[index], to)))
        const rest = stream.isWithinCharacter ? '\ufffd' : ''
        expect(read.join('') + rest).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(data))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a terminal', () => {
  const size = { columns: 20, rows: 6 }

  test('shows a character whose second byte is 0x80 that comes byte by byte', () => {
    const screen = new Screen(size)
    for (const one of Buffer.from('a – b ကက 𐀀 😀')) screen.write(Buffer.of(one))
    expect(screen.text().trimEnd()).toBe('a – b ကက 𐀀 😀')
  })

  test('shows the same however its output was cut, and is clean at the same end', () => {
    fc.assert(
      fc.property(bytes, data => {
        const [whole, cut] = [new Screen(size), new Screen(size)]
        whole.write(data)
        for (const one of data) cut.write(Buffer.of(one))
        expect(cut.isClean).toBe(whole.isClean)
        expect(cut.state()).toEqual(whole.state())
      }),
      { numRuns: 500 },
    )
  })
})
