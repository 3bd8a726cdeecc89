/** Which findings of a day stand above the line. Pure: the same findings give the same queue. */
import type { FindingRow } from '../../model.ts'
import { isAtLeast, severityOrder } from './finding.ts'

export type Placed = Pick<
  FindingRow,
  'id' | 'kind' | 'state' | 'severity' | 'unusualness' | 'createdAtMs' | 'place' | 'issuer' | 'subject'
>
export type QueueLimits = { readonly budget: number; readonly perPerson: number }
export type Place = { readonly place: 'queue' | 'below'; readonly reason: string | undefined }

/** Of the budget, so much is for the random sample: it would never be seen if it had to compete. */
const sampleShare = 0.1
/** Recordings and logs that are not whole have one cause, mostly: so many of a day are shown beside what people did. */
const maxIntegrity = 5

/**
 * Places of the day's findings, by id. What somebody has begun to look at stays where it is, and counts. `openBefore`: baseline findings
 * of earlier days that are open and above the line, by person.
 */
export function placesOf(
  day: readonly Placed[],
  openBefore: ReadonlyMap<string, number>,
  { budget, perPerson }: QueueLimits,
): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>()
  const open = new Map(openBefore)
  const candidates = day.filter(({ place }) => place === 'queue' || place === 'below')
  const touched = candidates.filter(({ state, place }) => state !== 'new' && place === 'queue')
  let left = budget
  let integrity = touched.filter(({ kind }) => kind === 'integrity').length
  for (const finding of touched) {
    places.set(finding.id, { place: 'queue', reason: undefined })
    left--
    if (finding.kind === 'baseline' && finding.state !== 'closed') count(open, finding)
  }
  const fresh = candidates.filter(({ id }) => !places.has(id)).toSorted(byRank)
  const samples = fresh.filter(({ kind }) => kind === 'sample').slice(0, Math.ceil(budget * sampleShare))
  for (const finding of [...samples, ...fresh.filter(one => !samples.includes(one))]) {
    const place =
      finding.kind === 'integrity' && integrity >= maxIntegrity
        ? { place: 'below' as const, reason: 'Others of this kind are shown; they have one cause, mostly.' }
        : placeOf(finding, left, open, perPerson)
    places.set(finding.id, place)
    if (place.place === 'below') continue
    left--
    if (finding.kind === 'baseline') count(open, finding)
    if (finding.kind === 'integrity') integrity++
  }
  return places
}

function placeOf(finding: Placed, left: number, open: ReadonlyMap<string, number>, perPerson: number): Place {
  if (finding.kind === 'baseline' && (open.get(personOf(finding)) ?? 0) >= perPerson)
    return { place: 'below', reason: 'As many findings of baselines about this person are open as may be.' }
  if (finding.kind === 'rule' && !isAtLeast(finding.severity, 'medium'))
    return { place: 'below', reason: 'Of low severity, which is not in the day’s budget.' }
  if (left <= 0) return { place: 'below', reason: 'Past the budget of its day.' }
  return { place: 'queue', reason: undefined }
}

/** Severity, then how unusual, then the one that was noticed first: later ones do not push it out. */
function byRank(a: Placed, b: Placed): number {
  return (
    severityOrder.indexOf(b.severity) - severityOrder.indexOf(a.severity) ||
    (b.unusualness ?? 0) - (a.unusualness ?? 0) ||
    a.createdAtMs - b.createdAtMs ||
    (a.id < b.id ? -1 : 1)
  )
}

export function personOf({ issuer, subject }: Pick<FindingRow, 'issuer' | 'subject'>): string {
  return `${issuer}\n${subject}`
}

function count(open: Map<string, number>, finding: Placed): void {
  open.set(personOf(finding), (open.get(personOf(finding)) ?? 0) + 1)
}
