import { afterAll, expect, test } from 'vitest'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'

const grammar = new Grammar()
afterAll(() => grammar.close())

test('what was read once is known at once, and so is every text of its shape', async () => {
  expect(grammar.known('select a from t where b = 1')).toBeUndefined()
  await grammar.facts('select a from t where b = 1')
  expect(grammar.known('select a from t where b = 1')?.facts.kinds).toEqual(['select'])
  expect(grammar.known('select a from t where b = 27.5')).toBe(grammar.known('select a from t where b = 1'))
  expect(grammar.known('select a from t where c = 1')).toBeUndefined()
})

test.each([
  ["select set_config('a.b', 'x', false)", "select set_config('role', 'x', false)"],
  ["set a = 'x'", "set a = 'y'"],
  ['explain (analyze 0) delete from t', 'explain (analyze 1) delete from t'],
  ['select 1; select 22', 'select 1; select 2'],
])('%s is no answer for %s', async (one, other) => {
  await grammar.facts(one)
  expect(grammar.known(one)).toBeDefined()
  expect(grammar.known(other)).toBeUndefined()
})

test('the same text asked for by many is read once', async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => grammar.analyse('select many from t')))
  expect(new Set(answers).size).toBe(1)
})

test('a text that is too long is not read', async () => {
  const facts = await grammar.facts(`select '${'x'.repeat(1_048_576)}'`)
  expect(facts).toMatchObject({ class: 'unparsable', reason: 'longer than 1048576 characters' })
})

test('a text that breaks the parser is unparsable, and the next one is read', async () => {
  const [deep, next] = await Promise.all([
    grammar.facts(`select ${'1+'.repeat(200_000)}1`),
    grammar.facts('select next from t'),
  ])
  expect(deep.class).toBe('unparsable')
  expect(next.kinds).toEqual(['select'])
})

test('a text that keeps the parser busy is given up, and what waited behind it is read', async () => {
  const own = new Grammar({ parseTimeoutMs: 400 })
  await own.facts('select 1')
  const [busy, behind] = await Promise.all([
    own.facts(`insert into a values ${'(1,2),'.repeat(170_000)}(3,4)`, 'gate'),
    own.facts('drop table behind', 'gate'),
  ])
  expect(busy).toMatchObject({ class: 'unparsable', reason: 'it takes longer than 0.4 seconds to read' })
  expect(behind.class).toBe('ddl')
  await own.close()
})

test('what is masked is asked for by its number, and forgotten with it', async () => {
  const masks = grammar.addMasks({
    tables: [{ schema: 'public', name: 'payments', masked: ['card'], columns: ['card'] }],
    views: [],
    functions: [],
  })
  const text = 'select upper(card) from payments'
  expect((await grammar.analyse(text, 'gate', masks)).maskedReach).toBe('card is used in an expression')
  expect((await grammar.analyse(text, 'gate')).maskedReach).toBeUndefined()
  expect(grammar.known(text, masks)?.maskedReach).toBe('card is used in an expression')
  grammar.forgetMasks(masks)
  expect(await grammar.analyse('select card from payments', 'gate', masks)).toMatchObject({
    facts: { class: 'unparsable', reason: 'what is masked is not known' },
  })
})

test('texts beside the path are given up when too many wait; a session that waits is not', async () => {
  const own = new Grammar()
  const long = 'x'.repeat(1_000_000)
  const beside = Array.from({ length: 30 }, (_, i) => own.facts(`select '${long}${i}' union select 1`))
  const gate = own.facts('drop table a', 'gate')
  expect((await gate).kinds).toEqual(['drop', 'drop-table'])
  const reasons = (await Promise.all(beside)).map(({ reason }) => reason)
  expect(reasons).toContain('too many statements waited to be read')
  expect(reasons).toContain(undefined)
  await own.close()
})

test('after its end everything is unparsable', async () => {
  const own = new Grammar()
  const waiting = own.facts('select 1')
  await own.close()
  expect((await waiting).class).toBe('unparsable')
  expect(await own.facts('select 1')).toMatchObject({ reason: 'the gateway is shutting down' })
})

test('a session that floods the parser is read in turn with the others', async () => {
  const own = new Grammar()
  let answered = 0
  const flood = Array.from({ length: 600 }, (_, i) =>
    own.analyse(`select flood_${i} from t`, 'gate', undefined, 'flood').then(() => answered++),
  )
  await own.analyse('select other from t', 'gate', undefined, 'other')
  expect(answered).toBeLessThan(20)
  await Promise.all(flood)
  await own.close()
})

test('long texts of one session do not stand together before the short one of another', async () => {
  const own = new Grammar()
  let answered = 0
  const flood = Array.from({ length: 5 }, (_, i) =>
    own
      .analyse(`select ${i} in (${'1,'.repeat(40_000)}2), flood_${i}`, 'gate', undefined, 'flood')
      .then(() => answered++),
  )
  await own.analyse('select other from t', 'gate', undefined, 'other')
  expect(answered).toBe(1)
  await Promise.all(flood)
  await own.close()
})

test('one session cannot take all the room beside the path', async () => {
  const own = new Grammar()
  const many = Array.from({ length: 1100 }, (_, i) => own.facts(`select many_${i} from t`, 'beside', 'one'))
  const other = await own.facts('select other from t', 'beside', 'other')
  expect(other.class).toBe('read')
  const refused = (await Promise.all(many)).filter(({ reason }) => reason !== undefined)
  expect(refused).not.toHaveLength(0)
  expect(new Set(refused.map(({ reason }) => reason))).toEqual(
    new Set(['too many statements of this session waited to be read']),
  )
  await own.close()
})
