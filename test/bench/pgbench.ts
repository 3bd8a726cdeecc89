/** Short transactions: `pgbench -S` reads one account by its key. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type DatabaseWay, type Databases, databaseWays } from './databases.ts'
import { type Figures, inTurn, type Paired, paired } from './pairs.ts'
import { CpuTrace, cpuSeconds } from './processes.ts'

export type Duration = {
  readonly rounds: number
  readonly seconds: number
  readonly clients: readonly number[]
}
type Mode = 'simple' | 'extended' | 'prepared'
type Load = { readonly mode: Mode; readonly clients: number; readonly encrypted: boolean }

const plainLoads: readonly Load[] = ([1, 8, 32] as const).flatMap(clients =>
  (['simple', 'extended', 'prepared'] as const).map(mode => ({ mode, clients, encrypted: false })),
)
const encryptedLoads: readonly Load[] = ([8, 32] as const).flatMap(clients =>
  (['simple', 'prepared'] as const).map(mode => ({ mode, clients, encrypted: true })),
)
/** A connection each time: a statement is the smaller part. Through the gateway each has a role of its own. */
const connectClients = [1, 8] as const
const warmUpSeconds = 2
const maxAttempts = 4
/** A shorter run tells nothing. */
const leastMs = 400
/** More of them get a second more to connect. */
const manyClients = 8
/** Roles are dropped after the gateway's clients have left; the next way must not pay for that. */
const untilLeftMs = 250
/** More connections than a password of the page is good for, in one run, would be refused. */
const mostConnects = 900

export async function measureStatements(
  databases: Databases,
  duration: Duration,
  encrypted: boolean,
): Promise<readonly Paired[]> {
  const rows: Paired[] = []
  const loads = encrypted ? encryptedLoads : plainLoads
  for (const load of loads.filter(({ clients }) => duration.clients.includes(clients)))
    rows.push(...(await compare(databases, load, duration)))
  return rows
}

/** A gateway that has run for a while has its code compiled, as one in use has. */
export async function warmUpStatements(databases: Databases): Promise<void> {
  for (const mode of ['simple', 'extended', 'prepared'] as const)
    await runThatRan(databases, 'sallyport', { mode, clients: 8, encrypted: false }, warmUpSeconds)
}

async function compare(
  databases: Databases,
  load: Load,
  { rounds, seconds }: Duration,
): Promise<readonly Paired[]> {
  const of = await inTurn(rounds, databaseWays, way => runThatRan(databases, way, load, seconds))
  const { mode, clients, encrypted } = load
  const name = `${mode}, ${clients} client${clients === 1 ? '' : 's'}${encrypted ? ', TLS' : ''}`
  return [
    paired(`pgbench -S ${name}`, 'tx/s', of('speed')),
    paired(`CPU between, ${name}`, 'µs/tx', of('cpu')),
  ]
}

/** pgbench's time begins before its clients connect: on a busy machine nothing may be left of it. */
async function runThatRan(
  databases: Databases,
  way: DatabaseWay,
  load: Load,
  seconds: number,
): Promise<Figures> {
  const connecting = load.clients > manyClients ? 1 : 0
  for (let attempt = 1; ; attempt++) {
    const figures = await statements(databases, way, load, seconds * attempt + connecting)
    if (figures !== undefined) return figures
    if (attempt === maxAttempts) throw new Error('pgbench had no time to run a statement')
  }
}

async function statements(
  databases: Databases,
  way: DatabaseWay,
  { mode, clients, encrypted }: Load,
  seconds: number,
): Promise<Figures | undefined> {
  const env = await databases.environment(way, encrypted, clients + 1)
  const args = ['-n', '-S', '-M', mode, '-c', String(clients), '-j', String(Math.min(clients, 2))]
  const between = databases.pidBetween(way)
  const trace = between === undefined ? undefined : new CpuTrace(between)
  const told = await databases.run('pgbench', [...args, '-T', String(seconds)], env)
  const processed = figure(told, /actually processed: (\d+)/)
  const ranMs = seconds * 1000 - (processed === 0 ? 0 : figure(told, /initial connection time = ([\d.]+)/))
  const cpu = trace?.stop(ranMs)
  if (way === 'sallyport') await sleep(untilLeftMs)
  if (processed === 0 || ranMs < leastMs) return undefined
  return {
    speed: figure(told, /tps = ([\d.]+)/),
    cpu: cpu === undefined ? undefined : (cpu * 1e6) / processed,
  }
}

/** Connections a second, each with one statement. */
export async function measureConnects(databases: Databases, duration: Duration): Promise<readonly Paired[]> {
  const rows: Paired[] = []
  for (const clients of connectClients)
    for (const encrypted of [false, true]) {
      const of = await inTurn(duration.rounds, databaseWays, way =>
        connects(databases, way, clients, encrypted, duration.seconds),
      )
      const name = `${clients} client${clients === 1 ? '' : 's'}${encrypted ? ', TLS' : ''}`
      rows.push(paired(`connect, one statement, leave: ${name}`, '1/s', of('speed')))
      rows.push(paired(`CPU between of a connection, ${name}`, 'ms', of('cpu')))
    }
  return rows
}

async function connects(
  databases: Databases,
  way: DatabaseWay,
  clients: number,
  encrypted: boolean,
  seconds: number,
): Promise<Figures> {
  const env = await databases.environment(way, encrypted, mostConnects)
  const args = ['-n', '-S', '-C', '-c', String(clients), '-j', String(Math.min(clients, 2))]
  const between = databases.pidBetween(way)
  const before = between === undefined ? 0 : cpuSeconds(between)
  const told = await databases.run('pgbench', [...args, '-T', String(seconds)], env)
  const cpu = between === undefined ? undefined : cpuSeconds(between) - before
  return {
    speed: figure(told, /tps = ([\d.]+)/),
    cpu: cpu === undefined ? undefined : (cpu * 1e3) / figure(told, /actually processed: (\d+)/),
  }
}

function figure(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1]
  if (found === undefined) throw new Error(`pgbench said nothing of ${String(pattern)}: ${text}`)
  return Number(found)
}
