/** The relay between real clients and a real server, and what is in the recording afterwards. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import {
  postgresProgram,
  startPostgres,
  type TestPostgres,
  testWithPostgres15,
} from '../../support/postgres.ts'
import { DirectRelay, type DirectOptions } from './direct-relay.ts'

let server: TestPostgres
const open: DirectRelay[] = []
beforeAll(async () => void (server = await startPostgres(15)), 60_000)
afterAll(() => server.close())
afterEach(async () => {
  for (const relay of open.splice(0)) await relay.close()
})

async function startRelay(options: DirectOptions = {}): Promise<DirectRelay> {
  const relay = await DirectRelay.start(server.port, options)
  open.push(relay)
  return relay
}

async function psql(relay: DirectRelay, ...commands: string[]): Promise<{ stdout: string; stderr: string }> {
  return await promisify(execFile)(
    postgresProgram('psql'),
    ['-X', '-A', '-t', ...commands.flatMap(command => ['-c', command])],
    { env: environment(relay) },
  )
}

function environment(relay: DirectRelay): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(relay.port),
    PGUSER: 'postgres',
    PGPASSWORD: server.superuserPassword,
    PGDATABASE: 'app',
    PGSSLMODE: 'disable',
  }
}

async function connect(relay: DirectRelay): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: relay.port,
    user: 'postgres',
    password: server.superuserPassword,
    database: 'app',
  })
  await client.connect()
  return client
}

describe('simple queries', () => {
  testWithPostgres15('text, rows and outcome of each, and of each part of a;b;c', async () => {
    const relay = await startRelay()
    const { stdout } = await psql(
      relay,
      'select 1',
      'select 2; select 3, 4; select',
      'create table t1(a int)',
    )
    expect(stdout).toContain('3|4')
    expect(await relay.said(['statement', 'result'])).toMatchObject([
      { statement: 1, how: 'simple', text: 'select 1' },
      { statement: 1, status: 'done', tag: 'SELECT 1', rows: 1 },
      { statement: 2, text: 'select 2; select 3, 4; select' },
      { statement: 2, tag: 'SELECT 1', rows: 1 },
      { statement: 2, part: 2, tag: 'SELECT 1' },
      { statement: 2, part: 3, tag: 'SELECT 1' },
      { statement: 3, text: 'create table t1(a int)' },
      { statement: 3, status: 'done', tag: 'CREATE TABLE' },
    ])
  })

  testWithPostgres15('an error has its SQLSTATE, and the transaction its state', async () => {
    const relay = await startRelay()
    await psql(relay, 'begin', 'select 1/0', 'select 1', 'rollback').catch(() => {})
    expect(await relay.said(['result', 'transaction'])).toMatchObject([
      { tag: 'BEGIN' },
      { status: 'T' },
      { status: 'error', sqlstate: '22012', message: 'division by zero' },
      { status: 'E' },
      { status: 'error', sqlstate: '25P02' },
      { tag: 'ROLLBACK' },
      { status: 'I' },
    ])
  })
})

describe('the extended protocol', () => {
  testWithPostgres15('an unnamed statement is told with its parameters in one event', async () => {
    const relay = await startRelay()
    const client = await connect(relay)
    const answer = await client.query('select $1::int + 1 as n, $2::text as t', [41, null])
    expect(answer.rows).toEqual([{ n: 42, t: null }])
    await client.end()
    expect(await relay.said(['statement', 'result', 'columns', 'prepared', 'bound'])).toMatchObject([
      {
        statement: 1,
        how: 'execute',
        text: 'select $1::int + 1 as n, $2::text as t',
        parameters: [{ text: '41' }, { null: true }],
      },
      {
        columns: 1,
        fields: [
          { name: 'n', type: 'int4' },
          { name: 't', type: 'text' },
        ],
      },
      { statement: 1, status: 'done', tag: 'SELECT 1', rows: 1, columns: 1 },
    ])
  })

  testWithPostgres15('a prepared statement is told once and referred to', async () => {
    const relay = await startRelay()
    const client = await connect(relay)
    for (const value of [1, 2]) await client.query({ name: 'one', text: 'select $1::int', values: [value] })
    await client.end()
    expect(await relay.said(['statement'])).toMatchObject([
      { statement: 1, name: 'one', text: 'select $1::int', parameters: [{ text: '1' }] },
      { statement: 2, name: 'one', same: 1, parameters: [{ text: '2' }] },
    ])
  })
})

describe('COPY', () => {
  testWithPostgres15('both ways has bytes and the digest of the file', async () => {
    const relay = await startRelay()
    const client = await connect(relay)
    await client.query('create table c1(a int, b text)')
    await client.end()
    const { stdout } = await promisify(execFile)(
      'sh',
      [
        '-c',
        `seq 1 20000 | sed 's/$/\\trow/' > $0.in; sha256sum < $0.in; "$1" -X -q -c "\\copy c1 from '$0.in'" -c "\\copy c1 to '$0.out'"; sha256sum < $0.out; rm $0.in $0.out`,
        `/dev/shm/sallyport-copy-${process.pid}`,
        postgresProgram('psql'),
      ],
      { env: environment(relay) },
    )
    const [first] = stdout.split(' ')
    const results = await relay.said(['result'])
    expect(results).toMatchObject([
      { tag: 'COPY 20000', copy: { direction: 'in', bytes: 188894, sha256: first } },
      { tag: 'COPY 20000', copy: { direction: 'out', bytes: 188894, sha256: first } },
    ])
  })
})
