import { describe, expect, test } from 'vitest'
import { isReplaced } from '../../../src/analysis/analyst/overwritten.ts'
import { ScreenLines } from '../../../src/analysis/analyst/screen-lines.ts'

/** What is told of output that came in pieces, each so many milliseconds after the one before. */
function toldOf(pieces: readonly string[], stepMs = 400, size = { columns: 80, rows: 24 }): string[] {
  const told: string[] = []
  const lines = new ScreenLines(size, (_, line) => void told.push(line))
  for (const [index, piece] of pieces.entries()) lines.take((index + 1) * stepMs * 1000, Buffer.from(piece))
  lines.end()
  return told
}

const notesOf = (...all: Parameters<typeof toldOf>): string[] =>
  toldOf(...all).filter(line => line.startsWith('[overwritten]'))

describe('what stood on the screen is said before something else stands there', () => {
  test('behind a carriage return', () => {
    expect(notesOf(['SECRET', '\rharmless', '\r\n$ '])).toEqual(['[overwritten] SECRET'])
  })

  test.each([
    ['CUU', '\x1b[1A\x1b[2K'],
    ['CPL', '\x1b[F\x1b[K'],
    ['RI', '\x1bM\r\x1b[K'],
    ['CUP', '\x1b[2;1H\x1b[2K'],
    ['VPA', '\x1b[2d\x1b[2K'],
    ['DECRC', '\x1b8\x1b[2K'],
    ['SCORC', '\x1b[u\x1b[2K'],
  ])('in the line above: %s', (name, sequence) => {
    const save = name === 'SCORC' ? '\x1b[s' : '\x1b7'
    expect(notesOf([`top\r\n${save}`, 'SECRET of theirs\r\n', `${sequence}harmless`, '\r\nend\r\n'])).toEqual(
      ['[overwritten] SECRET of theirs'],
    )
  })

  test('several lines, without a word in their place', () => {
    expect(notesOf(['top\r\nfirst secret\r\nsecond words\r\n', '\x1b[2A\x1b[J', 'x\r\n'])).toEqual([
      '[overwritten] first secret',
      '[overwritten] second words',
    ])
  })

  test('a line that has scrolled off since', () => {
    const flood = Array.from({ length: 2000 }, (_, line) => `line ${line}\r\n`).join('')
    expect(notesOf(['SECRET', `\rharmless\r\n${flood}`, 'x'])).toEqual(['[overwritten] SECRET'])
  })

  test('although the command that printed it says the word as well', () => {
    const line = "$ printf SECRET; sleep .4; printf '\\rharmless'"
    expect(notesOf([line, '\r\nSECRET', '\rharmless', '\r\n$ '])).toEqual(['[overwritten] SECRET'])
  })

  test('at the end of the session, too', () => {
    expect(notesOf(['SECRET', '\rharmless'])).toEqual(['[overwritten] SECRET'])
  })
})

describe('nothing is said of', () => {
  test.each([
    ['what stood for no time', ['SECRET\rharmless', '\r\n']],
    [
      'a meter',
      ['Receiving objects: 10% (1/10)', '\rReceiving objects: 60% (6/10)', '\rReceiving objects: done\r\n'],
    ],
    ['a spinner', ['- Installing packages', '\r\\ Installing packages', '\r| Installing packages']],
    ['a line that is typed', ['ada@web1:~$ ', 'vim', ' notes', '.txt\r\n', 'ada@web1:~$ ']],
    ['a line from the history', ['ada@web1:~$ ls -la /srv', '\r\x1b[Kada@web1:~$ vim notes.txt', '\r\n']],
    ['a search in the history', ['ada@web1:~$ ', "\r\x1b[K(reverse-i-search)`v': vim notes.txt", '\r\n']],
    ['a prompt that is drawn anew', ['~/src main ❯ make all', '\r\x1b[K❯ make all\r\n']],
    ['a pager', ['text\r\n--More--(12%)', '\r\x1b[Kother text\r\n']],
    ['a screen that is cleared', ['some text\r\nand more', '\x1b[H\x1b[2J', 'x']],
    ['a screen that is cleared from its top', ['some text\r\nand more', '\x1b[H\x1b[J', 'x']],
    [
      'lines that make room for another',
      ['one line\r\ntwo lines\r\n', '\x1b[H\x1b[Lzero lines\x1b[4;1H', 'x'],
    ],
    [
      'a full-screen program',
      ['$ vim', '\r\n\x1b[?1049h\x1b[Hsome words', '\x1b[Hother text', '\x1b[?1049l'],
    ],
  ])('%s', (_, pieces) => {
    expect(notesOf(pieces)).toEqual([])
  })

  test('what is told besides stays as it is', () => {
    expect(toldOf(['one\r\n', 'SECRET', '\rharmless\r\n', 'two\r\n'])).toEqual([
      'one',
      'harmless',
      '[overwritten] SECRET',
      'two',
    ])
  })
})

test('what overwrites itself all day is said a few times', () => {
  const words = ['alpha', 'bravo', 'delta', 'gamma', 'omega']
  const builds = Array.from(
    { length: 400 },
    (_, at) => `\r\x1b[KBuilding ${words[at % 5]} of ${words[(at * 3) % 5]}x`,
  )
  expect(notesOf(builds).length).toBeLessThanOrEqual(3)
  const flood = Array.from(
    { length: 900 },
    (_, at) => `\r\x1b[K${String.fromCodePoint(0x3400 + at).repeat(3)}`,
  )
  expect(notesOf(flood).length).toBe(200)
})

test.each([
  ['4111 1111 1111 1111', '', true],
  ['* - + |', '', false],
  ['41111111 11111111', 'all is well', true],
  ['hunter2', 'Password:', true],
  ['hunter2 $', 'all is well', true],
  ['SECRET', 'SEC', false],
  ['a long line that says much', 'a long', true],
  ['', 'x', false],
])('%j and then %j', (before, after, is) => {
  expect(isReplaced(before, after)).toBe(is)
})
