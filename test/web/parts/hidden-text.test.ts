import { expect, test } from 'vitest'
import { withMarks } from '../../../web/app/parts/hidden-text.ts'

test('a title or a label never reorders itself, hides nothing and carries no control', () => {
  expect(withMarks('ls -la \u202E\u200B evil')).toBe(String.raw`ls -la \u{202e}\u{200b} evil`)
  expect(withMarks('a\u001B[8mb\u009B8mc\nd')).toBe(String.raw`a\u{1b}[8mb\u{9b}8mc\u{a}d`)
})

test('a title or a label that hides nothing is as it is', () => {
  expect(withMarks('Größe: 5 €, שלום, 🙂')).toBe('Größe: 5 €, שלום, 🙂')
})
