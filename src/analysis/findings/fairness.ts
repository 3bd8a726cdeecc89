/**
 * How findings fall on people, without naming one: shares by role and by hour, how uneven they are, how often they came to nothing. Groups of
 * fewer than five people are told together, or not at all.
 */
import type { FindingRow, SessionRow } from '../../model.ts'
import type { FindingStore, SessionStore } from '../../store/store.ts'
import { personOf } from './queue.ts'
import { minPeople } from './words.ts'

const dayMs = 86_400_000
/** Rows that are looked at; a report over more says so. */
const maxRows = 100_000
const pageRows = 1000
const maxNoisy = 10
/** Of a rule, so many have to be closed before its share says anything, and above this share it should be looked at. */
const minClosed = 10
const noisyShare = 0.9
const bandHours = 6

export type FairnessGroup = {
  readonly name: string
  readonly people: number
  readonly sessions: number
  readonly findings: number
  /** Findings of a hundred sessions. */
  readonly perHundred: number
}

export type FairnessReport = {
  readonly fromMs: number
  readonly untilMs: number
  readonly isWhole: boolean
  readonly people: number
  readonly sessions: number
  readonly findings: number
  readonly byRole: readonly FairnessGroup[]
  /** By the hour (UTC) at which sessions began. */
  readonly byHour: readonly FairnessGroup[]
  /** Of one person; undefined with fewer than five people. */
  readonly maxShare: number | undefined
  /** 0: all people have as many findings. 1: one has them all. */
  readonly gini: number | undefined
  readonly closed: number
  readonly benignShare: number | undefined
  readonly medianMsToClose: number | undefined
  readonly noisiest: readonly {
    readonly group: string
    readonly findings: number
    readonly closed: number
    readonly benignShare: number | undefined
    readonly advice: string | undefined
  }[]
  readonly names: { readonly asked: number; readonly shown: number; readonly refused: number }
}

type Sources = { readonly findings: FindingStore; readonly sessions: Pick<SessionStore, 'list'> }

export async function fairnessReport(
  { findings, sessions }: Sources,
  days: number,
  nowMs: number,
): Promise<FairnessReport> {
  const fromMs = nowMs - days * dayMs
  const of = await sessionsSince(sessions, fromMs)
  const rows = (await findings.between(fromMs, nowMs + 1, maxRows)).filter(
    ({ kind }) => kind !== 'sample' && kind !== 'integrity',
  )
  const counts = countsOf(of.rows, rows)
  const names = await findings.unmaskingsSince(fromMs)
  const closed = rows.filter(({ state }) => state === 'closed')
  const isTold = counts.size >= minPeople
  const most = Math.max(0, ...counts.values())
  return {
    fromMs,
    untilMs: nowMs,
    isWhole: of.isWhole && rows.length < maxRows,
    people: counts.size,
    sessions: of.rows.length,
    findings: rows.length,
    byRole: groupsOf(of.rows, rows, ({ role }) => role),
    byHour: groupsOf(of.rows, rows, ({ openedAtMs }) => bandOf(openedAtMs)),
    maxShare: isTold && rows.length > 0 ? most / rows.length : undefined,
    gini: isTold && rows.length > 0 ? gini([...counts.values()]) : undefined,
    closed: closed.length,
    benignShare: benignShare(closed),
    medianMsToClose: median(closed.map(row => (row.closedAtMs ?? row.updatedAtMs) - row.createdAtMs)),
    noisiest: noisiest(rows),
    names: {
      asked: names.length,
      shown: names.filter(({ untilMs }) => untilMs !== undefined).length,
      refused: names.filter(one => one.decidedAtMs !== undefined && one.untilMs === undefined).length,
    },
  }
}

async function sessionsSince(
  sessions: Sources['sessions'],
  fromMs: number,
): Promise<{ rows: SessionRow[]; isWhole: boolean }> {
  const rows: SessionRow[] = []
  let before: SessionRow | undefined
  while (rows.length < maxRows) {
    const page = await sessions.list({ limit: pageRows, before })
    const recent = page.filter(({ openedAtMs }) => openedAtMs >= fromMs)
    rows.push(...recent)
    if (recent.length < pageRows) return { rows, isWhole: true }
    before = page.at(-1)
  }
  return { rows, isWhole: false }
}

/** Of everybody who had a session, those without a finding too. */
function countsOf(sessions: readonly SessionRow[], rows: readonly FindingRow[]): Map<string, number> {
  const counts = new Map(sessions.map(session => [personOf(session), 0]))
  for (const row of rows) counts.set(personOf(row), (counts.get(personOf(row)) ?? 0) + 1)
  return counts
}

const small = `(fewer than ${minPeople} people each)`

function groupsOf(
  sessions: readonly SessionRow[],
  rows: readonly FindingRow[],
  nameOf: (session: SessionRow) => string,
): readonly FairnessGroup[] {
  const people = new Map<string, Set<string>>()
  for (const session of sessions) {
    const name = nameOf(session)
    people.set(name, (people.get(name) ?? new Set()).add(personOf(session)))
  }
  const toldAs = (name: string): string => ((people.get(name)?.size ?? 0) >= minPeople ? name : small)
  const groupOf = new Map(sessions.map(session => [session.id, toldAs(nameOf(session))]))
  const told = [...new Set(groupOf.values())].map(group => {
    const members = [...people].flatMap(([name, of]) => (toldAs(name) === group ? [...of] : []))
    const theirs = [...groupOf.values()].filter(one => one === group).length
    const findings = rows.filter(({ session }) => groupOf.get(session) === group).length
    const perHundred = theirs === 0 ? 0 : (100 * findings) / theirs
    return { name: group, people: new Set(members).size, sessions: theirs, findings, perHundred }
  })
  // What is left of all small groups may be fewer than five people again.
  return told.filter(group => group.people >= minPeople).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function bandOf(ms: number): string {
  const from = Math.floor(new Date(ms).getUTCHours() / bandHours) * bandHours
  return `${String(from).padStart(2, '0')}–${String(from + bandHours).padStart(2, '0')} h`
}

/** Gini's coefficient of counts; 0 where there are none. */
export function gini(counts: readonly number[]): number {
  const sorted = counts.toSorted((a, b) => a - b)
  const total = sorted.reduce((sum, count) => sum + count, 0)
  if (total === 0 || sorted.length === 0) return 0
  const weighted = sorted.reduce((sum, count, at) => sum + (2 * (at + 1) - sorted.length - 1) * count, 0)
  return weighted / (sorted.length * total)
}

function benignShare(closed: readonly FindingRow[]): number | undefined {
  if (closed.length === 0) return undefined
  return closed.filter(isBenign).length / closed.length
}

function isBenign({ closeReason }: FindingRow): boolean {
  return closeReason !== 'true-positive' && closeReason !== 'duplicate'
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}

function noisiest(rows: readonly FindingRow[]): FairnessReport['noisiest'] {
  const groups = Map.groupBy(rows, ({ group }) => group)
  return [...groups]
    .toSorted((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1))
    .slice(0, maxNoisy)
    .map(([group, of]) => {
      const closed = of.filter(({ state }) => state === 'closed')
      const share = benignShare(closed)
      const isNoisy = closed.length >= minClosed && (share ?? 0) >= noisyShare
      return {
        group,
        findings: of.length,
        closed: closed.length,
        benignShare: share,
        advice: isNoisy
          ? 'nearly always harmless here: switch it off (analysis.off) or narrow it'
          : undefined,
      }
    })
}
