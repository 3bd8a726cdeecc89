import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aroundFirst, bothEnds, marksIn } from '../../../web/app/player/cut.ts'

test('a command that is cut keeps where it ends', () => {
  const command = `curl -fsSL https://example.com/${'a'.repeat(200)}/install.sh | sudo sh`
  const cut = bothEnds(command, 72)
  expect(cut).toMatch(/^curl -fsSL https.*….*install\.sh \| sudo sh$/)
  expect(cut.length).toBeLessThanOrEqual(72)
  expect(bothEnds('ls -la', 72)).toBe('ls -la')
})

test('nothing is cut between the halves of a character', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '🙂', 'é') }),
      fc.integer({ min: 8, max: 40 }),
      (text, max) => {
        expect(bothEnds(text, max).isWellFormed()).toBe(true)
        expect(aroundFirst({ text, marks: marksIn(text, 'é') }, 5, max).text.isWellFormed()).toBe(true)
      },
    ),
  )
})

test('of a screen that has a hit, the line with the hit is shown, and the hit is near its beginning', () => {
  const text = `first line\n${'x'.repeat(100)} sudo useradd mallory ${'y'.repeat(300)}\nlast line`
  const found = aroundFirst({ text, marks: marksIn(text, 'useradd') }, 12, 60)
  expect(found.text).not.toContain('\n')
  expect(found.marks).toHaveLength(1)
  const [start, end] = found.marks[0] ?? [0, 0]
  expect(found.text.slice(start, end)).toBe('useradd')
  expect(start).toBeLessThanOrEqual(13)
  expect(found.text.length).toBeLessThanOrEqual(62)
})

test('a hit at the beginning of a line is not cut off from it', () => {
  const text = 'one\nuseradd mallory\nthree'
  expect(aroundFirst({ text, marks: marksIn(text, 'USERADD') }, 12, 60)).toEqual({
    text: 'useradd mallory',
    marks: [[0, 7]],
  })
})

test('a text in which nothing is marked shows its first line', () => {
  expect(aroundFirst({ text: 'one\ntwo', marks: [] }, 12, 60)).toEqual({ text: 'one', marks: [] })
})
