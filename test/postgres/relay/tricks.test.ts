/** What would fool a recorder that only reads along: each trick is played on a real server, and the recording says what really ran. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import { statementGate } from '../../../src/postgres/relay/gate.ts'
import type { StatementGate } from '../../../src/postgres/relay/hooks.ts'
import { frame } from '../../../src/postgres/wire/frame-writer.ts'
import { encodeClose, encodeFunctionCall } from '../../../src/postgres/wire/frontend.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { DirectRelay, type DirectOptions } from './direct-relay.ts'
import { grantWith } from './grants.ts'
import {
  bind,
  copyData,
  copyDone,
  describe as describeFrame,
  errorIn,
  execute,
  flush,
  letters,
  parse,
  query,
  RawClient,
  sync,
} from './raw-client.ts'

const grammar = new Grammar()
afterAll(() => grammar.close())
const noRules = { statements: [], tables: [] }

let server: TestPostgres
let relay: DirectRelay
let client: RawClient
beforeAll(async () => {
  server = await startPostgres(hasPostgres(15) ? 15 : 18, { hba: ['host all all 127.0.0.1/32 trust'] })
}, 60_000)
afterAll(() => server.close())
afterEach(() => relay.close())

async function start(options: DirectOptions = {}): Promise<void> {
  relay = await DirectRelay.start(server.port, options)
  client = await RawClient.connect(relay.port)
}

type Fields = Record<string, unknown>

/** Statements that ran, with the text that ran, and what became of them. */
async function ran(): Promise<string[]> {
  await client.end()
  const said = await relay.said(['statement', 'prepared', 'bound', 'result'])
  const texts = new Map<unknown, string>()
  const of = (event: Fields): string | undefined =>
    typeof event['text'] === 'string' ? event['text'] : texts.get(event['same'])
  const lines: string[] = []
  for (const event of said) {
    if (event['type'] !== 'result') texts.set(event['statement'], of(event) ?? 'unknown')
    else if (event['during'] === undefined) {
      const number = event['ran'] === undefined ? event['statement'] : event['ran']
      lines.push(`${texts.get(number) ?? 'unknown'}: ${String(event['status'])}`)
    }
  }
  return lines
}

