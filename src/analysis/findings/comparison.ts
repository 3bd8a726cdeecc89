/** Compares a session with what is usual, and makes a finding of it if it differs enough. Commands, statements and habits add up in nats. */
import type { AnalysisConfig, SignalName } from '../../config/config.ts'
import { type Baseline, type ScoredBlock, scoringVersion } from '../baseline/baseline.ts'
import type { ActivityEvent } from '../baseline/event.ts'
import type { SessionFacts } from '../baseline/habit.ts'
import type { HabitTerm } from '../baseline/habit-terms.ts'
import type { Habits } from '../baseline/habits.ts'
import type { Term } from '../baseline/explain.ts'
import type { FindingDraft, Reason } from './finding.ts'
import { counted, lasting, minPeople, people, times } from './words.ts'

/** Events that are scored together, and fewer than which say nothing. */
const blockEvents = 100
const minBlockEvents = 10
/** A block scores 0 when it is as much like others as like the person, after one that was usual; from here on it adds. */
const freeScore = -2
const maxDriftNats = 6
const maxHourNats = 1.5
/** Reasons that are told; the others add little. */
const maxReasons = 8

type Compared = HabitTerm

export type Comparison = {
  /** In nats; higher differs more. */
  readonly total: number
  readonly terms: readonly Compared[]
  /** Events that the person's profile held before. */
  readonly profileEvents: number
}

/** Scores a session before anything of it is learned; the same state gives the same result again. */
export function compareSession(
  facts: SessionFacts,
  events: readonly ActivityEvent[],
  { baseline, habits, config }: { baseline: Baseline; habits: Habits; config: AnalysisConfig['baselines'] },
): Comparison {
  const profileEvents = baseline.eventsOf(facts.person)
  const terms = [...habits.compare(facts)]
  const blocks = baseline.assess(facts.person, [...blocksOf(events)])
  if (profileEvents >= config.profile) terms.push(...driftTerms(blocks))
  terms.push(...hourTerms(blocks))
  const counted = terms.filter(({ signal, nats }) => nats > 0 && !config.off.includes(signal))
  return {
    total: counted.reduce((sum, { nats }) => sum + nats, 0),
    terms: counted.toSorted((a, b) => b.nats - a.nats),
    profileEvents,
  }
}

/** What is left of a session goes with its last block, if there is one. */
export function* blocksOf(events: readonly ActivityEvent[]): Generator<readonly ActivityEvent[]> {
  for (let at = 0; at < events.length; at += blockEvents) {
    const left = events.length - at
    if (left < minBlockEvents) return
    yield events.slice(at, at + blockEvents)
  }
}

function driftTerms(blocks: readonly ScoredBlock[]): readonly Compared[] {
  const [most] = blocks
    .map(block => ({ block, nats: Math.min(maxDriftNats, beyondTokens(block) - freeScore) }))
    .toSorted((a, b) => b.nats - a.nats)
  if (most === undefined || most.nats <= 0) return []
  const { block, nats } = most
  const tokens = block.terms.filter(({ value }) => value !== undefined)
  return [
    {
      signal: 'drift',
      nats,
      observed: `${counted(block.events, 'command or statement', 'commands and statements')} differ from this person’s history and are more like those of others${tokens.length === 0 ? '' : `: ${tokens.map(tokenText).join(', ')}`}`,
      own: `${counted(block.profileEvents, 'command or statement', 'commands and statements')} to compare with`,
      ...(tokens[0]?.peers === undefined ? {} : { everybody: peersText(tokens[0]) }),
    },
  ]
}

/** The score without what habits say, too. */
function beyondTokens({ score, terms }: ScoredBlock): number {
  const told = terms.filter(({ signal }) => signal === 'hour' || signal === 'target')
  return score - told.reduce((sum, { nats }) => sum + nats, 0)
}

/** Longest word of a command line that is quoted in a sentence. */
const maxTokenLength = 60

function tokenText({ value = '', observed = 0, own }: Term): string {
  const cut = value.length > maxTokenLength ? `${value.slice(0, maxTokenLength)}…` : value
  const seen = own === undefined ? '' : `, ${times(own.seen)} before`
  return `\`${cut}\` (${times(observed)}${seen})`
}

function peersText({ value = '', peers }: Term): string {
  if (peers === undefined) return ''
  const some =
    peers.people === '<5' ? `fewer than ${minPeople} of ${peers.of} people` : people(peers.people, peers.of)
  return `\`${value.slice(0, maxTokenLength)}\` is used by ${some}`
}

