/** `npm run bench recording`: what recordings cost in CPU and on disk, and how fast they are read, beside what one would use instead. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { indexOf } from '../../src/recorder/keyframe-builder.ts'
import { type KeyframeIndex, screenAt } from '../../src/recorder/keyframe.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { newBench, newGrant, output, startRecorder, turn } from '../recorder/support.ts'
import { median, quantile } from './measurement.ts'
import { recordWork, unwatched, workOf } from './terminal-work.ts'

export type RecordingRow = {
  readonly what: string
  readonly unit: string
  readonly sallyport: number
  /** What one would use instead, and its figure. */
  readonly peer?: { readonly name: string; readonly figure: number }
  readonly goal?: string
}

export const recordingGroups = ['append', 'interactive', 'statements', 'seek', 'verify'] as const
type Group = (typeof recordingGroups)[number]
export type RecordingOptions = {
  readonly megabytes: number
  readonly rounds: number
  readonly only: readonly Group[]
}

const megabyte = 1_000_000

export async function benchRecording({
  megabytes,
  rounds,
  only,
}: RecordingOptions): Promise<readonly RecordingRow[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  const rows: RecordingRow[] = []
  try {
    const lines = terminalOutput(megabytes * megabyte)
    const appended: Appended[] = []
    for (let round = 0; round < rounds && (only.includes('append') || only.includes('verify')); round++)
      appended.push(await append(lines))
    if (only.includes('append')) rows.push(...appendRows(appended, lines, scratch, megabytes))
    const file = appended.at(-1)?.file
    if (only.includes('verify') && file !== undefined)
      rows.push(...verifyRows(file.path, file.key, rounds, megabytes))
    if (only.includes('interactive')) rows.push(await interactiveRow(scratch))
    if (only.includes('statements')) rows.push(await statementsRow())
    if (only.includes('seek')) rows.push(...(await seekRows()))
    return rows
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

export function tableOfRecording(rows: readonly RecordingRow[]): string {
  const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
  const lines = rows.map(({ what, unit, sallyport, peer, goal }) => {
    const other =
      peer === undefined
        ? '– | –'
        : `${shown(peer.figure)} (${peer.name}) | ${(sallyport / peer.figure).toFixed(2)}`
    return `| ${what} (${unit}) | ${shown(sallyport)} | ${other} | ${goal ?? ''} |`
  })
  return ['| what | Sallyport | beside | ratio | goal |', '|---|---|---|---|---|', ...lines].join('\n')
}

// ── append and verify ───────────────────────────────────────────────────────────────────────────────────────────────

/** What compilers, logs and listings print: pieces of 16 KiB that compress some five times. */
function terminalOutput(bytes: number): readonly Buffer[] {
  const parts: Buffer[] = []
  let seed = 1
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647)
  for (let total = 0; total < bytes; ) {
    let text = ''
    while (text.length < 16_000)
      text += `2026-11-22T10:${random() % 60}:${random() % 60} worker[${random() % 5000}]: GET /orders/${random()} 200 ${random() % 900} ms\r\n`
    parts.push(Buffer.from(text))
    total += text.length
  }
  return parts
}

type Appended = {
  readonly cpuMs: number
  readonly wallMs: number
  readonly file: { path: string; key: string }
}

/** CPU of the whole process, its threads among it. */
async function cost<T>(work: () => Promise<T> | T): Promise<{ value: T; cpuMs: number; wallMs: number }> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  const value = await work()
  const { user, system } = process.cpuUsage(cpu)
  return { value, cpuMs: (user + system) / 1000, wallMs: performance.now() - wall }
}

async function append(parts: readonly Buffer[]): Promise<Appended> {
  const bench = newBench()
  const recorder = startRecorder(bench, { segmentBytes: 64 * 1024 * 1024, appendAsync: unwatched })
  const recording = recorder.open(newGrant(), { session: 'append', protocol: 'ssh' })
  const { cpuMs, wallMs } = await cost(async () => {
    for (const [index, part] of parts.entries()) {
      recording.record(output(part))
      if (index % 8 === 7) await turn() // 128 KiB a turn of the event loop
    }
    await turn()
    await recording.seal('over')
  })
  await recorder.close()
  return { cpuMs, wallMs, file: { path: join(bench.folder, recording.path), key: bench.signer.publicKeyPem } }
}

function appendRows(
  appended: readonly Appended[],
  parts: readonly Buffer[],
  scratch: string,
  megabytes: number,
): readonly RecordingRow[] {
  const file = appended.at(-1)?.file.path ?? ''
  const cast = asciicast(parts, join(scratch, 'session.cast'))
  return [
    {
      what: 'append, terminal output, to the seal',
      unit: 'MB/s',
      sallyport: megabytes / (median(appended.map(({ wallMs }) => wallMs)) / 1000),
      peer: { name: 'asciicast lines, gzip after', figure: megabytes / (cast.wallMs / 1000) },
    },
    {
      what: 'CPU a MB of output',
      unit: 'ms',
      sallyport: median(appended.map(({ cpuMs }) => cpuMs)) / megabytes,
      peer: { name: 'asciicast lines, gzip after', figure: cast.cpuMs / megabytes },
    },
    {
      what: 'on disk, a MB of output',
      unit: 'kB',
      sallyport: statSync(file).size / 1000 / megabytes,
      peer: { name: 'asciicast, gzip -6', figure: cast.bytes / 1000 / megabytes },
    },
  ]
}

