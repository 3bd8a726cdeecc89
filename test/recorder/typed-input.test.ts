import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { TypedInput } from '../../src/recorder/typed-input.ts'

/** A conversation: `>` was typed, `<` was shown. What came of it, but the counts. */
function converse(...steps: readonly [direction: '>' | '<', text: string | Buffer][]): RecordedEvent[] {
  const input = new TypedInput(0)
  const events: RecordedEvent[] = []
  for (const [direction, text] of steps) {
    const data = Buffer.from(text as string)
    events.push(...(direction === '>' ? input.typed(data) : input.shown(data)))
  }
  return events.filter(event => event.type !== 'input-count')
}

/** Typed and echoed key by key. */
function keys(text: string): [direction: '>' | '<', text: string][] {
  return Array.from(text).flatMap(key => [
    ['>', key],
    ['<', key],
  ])
}

const typed = (text: string) => ({ type: 'typed', channel: 0, text })
const unechoed = (characters: number) => ({ type: 'unechoed-line', channel: 0, characters })

describe('what is not shown is not kept', () => {
  test('a password typed with echo off leaves its length', () => {
    const steps = converse(
      ['<', '[sudo] password for ada: '],
      ['>', 'hunter2'],
      ['>', '\r'],
      ['<', '\r\n'],
      ['<', 'root\r\n'],
    )
    expect(steps).toEqual([unechoed(7)])
  })

  test('read -s, which shows no newline either', () => {
    expect(converse(['>', 'hunter2\r'], ['<', 'Welcome\r\n'])).toEqual([unechoed(7)])
  })

  test('a password shown as stars', () => {
    const stars = Array.from('hunter2').flatMap<['>' | '<', string]>(key => [
      ['>', key],
      ['<', '*'],
    ])
    expect(converse(...stars, ['>', '\r'], ['<', '\r\n'])).toEqual([unechoed(7)])
  })

  test('a wrong password and the words that blame it', () => {
    expect(converse(['>', 'Sorry1\r'], ['<', '\r\nSorry, try again.\r\n'])).toEqual([unechoed(6)])
  })

  test('a line of which one character was not shown', () => {
    expect(
      converse(...keys('mysql -p'), ['>', 'x'], ['>', 'y'], ['<', 'y'], ['>', '\r'], ['<', '\r\n']),
    ).toEqual([])
  })

  test('a line in which something else was shown', () => {
    expect(converse(...keys('l'), ['<', '!'], ...keys('s'), ['>', '\r'], ['<', '\r\n'])).toEqual([])
  })

  test('a line that was completed, fetched from the history or changed in its middle', () => {
    for (const key of ['\t', '\x1b[A', '\x1b[D', '\x12', '\x01', '\x15', '\x17', '\x1bb', '\x1bOA']) {
      expect(
        converse(...keys('ca'), ['>', key], ['<', 'xx'], ...keys('t'), ['>', '\r'], ['<', '\r\n']),
      ).toEqual([])
    }
  })

  test('a line given up with ^C', () => {
    expect(
      converse(
        ...keys('rm -rf'),
        ['>', '\x03'],
        ['<', '^C\r\n$ '],
        ...keys('ls'),
        ['>', '\r'],
        ['<', '\r\n'],
      ),
    ).toEqual([typed('ls')])
  })

  test('what is typed into a full-screen program', () => {
    const steps = converse(
      ['<', '\x1b[?1049h'],
      ...keys('secret'),
      ['>', '\r'],
      ['<', '\r\n'],
      ['<', '\x1b[?1049l$ '],
    )
    expect(steps).toEqual([])
  })

  test('a line longer than what is held', () => {
    expect(converse(...keys('x'.repeat(5000)), ['>', '\r'], ['<', '\r\n'])).toEqual([])
    const after = converse(
      ...keys('x'.repeat(5000)),
      ['>', '\r'],
      ['<', '\r\n$ '],
      ...keys('ls'),
      ['>', '\r'],
      ['<', '\r\n'],
    )
    expect(after).toEqual([typed('ls')])
  })

  test('a line that is no UTF-8', () => {
    const bytes = Buffer.from([0xff, 0xfe])
    expect(converse(['>', bytes], ['<', bytes], ['>', '\r'], ['<', '\r\n'])).toEqual([])
  })

  test('an unfinished escape sequence of the target does not hide the lines after it for ever', () => {
    const steps = converse(['<', `\x1b]0;${'x'.repeat(5000)}`], ...keys('ls'), ['>', '\r'], ['<', '\r\n'])
    expect(steps).toEqual([typed('ls')])
  })
})

