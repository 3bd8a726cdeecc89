/** Whoever watches is watched: how many sessions a reviewer opens in an hour, compared with their own hours and with those of other reviewers. */
import type { AnalysisConfig } from '../../config/config.ts'
import type { ReadingRow } from '../../model.ts'
import { deviation, freeDeviations, median, natsOfDeviation } from '../baseline/deviation.ts'
import { harmless } from './comparison.ts'
import type { FindingDraft } from './finding.ts'
import { personOf } from './queue.ts'
import { counted, minPeople } from './words.ts'

const hourMs = 3_600_000
/** How far back readings are compared. */
export const reviewingWindowMs: number = 90 * 24 * hourMs
/** Fewer sessions in an hour are nothing to look at. */
const leastSessions = 20
/** Hours with at least one reading that there have to be. */
const minHours = 10
const maxNats = 6

type Hour = { readonly rows: readonly ReadingRow[]; readonly sessions: number }

/** Of the hour before this one. `readings`: those of the window, the oldest first. */
export function reviewingDrafts(
  readings: readonly ReadingRow[],
  config: AnalysisConfig['baselines'],
  nowMs: number,
): readonly FindingDraft[] {
  if (!config.enabled || config.off.includes('reviewing')) return []
  const last = Math.floor(nowMs / hourMs) - 1
  const byPerson = Map.groupBy(readings, personOf)
  const hours = new Map([...byPerson].map(([person, rows]) => [person, hoursOf(rows)]))
  return [...hours].flatMap(([person, theirs]) => {
    const now = theirs.get(last)
    if (now === undefined || now.sessions < leastSessions) return []
    const own = countsBefore(theirs, last)
    const others = [...hours].filter(([other]) => other !== person)
    const pooled = others.length >= minPeople ? others.flatMap(([, of]) => countsBefore(of, last)) : []
    return draft(now, own, pooled, others.length, config)
  })
}

function hoursOf(rows: readonly ReadingRow[]): ReadonlyMap<number, Hour> {
  const hours = Map.groupBy(rows, ({ atMs }) => Math.floor(atMs / hourMs))
  return new Map(
    [...hours].map(([hour, of]) => [hour, { rows: of, sessions: new Set(of.map(row => row.session)).size }]),
  )
}

function countsBefore(hours: ReadonlyMap<number, Hour>, last: number): readonly number[] {
  return [...hours].flatMap(([hour, { sessions }]) => (hour < last ? [sessions] : []))
}

function draft(
  { rows, sessions }: Hour,
  own: readonly number[],
  pooled: readonly number[],
  others: number,
  config: AnalysisConfig['baselines'],
): readonly FindingDraft[] {
  const nats = natsOf(sessions, [own, pooled])
  const row = rows.at(-1)
  if (nats === undefined || row === undefined || nats < config.score) return []
  const unusualness = Math.round(nats * 100) / 100
  const observed = `A reviewer opened ${counted(sessions, 'session')} within an hour, more than is usual`
  return [
    {
      session: row.session,
      person: { issuer: row.issuer, subject: row.subject, name: row.name },
      group: 'reviewing',
      kind: 'baseline',
      severity: config.severity.reviewing,
      unusualness,
      rules: [],
      atMs: row.atMs,
      body: {
        sentence: `${observed}.`,
        why: [{ observed, own: ownText(own), peers: peersText(pooled, others), adds: unusualness }],
        quotes: [],
        techniques: [],
        benign: harmless.reviewing,
        quality: [
          'It stands at the session that was opened last in that hour, and is about the reading, not about that session.',
          'Opening a session again within an hour counts once.',
        ],
        versions: {},
      },
    },
  ]
}

/** How unusual so many sessions in an hour are; undefined if there is too little to compare with. */
function natsOf(sessions: number, usual: readonly (readonly number[])[]): number | undefined {
  const compared = usual.filter(counts => counts.length >= minHours)
  if (compared.length === 0) return undefined
  const deviations = compared.map(counts => deviation(sessions, counts.map(Math.log1p)))
  const z = deviations.reduce((sum, one) => sum + one, 0) / deviations.length
  return Math.min(maxNats, (z - freeDeviations) * natsOfDeviation)
}

function ownText(own: readonly number[]): string {
  const usual = own.length < minHours ? 'too few hours to compare with' : medianText(own)
  return `${usual}; ${counted(own.length, 'hour')} in 90 days`
}

function peersText(pooled: readonly number[], others: number): string {
  return pooled.length < minHours
    ? `too few other reviewers to compare with`
    : `${medianText(pooled)}, of ${counted(others, 'other reviewer')}, ${counted(pooled.length, 'hour')}`
}

function medianText(counts: readonly number[]): string {
  return `median ${counted(median(counts) ?? 0, 'session')} an hour`
}