describe('names', () => {
  test('a Parse for a name that is taken changes nothing: what ran is the first text', async () => {
    await start()
    await client.ask(parse("select 'evil'", 's'), sync)
    const replies = await client.ask(parse("select 'benign'", 's'), sync)
    expect(errorIn(replies)?.code).toBe('42P05')
    await client.ask(bind('s'), execute(), sync)
    expect(await ran()).toEqual(["select 'evil': done"])
  })

  test('... also if all of it is sent at once, when nobody can know that yet', async () => {
    await start()
    await client.ask(parse("select 'evil'", 's'), sync)
    client.send(parse("select 'benign'", 's'), sync, bind('s'), execute(), sync)
    await client.until('Z')
    await client.until('Z')
    expect(await ran()).toEqual(["select 'evil': done"])
    expect(await relay.said(['statement', 'bound'])).toMatchObject([{ orElse: expect.any(Number) }])
  })

  test('what SQL prepares, the protocol runs, and the other way round', async () => {
    await start()
    await client.ask(query('prepare p as select 1'))
    await client.ask(bind('p'), execute(), sync)
    await client.ask(parse('select 2', 's'), sync)
    await client.ask(query('execute s'))
    expect(await ran()).toEqual([
      'prepare p as select 1: done',
      'prepare p as select 1: done',
      'execute s: done',
    ])
    expect((await relay.said(['statement'])).at(-1)).toMatchObject({ text: 'execute s', executes: 3 })
  })

  test('what a DO makes of a name behind its text is not told as what the name meant before', async () => {
    await start()
    await client.ask(parse("select 'benign'", 's'), sync)
    const hidden = "do $$ begin execute 'dealloc' || 'ate s'; execute 'prepare s as select ''evil'''; end $$"
    await client.ask(query(hidden))
    await client.ask(bind('s'), execute(), sync)
    await client.ask(query('execute s'))
    const lines = await ran()
    expect(lines).toEqual([`${hidden}: done`, 'unknown: done', 'execute s: done'])
    const said = await relay.said(['statement', 'result'])
    expect(said.find(event => event['type'] === 'result' && event['ran'] === null)).toBeDefined()
    expect(said.find(event => event['text'] === 'execute s')).not.toHaveProperty('executes')
  })

  test('... also where all of it is sent at once; and a name that is made again is known again', async () => {
    await start()
    await client.ask(parse("select 'benign'", 's'), sync)
    const hidden = "do $$ begin execute 'deallocate s'; execute 'prepare s as select ''evil'''; end $$"
    client.send(query(hidden), bind('s'), execute(), sync)
    await client.until('Z')
    await client.until('Z')
    await client.ask(parse('select 3', 't'), bind('t'), execute(), sync)
    expect(await ran()).toEqual([`${hidden}: done`, 'unknown: done', 'select 3: done'])
  })

  test('a DO that runs no text leaves names as they were', async () => {
    await start()
    await client.ask(parse('select 1', 's'), sync)
    await client.ask(query('do $$ begin perform 1; end $$'))
    await client.ask(bind('s'), execute(), sync)
    expect((await ran()).at(-1)).toBe('select 1: done')
  })

  test('a PREPARE in a transaction that was rolled back is there still', async () => {
    await start()
    await client.ask(query('begin; prepare p as select 3; rollback'))
    await client.ask(bind('p'), execute(), sync)
    expect((await ran()).at(-1)).toBe('begin; prepare p as select 3; rollback: done')
  })

  test('DEALLOCATE and DISCARD ALL forget, and a name means what was prepared last', async () => {
    await start()
    await client.ask(parse('select 1', 's'), sync)
    await client.ask(query('deallocate s'))
    await client.ask(parse('select 2', 's'), sync)
    await client.ask(bind('s'), execute(), sync)
    await client.ask(query('discard all'))
    expect(errorIn(await client.ask(bind('s'), execute(), sync))?.code).toBe('26000')
    expect(await ran()).toEqual(
      ['deallocate s: done', 'select 2: done', 'discard all: done', 'select 2: skipped']
        .slice(0, 3)
        .concat('unknown: skipped'),
    )
  })

  test('a cursor of SQL is run by the protocol', async () => {
    await start()
    await client.ask(query('begin; declare "Cur" cursor for select generate_series(1, 5)'))
    const replies = await client.ask(execute('Cur', 2), execute('Cur', 0), sync)
    expect(letters(replies)).toBe('DDsDDDCZ')
    const text = 'begin; declare "Cur" cursor for select generate_series(1, 5)'
    expect(await ran()).toEqual([`${text}: done`, `${text}: done`, `${text}: suspended`, `${text}: done`])
  })

  test('a portal is read in slices, each with its rows', async () => {
    await start()
    await client.ask(query('begin'))
    await client.ask(parse('select generate_series(1, 5)'), bind('', 'p'), execute('p', 2), sync)
    await client.ask(execute('p', 2), execute('p', 2), sync)
    await client.end()
    expect(await relay.said(['statement', 'result'])).toMatchObject([
      { text: 'begin' },
      { tag: 'BEGIN' },
      { statement: 2, portal: 'p', maxRows: 2 },
      { statement: 2, status: 'suspended', rows: 2 },
      { statement: 3, portal: 'p', same: 2, bound: 2 },
      { statement: 4, bound: 2 },
      { statement: 3, status: 'suspended', rows: 2 },
      { statement: 4, status: 'done', rows: 1 },
    ])
  })
})