/** As asciinema does it: a JSON line an event, written as it comes; gzip when the session is over. */
function asciicast(parts: readonly Buffer[], file: string): { cpuMs: number; wallMs: number; bytes: number } {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  const fd = openSync(file, 'w')
  writeSync(fd, '{"version": 2, "width": 80, "height": 24}\n')
  for (const [index, part] of parts.entries())
    writeSync(fd, `${JSON.stringify([index / 1000, 'o', part.toString()])}\n`)
  closeSync(fd)
  const bytes = gzipSync(readFileSync(file), { level: 6 }).length
  const { user, system } = process.cpuUsage(cpu)
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - wall, bytes }
}

function verifyRows(file: string, key: string, rounds: number, megabytes: number): readonly RecordingRow[] {
  const stored = statSync(file).size / megabyte
  const cpu = (work: () => void): number => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6
  }
  const times = Array.from({ length: rounds * 3 }, () =>
    cpu(() => {
      if (!verifyRecording(file, key).ok) throw new Error('the recording does not verify')
    }),
  )
  const sums = Array.from({ length: rounds * 3 }, () => sha256sumSeconds(file))
  const hashes = Array.from({ length: rounds * 3 }, () =>
    cpu(() => void createHash('sha256').update(readFileSync(file)).digest()),
  )
  return [
    {
      what: 'verify, of bytes on disk, a second of CPU',
      unit: 'MB',
      sallyport: stored / median(times),
      peer: { name: 'SHA-256 alone, OpenSSL', figure: stored / median(hashes) },
    },
    {
      what: 'verify, of what was recorded, a second of CPU',
      unit: 'MB',
      sallyport: megabytes / median(times),
      peer: { name: 'sha256sum of the file as it is on disk', figure: stored / median(sums) },
    },
  ]
}

/** CPU of the program `sha256sum`, its start among it. */
function sha256sumSeconds(file: string): number {
  const script = `TIMEFORMAT='%U %S'; time sha256sum "$0" >/dev/null`
  const told = execFileSync('bash', ['-c', `{ ${script}; } 2>&1`, file], { encoding: 'utf8' })
  return told
    .trim()
    .split(' ')
    .reduce((sum, part) => sum + Number(part), 0)
}

// ── interactive work, statements, seeking ───────────────────────────────────────────────────────────────────────────

async function interactiveRow(scratch: string): Promise<RecordingRow> {
  const { file } = await recordWork(1)
  const cast = asciicast(
    [...workOf(1)].flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes])),
    join(scratch, 'hour.cast'),
  )
  return {
    what: 'an hour of interactive work',
    unit: 'MB',
    sallyport: statSync(file).size / megabyte,
    peer: { name: 'asciicast, gzip -6', figure: cast.bytes / megabyte },
    goal: '≤ 1',
  }
}

/** Of these so many are recorded; a million are that many times as much. */
const statements = 200_000

async function statementsRow(): Promise<RecordingRow> {
  const bench = newBench()
  const recorder = startRecorder(bench, { segmentBytes: 64 * 1024 * 1024, appendAsync: unwatched })
  const recording = recorder.open(newGrant(), { session: 'sql', protocol: 'postgres' })
  let plain = 0
  for (let statement = 1; statement <= statements; statement++) {
    const text = `SELECT abalance FROM pgbench_accounts WHERE aid = ${(statement * 7919) % 100_000};`
    plain += text.length + 60
    recording.record({ type: 'statement', statement, how: 'simple', text })
    recording.record({
      type: 'result',
      statement,
      status: 'done',
      tag: 'SELECT 1',
      rows: 1,
      bytes: 11,
      us: 80 + (statement % 50),
    })
    bench.clock.advance(0.1)
    if (statement % 200 === 0) await turn()
  }
  await recording.seal('over')
  await recorder.close()
  const perMillion = 1_000_000 / statements
  return {
    what: 'a million short statements with their results',
    unit: 'MB',
    sallyport: (statSync(join(bench.folder, recording.path)).size / megabyte) * perMillion,
    peer: { name: 'log_statement lines of PostgreSQL, plain', figure: (plain / megabyte) * perMillion },
    goal: '≤ 60',
  }
}

const seeks = 200

async function seekRows(): Promise<readonly RecordingRow[]> {
  const { file } = await recordWork(10)
  let index: KeyframeIndex | undefined
  const indexing = await cost(() => void (index = indexOf(file)))
  const durationUs = index?.durationUs ?? 0
  const cpuMs: number[] = []
  const wallMs: number[] = []
  for (let seek = 0; seek < seeks; seek++) {
    const us = Math.floor((((seek * 7919) % seeks) / seeks) * durationUs)
    const [cpu, wall] = [process.cpuUsage(), performance.now()]
    if (index === undefined || screenAt(file, index, 0, us) === undefined) throw new Error('no screen there')
    const { user, system } = process.cpuUsage(cpu)
    cpuMs.push((user + system) / 1000)
    wallMs.push(performance.now() - wall)
  }
  return [
    { what: `seek in ${(durationUs / 3.6e9).toFixed(1)} hours, p50`, unit: 'ms', sallyport: median(wallMs) },
    { what: 'seek, p95', unit: 'ms', sallyport: quantile(wallMs, 0.95), goal: '≤ 100' },
    { what: 'seek, p95, CPU', unit: 'ms', sallyport: quantile(cpuMs, 0.95) },
    { what: 'index of it, CPU', unit: 's', sallyport: indexing.cpuMs / 1000 },
    { what: 'file of it', unit: 'MB', sallyport: statSync(file).size / megabyte },
  ]
}
