/**
 * `npm run soak -- transcripts` is in transcripts.ts, `npm run soak -- fuzz` is in fuzz.ts, `npm run soak -- kills` in kills.ts, `npm run soak -- postgres` in postgres.ts, `npm run soak -- tamper` in tamper.ts. `npm run soak [--minutes N] [--sessions N]`: many sessions at once for a while, and what must hold at the end: every byte that a
 * client saw is in its recording, every recording verifies, no lease is left, and memory has not grown without end.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { World } from '../support/world.ts'
import { fuzz } from './fuzz.ts'
import { soakKills } from './kills.ts'
import { soakPostgres } from './postgres.ts'
import { soakTamper } from './tamper.ts'
import { soakTranscripts } from './transcripts.ts'

if (process.argv[2] === 'fuzz') process.exit((await fuzz(process.argv.slice(3))) ? 0 : 1)
if (process.argv[2] === 'kills') process.exit((await soakKills(process.argv.slice(3))) ? 0 : 1)
if (process.argv[2] === 'transcripts') process.exit(soakTranscripts() ? 0 : 1)
if (process.argv[2] === 'tamper') process.exit((await soakTamper(process.argv.slice(3))) ? 0 : 1)
if (process.argv[2] === 'postgres') process.exit((await soakPostgres(process.argv.slice(3))) ? 0 : 1)

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, sessions: { type: 'string', default: '8' } },
})
const until = Date.now() + Number(values.minutes) * 60_000
const world = await World.start()
const seen = new Map<string, string>()
let sessions = 0
let failed = 0

const commands = [
  'head -c 20000000 /dev/urandom',
  'seq 1 200000',
  'for i in $(seq 1 300); do echo line $i; sleep 0.01; done',
  'head -c 3000000 /dev/urandom >&2; echo done',
  'true',
]

async function person(index: number): Promise<void> {
  for (let round = 0; Date.now() < until; round++) {
    const marker = `${index}.${round}`
    const command = `${commands[(index + round) % commands.length]} # ${marker}`
    const run = await world.ssh(`${world.login}@web1`, { command: [command], timeoutMs: 600_000 })
    sessions++
    if (run.code !== 0) failed++
    seen.set(command, sha256(run.stdout))
  }
}

const before = residentMiB()
await Promise.all(Array.from({ length: Number(values.sessions) }, (_, index) => person(index)))
await world.until(async () => (await world.sessions()).every(row => row.state !== 'open'))
const grownMiB = residentMiB() - before
const differing = await compare()
const verified = await world.sallyport('verify', world.recordings)
const lines = world.audit()
const minted = lines.filter(line => line['kind'] === 'credential-minted').length
const removed = lines.filter(line => line['kind'] === 'credential-removed').length
await world.stop()

console.log({
  sessions,
  failed,
  differing,
  verifies: verified.code === 0,
  leasesLeft: minted - removed,
  grownMiB,
})
process.exitCode = failed + differing + (minted - removed) === 0 && verified.code === 0 ? 0 : 1

/** How many recordings hold other output than their client saw. Only the newest hundred are listed, which suffices for a sample. */
async function compare(): Promise<number> {
  let differing = 0
  for (const row of await world.sessions()) {
    const exec = world.eventsOf(row).find(({ event }) => event.type === 'exec')?.event
    const command = exec !== undefined && 'fields' in exec ? String(exec.fields['command']) : ''
    if (seen.get(command) !== sha256(world.streamOf(row, 'output'))) differing++
  }
  return differing
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function residentMiB(): number {
  const kib = Number(
    /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${world.gatewayPid}/status`, 'utf8'))?.[1] ?? 0,
  )
  return Math.round(kib / 1024)
}