describe('order', () => {
  test('what follows an error up to Sync did not run, simple queries and function calls among it', async () => {
    await start()
    const call = encodeFunctionCall({
      function: 957,
      formats: [],
      values: [Buffer.from('0')],
      resultFormat: 0,
    })
    client.send(
      parse('select 1/(random()*0)::int'),
      bind(),
      execute(),
      query('select 1'),
      call,
      parse('select 2'),
      bind(),
    )
    const replies = await client.ask(execute(), sync, query('select 3'))
    expect(letters(replies)).toBe('12EZ')
    await client.until('Z')
    expect(await ran()).toEqual([
      'select 1/(random()*0)::int: error',
      'select 1: skipped',
      'unknown: skipped',
      'select 2: skipped',
      'select 3: done',
    ])
  })

  test('a;b;c is told result by result, and stops at its error', async () => {
    await start()
    await client.ask(query('select 1; select 2, 3; select 1/0; select 4'))
    expect(await ran()).toEqual(
      Array.from({ length: 2 }, () => 'select 1; select 2, 3; select 1/0; select 4: done').concat(
        'select 1; select 2, 3; select 1/0; select 4: error',
      ),
    )
    expect(await relay.said(['result'])).toMatchObject([
      { rows: 1 },
      { part: 2 },
      { part: 3, sqlstate: '22012' },
    ])
  })

  test('Flush brings answers without ReadyForQuery, and nothing is out of step', async () => {
    await start()
    client.send(parse('select 1'), bind(), describeFrame('portal'), execute(), flush)
    await client.until('C')
    client.send(parse('select 2'), bind(), execute(), flush)
    await client.until('C')
    await client.ask(sync)
    expect(await ran()).toEqual(['select 1: done', 'select 2: done'])
  })

  test('an empty statement, and one of comments alone', async () => {
    await start()
    await client.ask(query(''))
    await client.ask(query('-- nothing'))
    await client.ask(parse(''), bind(), execute(), sync)
    expect(await ran()).toEqual([': empty', '-- nothing: empty', ': empty'])
  })

  test('closing a statement that is not there is fine, and a portal that was bound is forgotten', async () => {
    await start()
    const replies = await client.ask(
      encodeClose({ kind: 'statement', name: 'none' }),
      parse('select 1', 's'),
      bind('s', 'p'),
      encodeClose({ kind: 'portal', name: 'p' }),
      execute('p'),
      sync,
    )
    expect(letters(replies)).toBe('3123EZ')
    await client.end()
    expect(await relay.said(['result'])).toMatchObject([{ status: 'error', sqlstate: '34000', ran: null }])
  })

  test('bytes that come one by one, and hundreds of frames in one piece, are the same', async () => {
    await start()
    const frames = Buffer.concat([parse('select $1::int'), bind('', '', [Buffer.from('7')]), execute(), sync])
    for (const byte of frames) client.socket.write(Buffer.of(byte))
    await client.until('Z')
    client.send(Buffer.concat(Array.from({ length: 300 }, () => frames)))
    for (let i = 0; i < 300; i++) await client.until('Z')
    expect(await ran()).toEqual(Array.from({ length: 301 }, () => 'select $1::int: done'))
  })
})

describe('COPY', () => {
  beforeAll(() => server.query('create table if not exists copied(a int)', 'app'))

  test('in the extended protocol a Sync that came too early is not answered', async () => {
    await start()
    client.send(parse('copy copied from stdin'), bind(), execute(), sync)
    expect(letters(await client.until('G'))).toBe('12G')
    client.send(copyData('1\n'), copyData('2\n'), copyDone, sync)
    expect(letters(await client.until('Z'))).toBe('CZ')
    await client.ask(query('select 1'))
    expect(await ran()).toEqual(['copy copied from stdin: done', 'select 1: done'])
    expect((await relay.said(['result']))[0]).toMatchObject({ tag: 'COPY 2', copy: { bytes: 4 } })
  })

  test('data that is sent before the server asks for it belongs to its COPY', async () => {
    await start()
    client.send(query('copy copied from stdin'), copyData('1\n'), copyData('2\n3\n'), copyDone)
    expect(letters(await client.until('Z'))).toBe('GCZ')
    expect(await ran()).toEqual(['copy copied from stdin: done'])
    expect(await relay.said(['result'])).toMatchObject([{ tag: 'COPY 3', copy: { bytes: 6 } }])
  })

  test('two COPY in one query, with all data at once', async () => {
    await start()
    const text = 'copy copied from stdin; copy copied from stdin'
    client.send(query(text), copyData('1\n'), copyDone, copyData('2\n3\n'), copyDone)
    expect(letters(await client.until('Z'))).toBe('GCGCZ')
    expect(await ran()).toEqual([`${text}: done`, `${text}: done`])
    expect(await relay.said(['result'])).toMatchObject([
      { copy: { bytes: 2 } },
      { part: 2, copy: { bytes: 4 } },
    ])
  })

  test('what comes after a COPY has failed is thrown away, and nothing is out of step', async () => {
    await start()
    client.send(query('copy copied from stdin'))
    await client.until('G')
    client.send(copyData('x\n'))
    expect(letters(await client.until('Z'))).toBe('EZ')
    client.send(copyData('1\n'), copyDone, query('select 1'))
    expect(letters(await client.until('Z'))).toBe('TDCZ')
    expect(await ran()).toEqual(['copy copied from stdin: error', 'select 1: done'])
  })

  test('CopyFail', async () => {
    await start()
    client.send(query('copy copied from stdin'))
    await client.until('G')
    client.send(copyData('1\n'), frame(0x66, Buffer.from('no more\0')))
    expect(errorIn(await client.until('Z'))?.code).toBe('57014')
    expect(await ran()).toEqual(['copy copied from stdin: error'])
  })
})

