/** Many shells at once: what one more of them takes while nobody types, and how keystrokes fare while all do. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Held } from './answer-memory.ts'
import { type Company, Crowd, type Way, ways } from './company.ts'
import { median, type Measurement, quantile } from './measurement.ts'
import { descendantsKiB } from './processes.ts'

/** What the first ones load is not what each one takes. */
const warmUp = 40
const lanes = 4
/** Chunks are written and timers have run. */
const untilIdleMs = 3000
/** A fast typist, for each of many; and for one alone as many keys as make a p99. */
const typing = { many: { keys: 12, everyMs: 500 }, one: { keys: 600, everyMs: 4 } } as const

export type CrowdOptions = {
  readonly sessions: readonly number[]
  readonly echo: boolean
  readonly memory: boolean
}

export async function measureCrowds(
  company: Company,
  options: CrowdOptions,
): Promise<readonly Measurement[]> {
  const rows: Measurement[] = []
  if (options.echo) rows.push(...(await echoOf(company, 1)))
  if (options.memory) rows.push(...(await memoryOf(company, options.sessions)))
  if (options.echo) rows.push(...(await echoOf(company, options.sessions[0] ?? 200)))
  return rows
}

async function echoOf(company: Company, sessions: number): Promise<readonly Measurement[]> {
  const times: Record<Way, readonly number[]> = { direct: [], jump: [], sallyport: [] }
  for (const way of ways) {
    const crowd = new Crowd()
    await crowd.order({ kind: 'open', ...company.places(way), count: sessions, lanes })
    const order = sessions === 1 ? typing.one : typing.many
    times[way] = (await crowd.order({ kind: 'echo', ...order })).echoMs
    await crowd.leave()
    await sleep(sessions * 5) // all those processes end
  }
  const row = (what: string, at: (values: readonly number[]) => number): Measurement => {
    const [direct, jump, sallyport] = ways.map(way => at(times[way]))
    return {
      what: `${what}, ${sessions} session${sessions === 1 ? '' : 's'}`,
      unit: 'ms',
      direct,
      jump,
      sallyport,
    }
  }
  return [row('keystroke echo p50', median), row('keystroke echo p99', values => quantile(values, 0.99))]
}

/**
 * For sshd: the proportional set size of its processes, at the target and at the jump host. For the gateway: the growth of the whole
 * process, threads included.
 */
async function memoryOf(company: Company, sessions: readonly number[]): Promise<readonly Measurement[]> {
  const [direct, jump] = [await sshdKiB(company, 'direct'), await sshdKiB(company, 'jump')]
  const crowd = new Crowd()
  const open = (count: number) => crowd.order({ kind: 'open', ...company.places('sallyport'), count, lanes })
  await open(warmUp)
  await sleep(untilIdleMs)
  const before = await company.gatewayMemory()
  const rows: Measurement[] = []
  let opened = 0
  for (const count of sessions) {
    await open(count - opened)
    opened = count
    await sleep(untilIdleMs)
    rows.push(...memoryRows(before, await company.gatewayMemory(), count, { direct, jump }))
  }
  await crowd.leave()
  return rows
}

function memoryRows(
  before: Held,
  after: Held,
  count: number,
  sshd: { direct: number; jump: number },
): readonly Measurement[] {
  const each = (of: (held: Held) => number): number => (of(after) - of(before)) / 1024 / count
  const what = `memory of an idle session, ${count} of them`
  const live = (held: Held): number => held.collected.heapUsed + held.collected.external
  return [
    { what, unit: 'KiB', ...sshd, sallyport: each(held => held.asItIs.rss) },
    { what: `${what}, garbage collected`, unit: 'KiB', ...sshd, sallyport: each(held => held.collected.rss) },
    {
      what: `${what}, live objects alone`,
      unit: 'KiB',
      direct: undefined,
      jump: undefined,
      sallyport: each(live),
    },
  ]
}

async function sshdKiB(company: Company, way: 'direct' | 'jump'): Promise<number> {
  const crowd = new Crowd()
  await crowd.order({ kind: 'open', ...company.places(way), count: warmUp, lanes })
  const pid = way === 'direct' ? company.target.pid : company.jump.pid
  const kib = descendantsKiB(pid, 'sshd') / warmUp
  await crowd.leave()
  return kib
}
