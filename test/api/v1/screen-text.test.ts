import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { screenTextOf } from '../../../src/api/v1/replay/screen-text.ts'
import { Screen } from '../../../src/recorder/screen.ts'

const size = { columns: 20, rows: 6 }

const gadgets = [
  'hello ',
  'world\r\n',
  '\n',
  '\r',
  '\b',
  '\t',
  'x',
  '漢字',
  '🙂',
  'e\u0301',
  '\x1b[31m',
  '\x1b[1;4m',
  '\x1b[7m',
  '\x1b[0m',
  '\x1b[38;5;200m',
  '\x1b[48;2;1;2;3m',
  '\x1b[2J',
  '\x1b[K',
  '\x1b[1K',
  '\x1b[H',
  '\x1b[3;5H',
  '\x1b[2;4r',
  '\x1b[r',
  '\x1b[?6h',
  '\x1b[?6l',
  '\x1b7',
  '\x1b8',
  '\x1b(0lqk',
  '\x1b(B',
  '\x0e',
  '\x0f',
  '\x1b)0',
  '\x1b[3g',
  '\x1bH',
  '\x1b[?1049h',
  '\x1b[?1049l',
  '\x1b[?25l',
  '\x1b[?25h',
  '\x1b[?7l',
  '\x1b[?7h',
  '\x1b[4h',
  '\x1b[4l',
  '\x1b[?2004h',
  '\x1b[?1h',
  '\x1bM',
  '\x1bD',
  '\x1b[2L',
  '\x1b[2M',
  '\x1b[3P',
  '\x1b[3@',
  '\x1b[2S',
  '\x1b[2T',
  '0123456789012345678901234567890',
  '\x1b[20G',
]
const writes = fc.array(fc.constantFrom(...gadgets), { minLength: 1, maxLength: 40 })

/** What somebody sees: characters, colours and where the cursor is. */
function seen(screen: Screen): unknown {
  const { active } = screen.terminal.buffer
  const cell = active.getNullCell()
  const rows = Array.from({ length: screen.terminal.rows }, (_, y) =>
    Array.from({ length: screen.terminal.cols }, (_, x) => {
      active.getLine(active.baseY + y)?.getCell(x, cell)
      const colours = cell.isInverse() !== 0 || cell.getBgColor() > 0 ? cell.getBgColor() : 0
      return `${cell.getChars().trim()} ${cell.getChars().trim() === '' ? '' : cell.getFgColor()} ${colours}`
    }),
  )
  return { rows, x: active.cursorX, y: active.cursorY, type: active.type }
}

function redrawn(screen: Screen): Screen {
  const copy = new Screen(size)
  copy.write(Buffer.from(screenTextOf(screen.state())))
  return copy
}

test('a screen that is drawn from its text shows the same', () => {
  fc.assert(
    fc.property(writes, before => {
      const screen = new Screen(size)
      for (const text of before) screen.write(Buffer.from(text))
      fc.pre(screen.isClean)
      expect(seen(redrawn(screen))).toEqual(seen(screen))
    }),
    { numRuns: 500 },
  )
})

test('half of a wide character that was written over shows as it did', () => {
  for (const style of ['\x1b[7m', '\x1b[4m', '\x1b[31;7m', '\x1b[42m']) {
    const screen = new Screen(size)
    screen.write(Buffer.from(`${style}漢字\rx\x1b[m`))
    expect(seen(redrawn(screen))).toEqual(seen(screen))
  }
})

test('and later output does to it what it does to the original', () => {
  fc.assert(
    fc.property(writes, writes, (before, after) => {
      const screen = new Screen(size)
      for (const text of before) screen.write(Buffer.from(text))
      fc.pre(screen.isClean)
      const { charset, charsets, charsetLevel } = screen.state()
      fc.pre(charset === (charsets[charsetLevel] ?? null)) // a cursor restored with another charset than that of its slot
      const copy = redrawn(screen)
      for (const text of after) for (const one of [screen, copy]) one.write(Buffer.from(text))
      expect(seen(copy)).toEqual(seen(screen))
    }),
    { numRuns: 500 },
  )
})