describe('texts', () => {
  test('a NUL in a text ends the session: nobody could say what the server made of it', async () => {
    await start()
    client.send(frame(0x51, Buffer.from('select 1\0; drop table copied\0')))
    const replies = await client.until('none')
    expect(errorIn(replies)?.code).toBe('08P01')
    expect(await relay.said(['statement'])).toEqual([])
  })

  test('a text of 3 MiB is told whole', async () => {
    await start()
    const text = `select length('${'ü'.repeat(1_500_000)}')`
    await client.ask(query(text))
    await client.end()
    const said = await relay.said(['statement', 'statement-text'])
    expect(said.map(({ text }) => text).join('')).toBe(text)
    expect(said[0]).toMatchObject({ textBytes: Buffer.byteLength(text) })
  })

  test('bytes that are no UTF-8 come back as they were', async () => {
    await start()
    const bytes = Buffer.from("select 1 -- '\xe4\xff", 'latin1')
    await client.ask(query('set client_encoding = latin1'))
    await client.ask(frame(0x51, bytes, Buffer.alloc(1)))
    await client.end()
    expect((await relay.said(['statement'])).at(-1)).toMatchObject({ textBase64: bytes.toString('base64') })
    expect(await relay.said(['parameter'])).toMatchObject([{ name: 'client_encoding', value: 'LATIN1' }])
  })
})

