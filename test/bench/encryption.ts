/**
 * `node test/bench/encryption.ts`: what it costs to encrypt recordings, as CPU time (user and system, all threads) of a recorder alone: small
 * events as people and statements make them, and output as fast as it goes.
 */
import { rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { newRecordingKey } from '../../src/recorder/encryption/recording-key.ts'
import { newBench, newGrant, startRecorder } from '../recorder/support.ts'
import { newAuditor } from '../recorder/encryption/support.ts'
import { join } from 'node:path'

const rounds = 5
const smallEvents = 100_000
const perTurn = 10
const outputBytes = 256 * 1024 * 1024
const pieceBytes = 32 * 1024

type Way = { readonly name: string; readonly auditors: readonly ReturnType<typeof newAuditor>[] }
const ways: readonly Way[] = [
  { name: 'in the clear', auditors: [] },
  { name: 'to one auditor', auditors: [newAuditor()] },
]

/** Text that compresses as the output of commands does, about seven to one. */
function commandOutput(): Buffer {
  const lines: string[] = []
  for (let i = 0; lines.length < 2000; i++)
    lines.push(
      `-rw-r--r-- 1 root root ${(i * 7919) % 100_003} Nov 22 05:${String(i % 60).padStart(2, '0')} file-${(i * 104_729) % 1_299_709}.log\r\n`,
    )
  return Buffer.from(lines.join(''))
}

const text = commandOutput()

function turn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}

async function cpuUs(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

async function measure(way: Way, kind: 'small' | 'output'): Promise<number> {
  const bench = newBench()
  const recorder = startRecorder(bench, { encryptTo: () => way.auditors.map(({ publicKey }) => publicKey) })
  const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' }, await recorder.newKey())
  const spent = await cpuUs(async () => {
    if (kind === 'small') {
      for (let i = 0; i < smallEvents; i++) {
        recording.record({ type: 'input-count', channel: 0, bytes: i % 7 })
        if (i % perTurn === 0) await turn()
        if (recording.isBehind) await recording.whenDrained()
      }
    } else {
      for (let at = 0; at < outputBytes; at += pieceBytes) {
        const from = at % (text.length - pieceBytes)
        recording.record({ type: 'output', channel: 0, data: text.subarray(from, from + pieceBytes) })
        await turn()
        if (recording.isBehind) await recording.whenDrained()
      }
    }
    await recording.seal('over')
  })
  await recorder.close()
  rmSync(join(bench.folder, '..'), { recursive: true, force: true })
  return spent
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

async function wrapUs(): Promise<number> {
  const recipients = ways[1]?.auditors.map(({ publicKey }) => publicKey) ?? []
  const keys = 500
  return (
    (await cpuUs(async () => {
      for (let i = 0; i < keys; i++) await newRecordingKey(recipients)
    })) / keys
  )
}

const found = new Map(ways.map(way => [way.name, { small: [] as number[], output: [] as number[] }]))
for (let round = 0; round < rounds; round++)
  for (const way of ways)
    for (const kind of ['small', 'output'] as const)
      found.get(way.name)?.[kind].push(await measure(way, kind))

process.stdout.write('| recording | µs an event (small) | CPU seconds a GiB of output |\n|---|---|---|\n')
for (const [name, { small, output }] of found) {
  const each = (median(small) / smallEvents).toFixed(1)
  const gib = ((median(output) / 1e6) * (1024 ** 3 / outputBytes)).toFixed(2)
  process.stdout.write(`| ${name} | ${each} | ${gib} |\n`)
}
process.stdout.write(`\na key made and wrapped for one auditor: ${((await wrapUs()) / 1000).toFixed(2)} ms\n`)
process.stdout.write(
  `${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}, medians of ${rounds}\n`,
)
process.exit(0)
