/**
 * `npm run bench [ssh | postgres | recording | analysis | quarter | search | viewer] -- [--rounds N] [--seconds N] [--clients 8,32] [--megabytes N] [--sessions 200,1000] [--only GROUP,…] [--workers N] [--events N] [--entries N] [--seed N] [--json FILE]`:
 * Sallyport beside what a user would pick instead, in one run, as ratios.
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { reportOf } from '../simulation/report.ts'
import { review } from '../simulation/review.ts'
import { simulateQuarter } from '../simulation/quarter.ts'
import { analysisGroups, benchAnalysis, tableOfAnalysis } from './analysis.ts'
import { tableOf } from './measurement.ts'
import { tableOfPairs } from './pairs.ts'
import { benchPostgres, postgresGroups } from './postgres.ts'
import { benchRecording, recordingGroups, tableOfRecording } from './recording.ts'
import { benchSearch, tableOfSearch } from './search.ts'
import { benchSsh, sshGroups } from './ssh.ts'
import { benchViewer, tableOfViewer } from './viewer.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    megabytes: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '1' },
    clients: { type: 'string', default: '1,8,32' },
    sessions: { type: 'string', default: '200' },
    only: { type: 'string' },
    workers: { type: 'string', default: '0' },
    entries: { type: 'string', default: '1000000' },
    events: { type: 'string', default: '750000' },
    seed: { type: 'string', default: '1' },
  },
})

// Worlds with databases read it, as in tests.
process.env['SALLYPORT_TEST_POSTGRES_WORKERS'] = values.workers

// So that what was started goes too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  node: process.version,
  loadBefore: loadavg()[0],
}
const began = performance.now()
const benches: Readonly<Record<string, () => Promise<{ measured: unknown; table: string }>>> = {
  ssh,
  postgres,
  recording,
  analysis,
  quarter,
  search,
  viewer,
}
const { measured, table } = await (benches[positionals[0] ?? 'ssh'] ?? ssh)()
process.stdout.write(`${table}\n\n`)
const minutes = ((performance.now() - began) / 60_000).toFixed(1)
const load = [machine.loadBefore, loadavg()[0]].map(value => value?.toFixed(1)).join(' before and ')
process.stdout.write(
  `${machine.cores} cores (${machine.cpu}), Node ${machine.node}; the load was ${load} after; ${minutes} minutes\n`,
)
if (values.json !== undefined) {
  const result = { at: new Date().toISOString(), machine, measured }
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
}

async function ssh(): Promise<{ measured: unknown; table: string }> {
  const measured = await benchSsh({
    megabytes: Number(values.megabytes ?? '128'),
    rounds: Number(values.rounds ?? '3'),
    sessions: values.sessions.split(',').map(Number),
    only: groupsOf(sshGroups),
  })
  return { measured, table: tableOf(measured) }
}

async function recording(): Promise<{ measured: unknown; table: string }> {
  const measured = await benchRecording({
    megabytes: Number(values.megabytes ?? '64'),
    rounds: Number(values.rounds ?? '3'),
    only: groupsOf(recordingGroups),
  })
  return { measured, table: tableOfRecording(measured) }
}

async function analysis(): Promise<{ measured: unknown; table: string }> {
  const measured = await benchAnalysis({
    rounds: Number(values.rounds ?? '3'),
    events: Number(values.events),
    only: groupsOf(analysisGroups),
  })
  return { measured, table: tableOfAnalysis(measured) }
}

/** No speed: what the queue of findings shows in a quarter that is made up. */
async function quarter(): Promise<{ measured: unknown; table: string }> {
  const reviewed = await review(simulateQuarter({ seed: Number(values.seed), weeks: 13 }))
  return { measured: reviewed.findings.length, table: reportOf(reviewed) }
}

async function search(): Promise<{ measured: unknown; table: string }> {
  const measured = benchSearch({ entries: Number(values.entries), rounds: Number(values.rounds ?? '20') })
  return { measured, table: tableOfSearch(measured) }
}

/** A hundred thousand sessions unless `--sessions` says otherwise; `--rounds` are seeks. */
async function viewer(): Promise<{ measured: unknown; table: string }> {
  const sessions = values.sessions === '200' ? 100_000 : Number(values.sessions)
  const measured = await benchViewer({ sessions, hours: 10, seeks: Number(values.rounds ?? '200') })
  return { measured, table: tableOfViewer(measured) }
}

async function postgres(): Promise<{ measured: unknown; table: string }> {
  const measured = await benchPostgres({
    megabytes: Number(values.megabytes ?? '64'),
    rounds: Number(values.rounds ?? '3'),
    seconds: Number(values.seconds),
    clients: values.clients.split(',').map(Number),
    only: groupsOf(postgresGroups),
  })
  return { measured, table: tableOfPairs(measured) }
}

function groupsOf<Group extends string>(groups: readonly Group[]): readonly Group[] {
  return (values.only?.split(',') ?? groups).map(name => {
    const group = groups.find(known => known === name)
    if (group === undefined) throw new Error(`--only knows ${groups.join(', ')}, and not ${name}`)
    return group
  })
}