describe('what is refused', () => {
  const gate: StatementGate = {
    hasRules: true,
    judge: text =>
      text.includes('forbidden')
        ? { allowed: false, rule: 'role dba, line 7', reason: 'Not this one.', hint: 'Ask for another role.' }
        : { allowed: true },
  }
  const later: StatementGate = {
    hasRules: true,
    judge: async text => {
      await new Promise(resolve => setTimeout(resolve, 20))
      return await gate.judge(text)
    },
  }

  test.each([
    ['at once', gate],
    ['later', later],
  ])('judged %s: a simple query, and the transaction is as broken as it should be', async (_when, gate) => {
    await start({ gate: () => gate })
    await client.ask(query('begin; create table if not exists refused(a int)'))
    const replies = await client.ask(query('select 1; select forbidden'))
    expect(letters(replies)).toBe('EZ')
    expect(errorIn(replies)).toMatchObject({
      code: '42501',
      message: 'Not this one.',
      hint: 'Ask for another role.',
    })
    expect(letters(await client.ask(query('commit')))).toBe('CZ')
    await client.end()
    expect(await relay.said(['result', 'transaction', 'blocked'])).toMatchObject([
      { tag: 'BEGIN' },
      { tag: 'CREATE TABLE' },
      { status: 'T' },
      { type: 'blocked', rule: 'role dba, line 7' },
      { status: 'error', sqlstate: '42501', blocked: 'role dba, line 7' },
      { status: 'E' },
      { tag: 'ROLLBACK' },
      { status: 'I' },
    ])
    const logged = server.log()
    expect(logged).toContain('refused by Sallyport: role dba, line 7')
    expect(logged).not.toContain('select forbidden')
  })

  test.each([
    ['at once', gate],
    ['later', later],
  ])('judged %s: in a pipeline only what the server would skip is skipped', async (_when, gate) => {
    await start({ gate: () => gate })
    client.send(parse('select 1'), bind(), execute(), parse('select forbidden'), bind(), execute(), sync)
    client.send(parse('select 2'), bind(), execute(), sync, query('select 3'))
    expect(letters(await client.until('Z'))).toBe('12DCEZ')
    expect(letters(await client.until('Z'))).toBe('12DCZ')
    expect(letters(await client.until('Z'))).toBe('TDCZ')
    expect(await ran()).toEqual([
      'select 1: done',
      'select forbidden: skipped',
      'select 2: done',
      'select 3: done',
    ])
  })

  test('a function by its number, unless it is one of large objects', async () => {
    await start()
    const call = encodeFunctionCall({
      function: 2078,
      formats: [],
      values: [Buffer.from('role'), Buffer.from('x'), Buffer.from('f')],
      resultFormat: 0,
    })
    expect(errorIn(await client.ask(call))).toMatchObject({ code: '42501' })
    const create = encodeFunctionCall({
      function: 957,
      formats: [1],
      values: [Buffer.from([0, 0, 0, 0])],
      resultFormat: 1,
    })
    expect(letters(await client.ask(create))).toBe('VZ')
    await client.end()
    expect(await relay.said(['statement'])).toMatchObject([
      { how: 'function', function: { oid: 2078 } },
      { function: { oid: 957, name: 'lo_creat' } },
    ])
  })

  test('what was prepared before the rules changed', async () => {
    let current: StatementGate = gate
    await start({ gate: () => current })
    await client.ask(parse('select 1', 's'), sync)
    current = { ...gate, hasRules: false }
    expect(errorIn(await client.ask(bind('s'), execute(), sync))).toMatchObject({ code: '42501' })
    expect(letters(await client.ask(parse('select 1', 't'), bind('t'), execute(), sync))).toBe('12DCZ')
  })

  test('... also behind a Parse of the same name that fails, with which it is sent at once', async () => {
    let current: StatementGate = gate
    await start({ gate: () => current })
    await client.ask(parse("select 'old'", 's'), sync)
    await client.ask(query("begin; declare c cursor with hold for select 'old'; commit"))
    current = { ...gate }
    client.send(parse('select 2', 's'), sync, bind('s'), execute(), sync)
    expect(errorIn(await client.until('Z'))).toMatchObject({ code: '42P05' })
    expect(errorIn(await client.until('Z'))).toMatchObject({ code: '42501' })
    client.send(parse('select 2'), bind('', 'c'), sync, execute('c'), sync)
    expect(errorIn(await client.until('Z'))).toMatchObject({ code: '42P03' })
    expect(errorIn(await client.until('Z'))).toMatchObject({ code: '42501' })
    expect(letters(await client.ask(parse('select 1', 't'), bind('t'), execute(), sync))).toBe('12DCZ')
  })

  test('... also by EXECUTE and FETCH', async () => {
    const named = statementGate({ grant: grantWith({ deny: noRules }), user: 'nobody', grammar })
    const others = statementGate({ grant: grantWith({ deny: noRules }), user: 'nobody', grammar })
    let current: StatementGate = named
    await start({ gate: () => current })
    await client.ask(
      query("prepare p as select 'old'; begin; declare c cursor with hold for select 'old'; commit"),
    )
    expect(letters(await client.ask(query('execute p; fetch c')))).toBe('TDCTDCZ')
    current = others
    for (const text of ['execute p', 'fetch c', 'explain analyze execute p', 'select 1; execute p'])
      expect(errorIn(await client.ask(query(text)))).toMatchObject({ code: '42501' })
    expect(errorIn(await client.ask(parse('execute p'), sync))).toMatchObject({ code: '42501' })
    expect(errorIn(await client.ask(query('execute nobody_knows')))).toMatchObject({
      code: '26000',
      message: expect.stringContaining('gateway'),
    })
    expect(letters(await client.ask(query('prepare q as select 1; execute q')))).toBe('CTDCZ')
    expect(letters(await client.ask(query('execute q')))).toBe('TDCZ')
  })

  test('where rules apply, what nobody has read: a cursor that a function opened', async () => {
    await start({ gate: () => gate })
    await client.ask(
      query(
        "begin; create function pg_temp.opens() returns refcursor language plpgsql as $$ declare c refcursor := 'inner'; begin open c for select 1; return c; end $$; select pg_temp.opens()",
      ),
    )
    expect(errorIn(await client.ask(execute('inner'), sync))).toMatchObject({ code: '34000' })
    await client.ask(query('rollback'))
    await client.ask(query('begin; prepare p as select 1; declare c cursor for select 2'))
    expect(letters(await client.ask(bind('p'), execute(), execute('c'), sync))).toBe('2DCDCZ')
  })

  test('an error too long to have its detail taken out, where columns are masked, ends the session', async () => {
    const text =
      "do $$ begin raise exception 'x' using errcode = '23514', detail = repeat('secret', 200000); end $$"
    await start({ mask: { plan: () => undefined, report: () => undefined } })
    const replies = await client.ask(query(text))
    expect(errorIn(replies)?.code).toBe('08P01')
    expect(Buffer.concat(replies.map(({ body }) => body)).toString('latin1')).not.toContain('secret')
  })

  test('more names than can be remembered', async () => {
    await start({ limits: { maxStatements: 3 } })
    for (const name of ['a', 'b', 'c']) await client.ask(parse('select 1', name), sync)
    expect(errorIn(await client.ask(parse('select 1', 'd'), sync))).toMatchObject({ code: '42501' })
    expect(errorIn(await client.ask(query('prepare d as select 1')))).toMatchObject({ code: '42501' })
    expect(letters(await client.ask(query('deallocate all')))).toBe('CZ')
    expect(letters(await client.ask(parse('select 1', 'd'), sync))).toBe('1Z')
  })

  test('another encoding or other escapes, where rules apply, end the session', async () => {
    await start({ gate: () => gate })
    const replies = await client.ask(query("select set_config('standard_conforming_strings', 'off', false)"))
    expect(errorIn(replies)?.code).toBe('42501')
  })
})
