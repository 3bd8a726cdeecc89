/** Many rows at once, each way, and the first row of a new connection. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { finish } from '../support/world.ts'
import { type DatabaseWay, type Databases, databaseWays } from './databases.ts'
import { median } from './measurement.ts'
import { type Figures, inTurn, type Paired, paired } from './pairs.ts'
import { CpuTrace } from './processes.ts'

const bytesPerMegabyte = 1e6
/** psql asks for so many rows at a time, or it would hold all of them; 1 KiB each. */
const fetchCount = 10_000
const connectsPerRound = 20
const warmUpMegabytes = 16

type Bulk = {
  readonly name: string
  readonly rowBytes: number
  /** Of the megabytes of a transfer: small rows are slow for everybody. */
  readonly part: number
  /** Lines for psql, of which the last is timed. */
  readonly script: (rows: number, file: string) => readonly string[]
}

const series = (rowBytes: number, rows: number): string =>
  `SELECT repeat('x', ${rowBytes}) FROM generate_series(1, ${rows})`
const copyIn = (_rows: number, file: string): readonly string[] => [
  'BEGIN; TRUNCATE arrivals;',
  `\\copy arrivals from '${file}'`,
]

const bulks: readonly Bulk[] = [
  { name: 'SELECT, 1 KB rows', rowBytes: 1024, part: 1, script: rows => [`${series(1024, rows)};`] },
  {
    name: 'COPY OUT, 8 KB rows',
    rowBytes: 8192,
    part: 2,
    script: rows => [`\\copy (${series(8192, rows)}) to '/dev/null'`],
  },
  {
    name: 'COPY OUT, 64 B rows',
    rowBytes: 64,
    part: 0.5,
    script: rows => [`\\copy (${series(64, rows)}) to '/dev/null'`],
  },
  { name: 'COPY IN, 8 KB rows', rowBytes: 8192, part: 1, script: copyIn },
  { name: 'COPY IN, 64 B rows', rowBytes: 64, part: 0.5, script: copyIn },
]

export async function warmUpRows(databases: Databases): Promise<void> {
  await measureRows(databases, { rounds: 1, megabytes: warmUpMegabytes, ways: ['sallyport'] })
}

export async function measureRows(
  databases: Databases,
  options: { rounds: number; megabytes: number; ways?: readonly DatabaseWay[] },
): Promise<readonly Paired[]> {
  const { rounds, megabytes, ways = databaseWays } = options
  const table: Paired[] = []
  for (const encrypted of [false, true])
    for (const bulk of bulks) {
      const rows = Math.round((megabytes * bytesPerMegabyte * bulk.part) / bulk.rowBytes)
      const file = join(databases.folder, 'rows')
      if (bulk.script === copyIn) writeRows(file, bulk.rowBytes, rows)
      const lines = bulk.script(rows, file)
      const bytes = rows * bulk.rowBytes
      const of = await inTurn(rounds, ways, way => carry(databases, way, encrypted, lines, bytes))
      rmSync(file, { force: true })
      const name = `${bulk.name}${encrypted ? ', TLS' : ''}`
      table.push(paired(name, 'MB/s', of('speed')), paired(`CPU between, ${name}`, 's/GB', of('cpu')))
    }
  return table
}

function writeRows(file: string, rowBytes: number, rows: number): void {
  const fd = openSync(file, 'w')
  const piece = `${'x'.repeat(rowBytes - 1)}\n`.repeat(1000)
  for (let written = 0; written < rows; written += 1000)
    writeSync(fd, piece.slice(0, Math.min(1000, rows - written) * rowBytes))
  closeSync(fd)
}

async function carry(
  databases: Databases,
  way: DatabaseWay,
  encrypted: boolean,
  lines: readonly string[],
  bytes: number,
): Promise<Figures> {
  const env = await databases.environment(way, encrypted, 1)
  const script = join(databases.folder, 'script.sql')
  const [last = '', ...before] = lines.toReversed()
  writeFileSync(script, [...before.toReversed(), '\\timing on', last, ''].join('\n'))
  const args = ['-X', '-q', '-A', '-t', '-o', '/dev/null', '-v', `FETCH_COUNT=${fetchCount}`, '-f', script]
  const between = databases.pidBetween(way)
  const trace = between === undefined ? undefined : new CpuTrace(between)
  const told = await databases.run('psql', ['-v', 'ON_ERROR_STOP=1', ...args], env)
  const ms = /Time: ([\d.]+) ms/.exec(told)?.[1]
  if (ms === undefined) throw new Error(`psql told no time: ${told}`)
  const cpu = trace?.stop(Number(ms)) // connecting came before
  return {
    speed: bytes / bytesPerMegabyte / (Number(ms) / 1000),
    cpu: cpu === undefined ? undefined : (cpu * 1e9) / bytes,
  }
}

/** From the beginning of a connection to its first row, through the gateway with a role made for it. */
export async function measureFirstRow(databases: Databases, rounds: number): Promise<readonly Paired[]> {
  const table: Paired[] = []
  for (const encrypted of [false, true]) {
    const of = await inTurn(rounds, databaseWays, async way => ({
      ms: await firstRowMs(databases, way, encrypted),
    }))
    table.push(paired(`connect to first row, p50${encrypted ? ', TLS' : ''}`, 'ms', of('ms')))
  }
  return table
}

async function firstRowMs(databases: Databases, way: DatabaseWay, encrypted: boolean): Promise<number> {
  const env = await databases.environment(way, encrypted, connectsPerRound)
  const program = new URL('first-row.py', import.meta.url).pathname
  const child = spawn('/usr/bin/python3', [program, String(connectsPerRound)], {
    env: { ...process.env, ...env },
    stdio: 'pipe',
  })
  const { code, stdout, stderr } = await finish(child)
  if (code !== 0) throw new Error(`psycopg (apt-get install python3-psycopg) failed: ${stderr}`)
  return median(stdout.toString().trim().split('\n').map(Number))
}
