import { afterAll, describe, expect, test } from 'vitest'
import type { Entry } from '../../../src/analysis/entry.ts'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import { Catalogue, readCatalogue } from '../../../src/analysis/rules/catalogue.ts'
import {
  type ExampleEntry,
  type WindowRule,
  windowRuleSchema,
} from '../../../src/analysis/rules/window-rule.ts'
import { WindowRules } from '../../../src/analysis/rules/window-rules.ts'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import { entriesOf, lineHitsOf } from '../../support/entries.ts'

const catalogue = readCatalogue()
const grammar = new Grammar()
afterAll(() => grammar.close())

async function idsOf(
  example: readonly ExampleEntry[],
  protocol: 'ssh' | 'postgres',
  rules = catalogue,
  over: WindowRule['over'] = 'session',
): Promise<string[]> {
  const windows = new WindowRules(rules, over)
  const ids: string[] = []
  for (const entry of await entriesOf(example, protocol, grammar))
    ids.push(...windows.take(entry, await lineHitsOf(entry, rules, grammar)).map(({ rule }) => rule))
  return ids
}

describe.each(catalogue.windows.map(rule => [rule.id, rule] as const))(
  '%s',
  (id, { protocol, examples, ...rule }) => {
    test.each(examples.matches.map((example, at) => [at, example] as const))(
      'matches example %i',
      async (_, example) => {
        expect(await idsOf(example, protocol, catalogue, rule.over)).toContain(id)
      },
    )

    test.each(examples.passes.map((example, at) => [at, example] as const))(
      'passes example %i',
      async (_, example) => {
        expect(await idsOf(example, protocol, catalogue, rule.over)).not.toContain(id)
      },
    )

    test('describes what happened and names no culprit', () => {
      for (const text of [rule.title, rule.says, ...rule.check]) expect(text).not.toMatch(forbiddenWords)
    })
  },
)

function ruleOf(window: unknown, protocol = 'ssh'): WindowRule {
  return windowRuleSchema.parse({
    id: 'T-01',
    title: 'A test',
    severity: 'low',
    techniques: ['T1059'],
    protocol,
    says: 'Something happened.',
    check: ['a test'],
    window,
    examples: { matches: [['a']], passes: [['b']] },
  })
}

describe('a rule over several entries is refused', () => {
  test.each([
    ['without a time', { least: 2, of: [{ entry: 'command' }] }],
    ['with a time that has no unit', { within: 5, least: 2, of: [{ entry: 'command' }] }],
    ['with a time of more than a day', { within: '2d', least: 2, of: [{ entry: 'command' }] }],
    ['with a count that nobody could hold', { within: '5m', least: 2000, of: [{ entry: 'command' }] }],
    ['with an order of one', { within: '5m', steps: [{ entry: 'command' }] }],
    ['with an unknown key', { within: '5m', least: 2, of: [{ entry: 'command', comands: [] }] }],
  ])('%s', (_, window) => {
    expect(() => ruleOf(window)).toThrow(/window/)
  })
})

test('what goes on gives one hit for each of its times', async () => {
  const often = new Catalogue({
    rules: [],
    windows: [ruleOf({ within: '1m', least: 3, of: [{ entry: 'command' }] })],
  })
  const hits = await idsOf([{ command: 'ls', times: 60, after: '2s' }], 'ssh', often)
  expect(hits.length).toBe(2)
})

test('a hit names the entry that completed it and quotes a part of it', async () => {
  const rules = new Catalogue({
    rules: [],
    windows: [ruleOf({ within: '1m', least: 2, of: [{ entry: 'command' }] })],
  })
  const windows = new WindowRules(rules)
  const [first, second] = await entriesOf(['ls', `echo ${'x'.repeat(9000)}`], 'ssh', grammar)
  if (first === undefined || second === undefined) throw new Error('two entries were asked for')
  expect(windows.take(first, [])).toEqual([])
  const [hit] = windows.take(second, [])
  expect(hit).toMatchObject({
    session: 's1',
    entry: 1,
    rule: 'T-01',
    atMs: second.atMs,
    technique: ['T1059'],
  })
  expect(hit?.quote.length).toBeLessThanOrEqual(500)
})

test('sessions know nothing of each other', async () => {
  const [entry] = await entriesOf(['whoami'], 'ssh', grammar)
  if (entry === undefined) throw new Error('an entry was asked for')
  const rules = new Catalogue({
    rules: [],
    windows: [ruleOf({ within: '1m', least: 2, of: [{ entry: 'command' }] })],
  })
  expect(new WindowRules(rules).take(entry, [])).toEqual([])
  expect(new WindowRules(rules).take(entry, [])).toEqual([])
})

describe('a hostile session', () => {
  const statement = (number: number, text: string, tables: readonly string[]): Entry => ({
    session: 's1',
    number,
    kind: 'statement',
    atMs: number,
    offsetMs: number,
    text,
    statement: { statement: number, class: 'read', tables, rows: 1, blocked: 'table' },
  })

  test('of ever new tables and shapes does not make what is kept grow', () => {
    const windows = new WindowRules(catalogue)
    const tables = Array.from({ length: 500 }, (_, at) => `t${at}`)
    for (let number = 0; number < 3000; number++)
      windows.take(statement(number, `SELECT ${'a'.repeat(number % 50)} FROM t${number} LIMIT 1`, tables), [])
    const before = process.memoryUsage().heapUsed
    globalThis.gc?.()
    for (let number = 3000; number < 20_000; number++)
      windows.take(statement(number, `SELECT x${number} FROM t LIMIT ${number}`, [`t${number}`]), [])
    globalThis.gc?.()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64_000_000)
  })

  test('of texts that are hard to read does not make it fail', () => {
    const windows = new WindowRules(catalogue)
    for (const text of [`'`.repeat(100_001), '1'.repeat(100_000), "'a' ".repeat(50_000), '\u0000', ''])
      for (const kind of ['statement', 'command', 'file', 'screen', 'forward'] as const)
        expect(Array.isArray(windows.take({ ...statement(1, text, [text]), kind }, []))).toBe(true)
  })
})