describe('lines of which nothing is ever shown are told all the same', () => {
  test('when more of them wait than are held', () => {
    const steps = Array.from({ length: 100 }, (_, i): ['>', string] => ['>', `line ${i}\r`])
    const told = converse(...steps)
    expect(told).toHaveLength(64)
    expect(told[0]).toEqual(unechoed(6))
  })

  test('when the channel ends', () => {
    const input = new TypedInput(0)
    input.typed(Buffer.from('hunter2\rnot entered'))
    expect(input.end()).toEqual([unechoed(7)])
    expect(input.end()).toEqual([])
  })
})

describe('what is shown is kept', () => {
  test('a line echoed key by key', () => {
    expect(
      converse(['<', '$ '], ...keys('ls -l'), ['>', '\r'], ['<', '\r\n'], ['<', 'total 0\r\n$ ']),
    ).toEqual([typed('ls -l')])
  })

  test('a line whose echo comes late, in pieces, with colours', () => {
    expect(
      converse(['>', 'ls\r'], ['<', '\x1b[32'], ['<', 'ml\x1b[0ms'], ['<', '\x1b[?2004l\r'], ['<', '\r\n']),
    ).toEqual([typed('ls')])
  })

  test('several lines typed ahead, empty ones between', () => {
    expect(converse(['>', 'a\r\rb\r'], ['<', 'a\r\n\r\nb\r\n'])).toEqual([typed('a'), typed('b')])
  })

  test('a paste between its marks', () => {
    expect(
      converse(['>', '\x1b[200~ls -l\x1b[201~'], ['<', '\x1b[7mls -l\x1b[27m'], ['>', '\r'], ['<', '\r\n']),
    ).toEqual([typed('ls -l')])
  })

  test("the terminal's own answers are no typing", () => {
    expect(
      converse(
        ...keys('l'),
        ['>', '\x1b[24;80R\x1b[?1;2c\x1b[I\x1b[M!!!'],
        ...keys('s'),
        ['>', '\r'],
        ['<', '\r\n'],
      ),
    ).toEqual([typed('ls')])
  })

  test('a character erased, as the kernel shows it and as readline does', () => {
    for (const erased of ['\b \b', '\b\x1b[K']) {
      expect(
        converse(...keys('lx'), ['>', '\x7f'], ['<', erased], ...keys('s'), ['>', '\r'], ['<', '\r\n']),
      ).toEqual([typed('ls')])
    }
  })

  test('characters of several bytes, one of them erased', () => {
    expect(converse(...keys('grüße'), ['>', '\x7f'], ['<', '\b \b'], ['>', '\r'], ['<', '\r\n'])).toEqual([
      typed('grüß'),
    ])
  })

  test('input is counted at once, whatever it is', () => {
    expect(new TypedInput(7).typed(Buffer.from('abc'))).toEqual([
      { type: 'input-count', channel: 7, bytes: 3 },
    ])
  })

  test('a key that a pager takes does not make the next line look unechoed', () => {
    expect(converse(['>', 'q'], ['<', '\r\n$ '], ...keys('ls'), ['>', '\r'], ['<', '\r\n'])).toEqual([])
  })
})

