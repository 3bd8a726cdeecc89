import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { terminalSafe } from '../../src/recorder/terminal-safe.ts'

test('nothing that a terminal obeys, reorders or hides comes through', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      expect(terminalSafe(text)).not.toMatch(
        /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/,
      )
      expect(terminalSafe(text, { oneLine: true })).not.toMatch(/[\n\t]/)
    }),
  )
})

test('what is hidden is shown as a mark, and ordinary text stays as it is', () => {
  expect(terminalSafe('\x1b[2J\x07\x7f')).toBe('␛[2J␇␡')
  expect(terminalSafe('\u009b\u202egnp\u200b\u{e0041}')).toBe('<U+009B><U+202E>gnp<U+200B><U+E0041>')
  expect(terminalSafe('grün 漢字 🙂\n\tx')).toBe('grün 漢字 🙂\n\tx')
  expect(terminalSafe('a\nb', { oneLine: true })).toBe('a␊b')
  expect(terminalSafe('\ud800')).toBe('<U+D800>')
})