function hourTerms(blocks: readonly ScoredBlock[]): readonly Compared[] {
  const [most] = blocks
    .flatMap(({ terms, fromMs }) =>
      terms.flatMap(({ signal, nats }) => (signal === 'hour' ? { nats, fromMs } : [])),
    )
    .toSorted((a, b) => b.nats - a.nats)
  if (most === undefined) return []
  const observed = `an hour at which this person is seldom active: ${hourOfWeek(most.fromMs)}`
  return [{ signal: 'hour', nats: Math.min(maxHourNats, most.nats), observed }]
}

/** "Sunday, 03:00 UTC". */
function hourOfWeek(ms: number): string {
  const date = new Date(ms)
  const day = date.toLocaleDateString('en-US', { weekday: 'long', timeZone: 'UTC' })
  return `${day}, ${String(date.getUTCHours()).padStart(2, '0')}:00 UTC`
}

/** What else there is to say of a comparison. */
type Circumstances = {
  readonly config: AnalysisConfig['baselines']
  readonly versions: Readonly<Record<string, string>>
  readonly quality: readonly string[]
  /** Since its opening, of a session that goes on. */
  readonly soFarMs?: number
}

/** Undefined if it does not differ enough. */
export function draftOf(
  session: string,
  comparison: Comparison,
  facts: SessionFacts,
  circumstances: Circumstances,
): FindingDraft | undefined {
  const { total, terms } = comparison
  const { config } = circumstances
  const [top] = terms
  if (top === undefined || total < config.score) return undefined
  return {
    session,
    group: 'baseline',
    kind: 'baseline',
    severity: config.severity[top.signal],
    unusualness: Math.round(total * 100) / 100,
    rules: [],
    atMs: facts.openedAtMs,
    body: bodyOf(comparison, circumstances),
  }
}

function bodyOf(comparison: Comparison, circumstances: Circumstances): FindingDraft['body'] {
  const { soFarMs, versions } = circumstances
  const told = comparison.terms.slice(0, maxReasons)
  return {
    sentence: `${soFarMs === undefined ? '' : `In its first ${lasting(soFarMs)}: `}${sentenceOf(comparison.terms)}`,
    why: told.map(reasonOf),
    quotes: [],
    techniques: [],
    benign: [...new Set(told.flatMap(({ signal }) => harmless[signal]))],
    quality: qualityOf(comparison, circumstances),
    versions: { baseline: String(scoringVersion), ...versions },
  }
}

function qualityOf({ profileEvents }: Comparison, { quality, soFarMs }: Circumstances): readonly string[] {
  const known = counted(profileEvents, 'command or statement', 'commands and statements')
  return [
    ...(profileEvents === 0 ? [] : [`Known of this person: ${known}.`]),
    ...quality,
    ...(soFarMs === undefined
      ? []
      : ['Looked at while the session was open. At its end it is compared again, as a whole.']),
    'A difference is no proof of anything; people change what they do for many good reasons.',
  ]
}

function sentenceOf(terms: readonly Compared[]): string {
  const [top, ...others] = terms
  const observed = top?.observed ?? 'something differs from what is usual'
  const more = others.length === 0 ? '' : `, and ${counted(others.length, 'difference')} besides`
  return `${observed.slice(0, 1).toUpperCase()}${observed.slice(1)}${more}.`
}

function reasonOf({ nats, observed, own, peers, everybody }: Compared): Reason {
  return {
    observed,
    ...(own === undefined ? {} : { own }),
    ...(peers === undefined ? {} : { peers }),
    ...(everybody === undefined ? {} : { everybody }),
    adds: Math.round(nats * 100) / 100,
  }
}

/** What to check before anything else. */
export const harmless: Readonly<Record<SignalName, readonly string[]>> = {
  'first-access': [
    'a new task or a new role',
    'a colleague’s work while they are away',
    'a target that is new',
  ],
  dormancy: ['work that comes once in a quarter or a year', 'a return from leave'],
  hour: ['on-call duty', 'a release window', 'travel to another time zone'],
  volume: ['a report or an export that was asked for', 'a migration or a backup', 'a table that has grown'],
  breadth: [
    'a survey of all machines',
    'a schema that is being learned or compared',
    'a tool that lists everything',
  ],
  'two-sources': ['a VPN beside the office network', 'a session left open elsewhere', 'a jump host'],
  drift: ['a new task or tool', 'an incident', 'instructions that somebody else wrote'],
  reviewing: ['an audit', 'an incident', 'a reviewer who stands in for another'],
}
