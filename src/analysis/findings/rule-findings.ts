/** Hits of rules become findings: one for each session and group of rules, however often a rule is met. */
import type { Severity } from '../../model.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { RuleAbout } from '../rules/rule.ts'
import { techniqueName } from './attack-names.ts'
import { type FindingDraft, type Quote, severityOrder } from './finding.ts'
import { clockTime, counted } from './words.ts'

/** Quotes of one finding; more do not help whoever decides. */
const maxQuotes = 10
/** Findings of one session; a session that meets more kinds of rules shows in these. */
const maxGroups = 100
/** Hits of one session that are told apart; later ones are counted as they come. */
const maxHits = 20_000
/** In UTF-16 units. */
const maxQuoteLength = 500

/** A note that stands with every technique. */
export const techniqueNote = 'ATT&CK ids name the pattern of an action. They are no statement on its purpose.'

export type RuleBook = {
  readonly about: (id: string) => RuleAbout | undefined
  /** Rules that make no findings. */
  readonly off: ReadonlySet<string>
  /** Which rules were in force. */
  readonly versions: Readonly<Record<string, string>>
}

type Group = {
  readonly rules: Map<string, { severity: Severity; readonly technique: readonly string[] }>
  readonly quotes: Quote[]
  hits: number
  inferred: number
  refused: number
  leastSure: number
  firstMs: number
  firstOffsetMs: number
  severity: Severity
  /** The next draft is due at so many hits. */
  due: number
}

/** Variants of a rule (`SSH-25b`) belong to its group. */
export function groupOf(rule: string): string {
  return rule.replace(/^([A-Z]+-\d+)[a-z]$/, '$1')
}

/** Of one session. */
export class RuleFindings {
  readonly #session: string
  readonly #book: RuleBook
  readonly #groups = new Map<string, Group>()
  readonly #seen = new Set<string>()

  constructor(session: string, book: RuleBook) {
    this.#session = session
    this.#book = book
  }

  /** Drafts of what is new or has become worse; a rule that is met again and again is told of ever more seldom. */
  take(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[] {
    const changed = new Set<string>()
    for (const hit of hits) {
      if (hit.severity === 'info' || this.#book.off.has(hit.rule)) continue
      const key = `${hit.entry} ${hit.rule}`
      if (this.#seen.has(key)) continue
      if (this.#seen.size < maxHits) this.#seen.add(key)
      const name = groupOf(hit.rule)
      if (this.#add(name, entry, hit)) changed.add(name)
    }
    return [...changed].flatMap(name => this.#draft(name))
  }

  /** As they are at the end. */
  all(): readonly FindingDraft[] {
    return [...this.#groups.keys()].flatMap(name => this.#draft(name))
  }

  #add(name: string, entry: Entry, hit: EntryHit): boolean {
    const known = this.#groups.get(name)
    if (known === undefined && this.#groups.size >= maxGroups) return false
    const group = known ?? newGroup(hit)
    this.#groups.set(name, group)
    group.hits++
    const isNewRule = !group.rules.has(hit.rule)
    const isWorse = severityOrder.indexOf(hit.severity) > severityOrder.indexOf(group.severity)
    group.rules.set(hit.rule, { severity: hit.severity, technique: hit.technique })
    if (isWorse) group.severity = hit.severity
    const sure = entry.command?.sure ?? 1
    if (entry.command !== undefined && entry.command.found !== 'exec') group.inferred++
    if ((entry.command?.blocked ?? entry.statement?.blocked) !== undefined) group.refused++
    group.leastSure = Math.min(group.leastSure, sure)
    if (group.quotes.length < maxQuotes) group.quotes.push(quoteOf(hit))
    const isDue = group.hits >= group.due
    if (isDue) group.due = group.hits < maxQuotes ? group.hits + 1 : group.hits * 2
    return isDue || isNewRule || isWorse
  }

  #draft(name: string): FindingDraft[] {
    const group = this.#groups.get(name)
    if (group === undefined) return []
    const rules = [...group.rules.keys()].toSorted()
    const abouts = rules.flatMap(id => this.#book.about(id) ?? [])
    const main = abouts.find(({ severity }) => severity === group.severity) ?? abouts[0]
    const techniques = [
      ...new Set([...group.rules.values()].flatMap(({ technique }) => technique)),
    ].toSorted()
    return [
      {
        session: this.#session,
        group: name,
        kind: 'rule',
        severity: group.severity,
        rules,
        atMs: group.firstMs,
        body: {
          sentence: sentenceOf(main?.title ?? `Rule ${rules[0] ?? name} was met`, group),
          why: rules.map(id => ({
            observed: this.#book.about(id)?.says ?? `Rule ${id} was met.`,
            ...placeOf(group.quotes[0]),
          })),
          quotes: [...group.quotes],
          techniques: techniques.map(id => ({ id, name: techniqueName(id) })),
          benign: [...new Set(abouts.flatMap(({ check }) => check))],
          quality: qualityOf(group, techniques.length > 0),
          versions: this.#book.versions,
        },
      },
    ]
  }
}

function newGroup(hit: EntryHit): Group {
  return {
    rules: new Map(),
    quotes: [],
    hits: 0,
    inferred: 0,
    refused: 0,
    leastSure: 1,
    firstMs: hit.atMs,
    firstOffsetMs: hit.offsetMs,
    severity: hit.severity,
    due: 1,
  }
}

function quoteOf({ entry, offsetMs, quote }: EntryHit): Quote {
  const text = quote.length > maxQuoteLength ? `${quote.slice(0, maxQuoteLength)}…` : quote
  return { entry, offsetMs, text }
}

function placeOf(quote: Quote | undefined): { entry?: number; offsetMs?: number } {
  return quote === undefined ? {} : { entry: quote.entry, offsetMs: quote.offsetMs }
}

function sentenceOf(title: string, { hits, firstOffsetMs }: Group): string {
  const after = clockTime(firstOffsetMs)
  return hits === 1
    ? `${title}: seen once in this session, ${after} after its start.`
    : `${title}: seen ${counted(hits, 'time')} in this session, first ${after} after its start.`
}

function qualityOf({ hits, inferred, refused, leastSure }: Group, hasTechniques: boolean): string[] {
  const exact = hits - inferred
  return [
    ...(exact > 0 ? [`${counted(exact, 'line')} as the client sent it: exact.`] : []),
    ...(inferred > 0
      ? [
          `${counted(inferred, 'line')} read off the screen, at least ${Math.round(leastSure * 100)} % sure. The recording shows what really happened.`,
        ]
      : []),
    ...(refused > 0 ? [`${counted(refused, 'line')} refused by the gateway: never reached the target.`] : []),
    ...(hasTechniques ? [techniqueNote] : []),
  ]
}
