import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokensOf } from '../../../src/analysis/baseline/tokens.ts'

const line = (text: string): readonly (readonly string[])[] => {
  const { commands, shapes, words } = tokensOf('ssh', text)
  return [commands, shapes, words]
}

describe('a command line', () => {
  test.each([
    ['', [], [], []],
    [' \t;;&& ', [], [], []],
    ['ls', ['ls'], ['ls'], []],
    ['/usr/bin/ls -l --color=auto /srv', ['ls'], ['ls -l --color'], ['ls /srv']],
    ['ps aux | grep node', ['ps', 'grep'], ['ps', 'grep'], ['ps aux', 'grep node']],
    ['sudo -u root id', ['-u'], ['-u'], ['-u root', '-u id']],
    ['sudo env A=1 B_2= make -j4 all', ['make'], ['make -j4'], ['make all']],
    ['A=1', ['A=1'], ['A=1'], []],
    ['a-b=1 x', ['a-b=1'], ['a-b=1'], ['a-b=1 x']],
    ["echo \"a  b\"'c'd ''", ['echo'], ['echo'], ['echo a  bcd']],
    ['echo "x;y|z', ['echo'], ['echo'], ['echo x;y|z']],
    ['a\nb&c', ['a', 'b', 'c'], ['a', 'b', 'c'], []],
    ['(cd /)', ['cd'], ['cd'], ['cd /']],
    ['grep é😀 "ß"', ['grep'], ['grep'], ['grep é😀', 'grep ß']],
    ['./bin/', ['./bin/'], ['./bin/'], []],
  ])('%j', (text, commands, shapes, words) => {
    expect(line(text)).toEqual([commands, shapes, words])
  })

  test('counts up to 32 commands and 64 words of a line, and reads 4,096 characters', () => {
    expect(tokensOf('ssh', 'a|'.repeat(100)).commands).toHaveLength(32)
    expect(tokensOf('ssh', `a${' b'.repeat(100)}`).words).toHaveLength(64)
    expect(tokensOf('ssh', `${' '.repeat(4096)}ls`).commands).toEqual([])
  })
})

test('every command has one shape, whatever was typed', () => {
  const pieces = fc.constantFrom(
    'ls',
    '-l',
    '=',
    "'",
    '"',
    ' ',
    '\t',
    '|',
    ';',
    '\n',
    '(',
    '/',
    'sudo ',
    'A=1 ',
    'é',
    '\0',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), parts => {
      const { commands, shapes, words } = tokensOf('ssh', parts.join(''))
      expect(shapes).toHaveLength(commands.length)
      for (const [at, shape] of shapes.entries()) expect(shape.startsWith(commands[at] ?? '?')).toBe(true)
      expect(words.every(word => commands.some(command => word.startsWith(`${command} `)))).toBe(true)
    }),
  )
})
