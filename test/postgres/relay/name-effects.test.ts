import fc from 'fast-check'
import { expect, test } from 'vitest'
import { firstWords, nameEffects } from '../../../src/postgres/relay/name-effects.ts'

test.each([
  ["select 'prepare x as y; deallocate z'"],
  ['-- prepare x as select 1'],
  ['/* prepare x /* nested */ ; deallocate all */ select 1'],
  ['select $$; deallocate all; $$'],
  ['select $a$ $$ ; deallocate all $a$'],
  ["select E'\\'; deallocate all --'"],
  ['select "a;deallocate all"'],
  ['create rule r as on insert to t do (select 1; deallocate all)'],
  ["prepare transaction 'x'"],
  ['explain execute x'],
  ["comment on table t is 'it''s'; select ';close all'"],
])('nothing happens to names in %s', text => {
  expect(nameEffects(text)).toEqual([])
})

test.each([
  ['prepare p as select 1', [{ kind: 'prepare', name: 'p' }]],
  ['PREPARE P (int) AS select 1', [{ kind: 'prepare', name: 'p' }]],
  ['prepare "P q" as select 1', [{ kind: 'prepare', name: 'P q' }]],
  ['prepare "a""b" as select 1', [{ kind: 'prepare', name: 'a"b' }]],
  ['/* x */ prepare--\n p as select 1', [{ kind: 'prepare', name: 'p' }]],
  [
    'execute p(1); deallocate prepare p',
    [
      { kind: 'execute', name: 'p' },
      { kind: 'deallocate', name: 'p' },
    ],
  ],
  ['deallocate all', [{ kind: 'deallocate' }]],
  ['deallocate prepare all', [{ kind: 'deallocate' }]],
  ['discard all', [{ kind: 'discard-all' }]],
  ['discard plans', []],
  ['declare c cursor for select 1', [{ kind: 'declare', name: 'c', holds: false }]],
  ['declare c cursor with  hold for select 1', [{ kind: 'declare', name: 'c', holds: true }]],
  ['close c; close all', [{ kind: 'close', name: 'c' }, { kind: 'close' }]],
  [`prepare ${'n'.repeat(80)} as select 1`, [{ kind: 'prepare', name: 'n'.repeat(63) }]],
])('%s', (text, effects) => {
  expect(nameEffects(text)).toEqual(effects)
})

test('a backslash escapes in plain strings only where the session says so', () => {
  const text = "select 'a\\'; deallocate all; --'"
  expect(nameEffects(text, false)).toEqual([{ kind: 'deallocate' }])
  expect(nameEffects(text, true)).toEqual([])
})

test('any text is read to its end, in time that grows with its length', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          "'",
          '"',
          '$$',
          '$a$',
          '/*',
          '*/',
          '--',
          '\n',
          ';',
          '(',
          ')',
          'prepare',
          ' ',
          'x',
          'E',
          '\\',
          '\0',
        ),
        {
          maxLength: 60,
        },
      ),
      parts => {
        expect(Array.isArray(firstWords(parts.join('')))).toBe(true)
      },
    ),
    { numRuns: 3000 },
  )
  for (const hostile of ["'", '/*', '$$', '(', '"', "E'\\"]) firstWords(`prepare ${hostile.repeat(300_000)}`)
  const tags = Array.from({ length: 200_000 }, (_, index) => `$a${index.toString(36)}$`).join(' ')
  nameEffects(`prepare ${tags.slice(0, 256 * 1024 - 8)}`)
})

test('what follows a dollar quote that nothing closes is never run, and does nothing to names', () => {
  expect(nameEffects('select 1 $a$; deallocate all')).toEqual([])
  expect(nameEffects('select $1; deallocate all')).toEqual([{ kind: 'deallocate' }])
})