const words = fc.string({
  unit: fc.constantFrom(...Array.from('abcdefghijklmnop -/')),
  minLength: 1,
  maxLength: 12,
})
/** Letters that no echoed line and no output uses, so that any trace of them is a leak. */
const passwords = fc.string({
  unit: fc.constantFrom(...Array.from('QRSTUVWXYZ0123456789')),
  minLength: 1,
  maxLength: 12,
})
const scenes = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('line' as const), text: words }),
    fc.record({
      kind: fc.constantFrom('read -s' as const, 'sudo' as const, 'stars' as const),
      text: passwords,
    }),
    fc.record({ kind: fc.constant('output' as const), text: words }),
    fc.record({
      kind: fc.constant('keys' as const),
      text: fc.constantFrom('\x1b[A', '\t', '\x03', '\x15', '\x17', '\x7f', '\x1b'),
    }),
  ),
  { maxLength: 12 },
)
type Scene = { kind: 'line' | 'read -s' | 'sudo' | 'stars' | 'output' | 'keys'; text: string }

/** What a terminal's two directions carry in a scene. */
function play({ kind, text }: Scene): [direction: '>' | '<', text: string][] {
  switch (kind) {
    case 'line':
      return [['<', '$ '], ...keys(text), ['>', '\r'], ['<', '\r\n']]
    case 'read -s':
      return [
        ['>', text],
        ['>', '\r'],
        ['<', 'done\r\n'],
      ]
    case 'sudo':
      return [
        ['<', '[sudo] password for ada: '],
        ['>', `${text}\r`],
        ['<', '\r\n'],
      ]
    case 'stars':
      return [
        ...Array.from(text).flatMap<['>' | '<', string]>(key => [
          ['>', key],
          ['<', '*'],
        ]),
        ['>', '\r'],
        ['<', '\r\n'],
      ]
    case 'output':
      return [['<', `${text}\r\n`]]
    default:
      return [['>', text]]
  }
}

test('no password is ever kept, whatever comes before, between and after', () => {
  fc.assert(
    fc.property(scenes, played => {
      const events = converse(...played.flatMap(play))
      for (const event of events)
        if (event.type === 'typed') expect(event.text).not.toMatch(/[QRSTUVWXYZ0-9]/)
    }),
    { numRuns: 2000 },
  )
})

test('where only lines are typed, all of them are kept', () => {
  fc.assert(
    fc.property(fc.array(words), lines => {
      const events = converse(...lines.flatMap(text => play({ kind: 'line', text })))
      expect(events).toEqual(lines.map(typed))
    }),
  )
})

test('whatever the bytes, what is kept was shown', () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map(array => Buffer.from(array))
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom('>' as const, '<' as const),
      fc.oneof(
        bytes,
        fc.constantFrom(...Array.from('ab\r\n\b\x7f\x1b[')).map(c => Buffer.from(c)),
      ),
    ),
  )
  fc.assert(
    fc.property(steps, conversation => {
      const shown = Buffer.concat(
        conversation.filter(([direction]) => direction === '<').map(([, data]) => data),
      )
      for (const event of converse(...conversation)) {
        if (event.type === 'typed')
          for (const byte of Buffer.from(event.text)) expect(shown.includes(byte)).toBe(true)
      }
    }),
    { numRuns: 2000 },
  )
})

test('how the bytes were cut never shows', () => {
  const conversation = fc.array(
    fc.tuple(
      fc.constantFrom('>' as const, '<' as const),
      fc.string({ unit: fc.constantFrom(...Array.from('ab\r\n\b\x7f\x1b[?1049hlOM]\x07')) }),
    ),
  )
  fc.assert(
    fc.property(conversation, steps => {
      const whole = converse(...steps)
      const bytewise = converse(
        ...steps.flatMap(([direction, text]) =>
          Array.from(text, c => [direction, c] as [typeof direction, string]),
        ),
      )
      expect(bytewise).toEqual(whole)
    }),
    { numRuns: 2000 },
  )
})
