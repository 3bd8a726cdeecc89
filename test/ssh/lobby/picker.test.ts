/** The picker as a machine: keys in, lines out. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keysIn } from '../../../src/ssh/lobby/keys.ts'
import {
  type Choice,
  cursorOf,
  linesOf,
  matches,
  newPicker,
  numberedLines,
  type Outcome,
  type Picker,
  press,
  pressNumbered,
} from '../../../src/ssh/lobby/picker.ts'

const size = { columns: 80, rows: 24 }
const choices: readonly Choice[] = [
  { target: 'web1', login: 'deploy', labels: 'env=prod' },
  { target: 'web1', login: 'root', labels: 'env=prod' },
  { target: 'lab', login: 'root', labels: 'env=lab tier=q' },
]
const picker = newPicker(
  'bastion: where to?',
  choices,
  'You may open db1 only in its hours: Mon-Fri 08:00-19:00.',
)

/** What comes of keys typed at once, until one of them ends it. */
function type(text: string, from: Picker = picker, step = press): Outcome {
  let outcome: Outcome = { kind: 'going-on', picker: from }
  for (const key of keysIn(Buffer.from(text, 'latin1'))) {
    if (outcome.kind !== 'going-on') return outcome
    outcome = step(outcome.picker, key, size)
  }
  return outcome
}

const shown = (outcome: Outcome, at = size): readonly string[] =>
  outcome.kind === 'left' ? [] : linesOf(outcome.picker, at)
const chosen = (outcome: Outcome) => (outcome.kind === 'chosen' ? outcome.choice : outcome.kind)

describe('leaving', () => {
  test.each(['q', '\x03', '\x04', '\x1b', 'we\x03', '\x1b[B\x03'])('by %j', keys => {
    expect(type(keys).kind).toBe('left')
  })

  test('is not what a q in a filter means', () => {
    expect(type('r').kind).toBe('going-on')
    expect(chosen(type('tier=q\r'))).toBe(choices[2])
  })

  test('takes two escapes once something was typed: the first clears it', () => {
    expect(type('web\x1b')).toMatchObject({ kind: 'going-on', picker: { filter: '' } })
    expect(type('web\x1b\x1b').kind).toBe('left')
  })
})

describe('choosing', () => {
  test('nothing that does not match', () => {
    const outcome = type('no such\r')
    expect(outcome.kind).toBe('going-on')
    expect(shown(outcome).join('\n')).toContain('Nothing matches')
  })

  test('takes the first at once, and others by the arrows of both cursor modes', () => {
    expect(chosen(type('\r'))).toBe(choices[0])
    expect(chosen(type('\x1b[B\r'))).toBe(choices[1])
    expect(chosen(type('\x1bOB\x1bOB\x1b[A\r'))).toBe(choices[1])
    expect(chosen(type('\x1b[6~\r'))).toBe(choices[2])
    expect(chosen(type('\x1b[F\x1b[H\r'))).toBe(choices[0])
  })

  test('stays within the list', () => {
    expect(chosen(type('\x1b[A\x1b[A\r'))).toBe(choices[0])
    expect(chosen(type(`${'\x1b[B'.repeat(9)}\r`))).toBe(choices[2])
  })

  test('filters by every word, over names, logins and labels, in any case', () => {
    expect(chosen(type('LAB\r'))).toBe(choices[2])
    expect(chosen(type('prod root\r'))).toBe(choices[1])
    expect(chosen(type('root@l\r'))).toBe(choices[2])
    expect(chosen(type('labx\x7f\r'))).toBe(choices[2])
    expect(chosen(type('lab\x15\r'))).toBe(choices[0])
  })
})

describe('the screen', () => {
  test('says what there is, what is chosen, why something is missing, and how to leave', () => {
    expect(shown(type('\x1b[B'))).toEqual([
      'bastion: where to? (3)',
      'Filter: ',
      '  deploy@web1  env=prod',
      '> root@web1    env=prod',
      '  root@lab     env=lab tier=q',
      '',
      'You may open db1 only in its hours: Mon-Fri 08:00-19:00.',
      'Up and down choose, typing filters, Enter opens, q leaves.',
    ])
    expect(cursorOf(picker)).toEqual({ row: 2, column: 9 })
  })

  test('of any size shows the choice and never more than it holds', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({
      target: `t${index}`,
      login: 'root',
      labels: '',
    }))
    const long = newPicker('title', many, 'missing')
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 300 }),
        fc.integer({ min: 8, max: 100 }),
        fc.nat(600),
        (columns, rows, steps) => {
          const outcome = type('\x1b[B'.repeat(steps), long)
          const lines = shown(outcome, { columns, rows })
          expect(lines.length).toBeLessThanOrEqual(rows)
          expect(Math.max(...lines.map(line => line.length))).toBeLessThan(columns)
          expect(lines.filter(line => line.startsWith('>'))).toHaveLength(1)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('is no place for control characters, whatever is typed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        const outcome = type(Buffer.from(bytes).toString('latin1'))
        for (const line of shown(outcome)) expect(line).toMatch(/^[ -~]*$/)
      }),
    )
  })

  test('holds no endless filter', () => {
    const outcome = type('x'.repeat(10_000))
    expect(outcome.kind === 'going-on' && outcome.picker.filter.length).toBe(128)
    expect(outcome.kind === 'going-on' && matches(outcome.picker)).toEqual([])
  })
})

describe('the numbered list', () => {
  test('refuses what is no number of it', () => {
    for (const typed of ['0', '4', '-1', '1e0', '', '99999999999'])
      expect(type(`${typed}\r`, picker, pressNumbered)).toMatchObject({
        kind: 'going-on',
        picker: { filter: '', note: 'That is no number of the list.' },
      })
  })

  test('gives what the number stands for, and leaves by q or Ctrl-C', () => {
    expect(numberedLines(picker)[3]).toBe('3) root@lab  env=lab tier=q')
    expect(chosen(type('31\x7f\r', picker, pressNumbered))).toBe(choices[2])
    expect(type('q\r', picker, pressNumbered).kind).toBe('left')
    expect(type('1\x03', picker, pressNumbered).kind).toBe('left')
  })
})
