/**
 * Looks at sessions within the analyst's thread, and drafts findings: of rules as they are met, of baselines when a session is over. Profiles learn
 * what differs little; the rest is held back until a reviewer says that it was expected.
 */
import { createHash } from 'node:crypto'
import type { AnalysisConfig } from '../../config/config.ts'
import type { SessionObserver, WatchedSession } from '../analyst/session-observer.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { RuleAbout } from '../rules/rule.ts'
import { blocksOf, type Comparison, compareSession, draftOf } from './comparison.ts'
import type { FindingDraft } from './finding.ts'
import { type Held, type Known, ProfileKeeper } from './profile-keeper.ts'
import { type RuleBook, RuleFindings } from './rule-findings.ts'
import { SessionView } from './session-view.ts'
import { counted } from './words.ts'

export type ObserverOptions = {
  /** Of the configuration. */
  readonly analysis: AnalysisConfig
  /** Where profiles are kept. */
  readonly folder: string
}

const dayMs = 86_400_000
/** Sessions of one person within this time count as one sweep over targets. */
const sweepMs = 600_000
/** Profiles are written after so many sessions, or so long; a crash forgets what was learned in between. */
const saveSessions = 20
const saveMs = 300_000
/** Sessions that are held back, of all people; a reviewer looks at a finding within this time or not at all. */
const maxHeld = 500
const maxHeldEvents = 1000
const heldMs = 90 * dayMs
/** Sessions that are known to have been learned. */
const maxSeen = 50_000
/** A profile learns so many events of one session, and of one day so many or a tenth of what it knows: nobody teaches it much at once. */
const maxLearnedOfSession = 1000
const minLearnedOfDay = 2000
const maxShareOfDay = 0.1
/** Snapshots hold everybody's profiles: so many are made in so long. */
const maxSnapshotsInWindow = 10
const snapshotWindowMs = 300_000
/** Opened lately, of all people. */
const maxRecent = 10_000
/** A session that is open for longer is looked at before its end: once an hour, for as long as one may last (a week). */
const lookMs = 3_600_000
const maxLooks = 168
/** Most used commands that a person is told of. */
const maxMostUsed = 10
const notCompared = 'an encrypted session could not be compared'

/** What else hears of it: people of whom nothing is to stay, and what failed. */
type Hearers = {
  readonly onForget: (person: string) => void
  readonly onTrouble: (cause: unknown) => void
}
const nobody: Hearers = { onForget: () => {}, onTrouble: () => {} }

type Open = {
  readonly view: SessionView
  readonly rules: RuleFindings
  /** Hours after which it was looked at. */
  looks: number
}

export class FindingObserver implements SessionObserver {
  readonly #options: ObserverOptions
  readonly #hearers: Hearers
  readonly #book: RuleBook
  readonly #keeper: ProfileKeeper
  readonly #known: Known
  readonly #open = new Map<string, Open>()
  #recent: { readonly person: string; readonly target: string; readonly atMs: number }[] = []
  readonly #today = new Map<string, { readonly day: number; readonly left: number }>()
  #snapshotId: string | undefined
  #snapshotsMade: number[] = []
  #unsaved = 0
  #savedMs = performance.now()

  constructor(options: ObserverOptions, rules: readonly RuleAbout[], hearers: Partial<Hearers> = {}) {
    this.#options = options
    this.#hearers = { ...nobody, ...hearers }
    this.#book = bookOf(rules, options.analysis.off)
    this.#keeper = new ProfileKeeper(options.folder, this.#hearers.onTrouble)
    const { known, problem } = this.#keeper.load()
    this.#known = known
    if (problem !== undefined) this.#hearers.onTrouble(new Error(problem))
  }

  opened(session: WatchedSession, _isAgain: boolean): readonly FindingDraft[] {
    const view = new SessionView(session)
    this.#open.set(session.id, { view, rules: new RuleFindings(session.id, this.#book), looks: 0 })
    this.#compareSources(view)
    this.#countTargets(view)
    return []
  }

  began(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[] {
    return this.#open.get(entry.session)?.rules.take(entry, hits) ?? []
  }

  took(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[] {
    const open = this.#open.get(entry.session)
    if (open === undefined) return []
    open.view.take(entry)
    return [...open.rules.take(entry, hits), ...this.#look(open, entry)]
  }

  sealed(session: WatchedSession): readonly FindingDraft[] {
    const open = this.#open.get(session.id)
    this.#open.delete(session.id)
    if (open === undefined) return []
    return [...open.rules.all(), ...(this.#guard(session, () => this.#compare(open.view)) ?? [])]
  }

  /** What fails takes nothing else with it, least of all what rules have found. */
  #guard<T>({ isEncrypted = false }: WatchedSession, work: () => T): T | undefined {
    try {
      return work()
    } catch (cause) {
      this.#hearers.onTrouble(isEncrypted ? new Error(notCompared) : cause)
      return undefined
    }
  }

  dropped(session: string): void {
    this.#open.delete(session)
  }

  /** What waits to be taught or forgotten is done, and who was not seen for long is forgotten: here, and before a session is compared. */
  attend(nowMs: number): void {
    const wishes = this.#keeper.wishes()
    for (const { wish } of wishes) {
      if (wish.do === 'teach') this.#teach(wish.session)
      else this.#forget(wish.person)
    }
    if (wishes.length > 0) this.#save()
    this.#keeper.granted(wishes)
    const { profilesMs } = this.#options.analysis.retention
    for (const person of this.#known.habits.unseenSince(nowMs - profilesMs)) this.#forget(person)
    this.#saveIfDue()
  }

  #compare(view: SessionView): readonly FindingDraft[] {
    const config = this.#options.analysis.baselines
    const known = this.#known
    const { facts, events, session } = view
    this.#guard(session, () => this.attend(facts.endedAtMs))
    if (!config.enabled) return []
    if (known.seen.has(session.id)) return [] // analysed again: its finding, if any, is there
    note(known.seen, session.id, facts.endedAtMs, maxSeen)
    const compared = compareSession(facts, events, { ...known, config })
    const differs = compared.total >= config.score
    const draft = this.#draftOf(view, compared)
    if (differs) this.#hold({ session: session.id, atMs: facts.endedAtMs, facts, events })
    else this.#learn(facts.person, { facts, events })
    this.#unsaved++
    this.#guard(session, () => this.#saveIfDue())
    return draft === undefined ? [] : [draft]
  }

  /** Compares what there is of a session that goes on. Nothing is learned of it: that comes at its end. */
  #look(open: Open, { offsetMs }: Entry): readonly FindingDraft[] {
    const hours = Math.floor(offsetMs / lookMs)
    if (hours <= open.looks || open.looks >= maxLooks) return []
    open.looks = hours
    const { facts, events, session } = open.view
    const config = this.#options.analysis.baselines
    if (!config.enabled || this.#known.seen.has(session.id)) return []
    const compared = compareSession(facts, events, { ...this.#known, config })
    if (compared.total < config.score) return []
    const draft = this.#draftOf(open.view, compared, offsetMs)
    return draft === undefined ? [] : [draft]
  }

  #draftOf(view: SessionView, compared: Comparison, soFarMs?: number): FindingDraft | undefined {
    const config = this.#options.analysis.baselines
    const differs = compared.total >= config.score
    return draftOf(view.session.id, compared, view.facts, {
      config,
      versions: { ...this.#book.versions, profile: differs ? this.#snapshot() : 'none' },
      quality: qualityOf(view, this.#known),
      ...(soFarMs === undefined ? {} : { soFarMs }),
    })
  }

  /** The state that a finding was made with; the same one as long as nothing is learned. */
  #snapshot(): string {
    const nowMs = performance.now()
    if (this.#snapshotId !== undefined) return this.#snapshotId
    this.#snapshotsMade = this.#snapshotsMade.filter(ms => ms > nowMs - snapshotWindowMs)
    if (this.#snapshotsMade.length >= maxSnapshotsInWindow) return 'none: too many in a short time'
    this.#snapshotsMade.push(nowMs)
    this.#snapshotId = this.#keeper.snapshot(this.#known)
    return this.#snapshotId
  }

  /** Blocks that differ much are left out by the profile itself; a session adds no more than so much. */
  #learn(person: string, { facts, events }: Pick<Held, 'facts' | 'events'>): void {
    this.#snapshotId = undefined
    this.#known.habits.learn(facts)
    let left = this.#leftToday(person, facts.endedAtMs)
    for (const block of blocksOf(events.slice(0, maxLearnedOfSession))) {
      const { learned, events: count } = this.#known.baseline.follow(person, block, left > 0)
      if (learned) left -= count
    }
    this.#today.set(person, { day: dayOf(facts.endedAtMs), left })
    this.#tell(person)
  }

  /** What a profile may still learn on that day: a tenth of what it knows, or what a new one needs. */
  #leftToday(person: string, atMs: number): number {
    const today = this.#today.get(person)
    if (today?.day === dayOf(atMs)) return today.left
    return Math.max(minLearnedOfDay, this.#known.baseline.eventsOf(person) * maxShareOfDay)
  }

  #hold(held: Held): void {
    const { held: all } = this.#known
    all.set(held.session, { ...held, events: held.events.slice(0, maxHeldEvents) })
    for (const [session, { atMs }] of all) {
      if (all.size <= maxHeld && atMs > held.atMs - heldMs) break
      all.delete(session)
    }
  }

  #teach(session: string): void {
    const held = this.#known.held.get(session)
    if (held === undefined) return
    this.#snapshotId = undefined
    this.#known.held.delete(session)
    this.#known.habits.learn(held.facts)
    for (const block of blocksOf(held.events)) this.#known.baseline.teach(held.facts.person, block)
    this.#tell(held.facts.person)
  }

  #forget(person: string): void {
    this.#snapshotId = undefined
    this.#known.habits.forget(person)
    this.#known.baseline.forget(person)
    for (const [session, { facts }] of this.#known.held)
      if (facts.person === person) this.#known.held.delete(session)
    this.#keeper.drop(person)
    this.#hearers.onForget(person)
  }

  #tell(person: string): void {
    const { habits, baseline } = this.#known
    const used = baseline.mostUsed(person, maxMostUsed).map(({ text, times }) => `${text} (${times})`)
    this.#keeper.tell(person, {
      events: baseline.eventsOf(person),
      sinceMs: habits.sessionsOf(person)?.firstMs ?? 0,
      text: [...habits.inWords(person), ...(used.length === 0 ? [] : [`Most used: ${used.join(', ')}.`])],
    })
  }

  #compareSources(view: SessionView): void {
    for (const { view: other } of this.#open.values()) {
      if (other.person !== view.person || other.source === view.source) continue
      other.hasTwoSources = true
      view.hasTwoSources = true
    }
  }

  #countTargets(view: SessionView): void {
    const { openedAtMs: atMs, target } = view.session
    this.#recent = this.#recent.filter(one => one.atMs > atMs - sweepMs).slice(-maxRecent)
    this.#recent.push({ person: view.person, target, atMs })
    const theirs = this.#recent.filter(({ person, atMs: at }) => person === view.person && at <= atMs)
    view.targets = new Set(theirs.map(one => one.target)).size
  }

  #saveIfDue(): void {
    const nowMs = performance.now()
    if (this.#unsaved === 0) return
    if (this.#unsaved >= saveSessions || nowMs - this.#savedMs >= saveMs) this.#save()
  }

  #save(): void {
    this.#keeper.save(this.#known)
    this.#unsaved = 0
    this.#savedMs = performance.now()
  }
}

function bookOf(rules: readonly RuleAbout[], off: readonly string[]): RuleBook {
  const byId = new Map(rules.map(rule => [rule.id, rule]))
  const digest = createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 16)
  return { about: id => byId.get(id), off: new Set(off), versions: { rules: digest } }
}

function qualityOf({ inferred, events }: SessionView, { habits }: Known): string[] {
  const person = events[0]?.principal
  const known = person === undefined ? undefined : habits.sessionsOf(person)
  return [
    ...(known === undefined
      ? ['Nothing is known of this person yet: the session is compared with those of peers alone.']
      : [
          `${counted(known.sessions, 'session')} of this person since ${new Date(known.firstMs).toISOString().slice(0, 10)}.`,
        ]),
    ...(inferred === undefined || inferred.inferred === 0
      ? []
      : [`${inferred.inferred} of ${counted(inferred.of, 'command')} were read off the screen.`]),
  ]
}

function dayOf(ms: number): number {
  return Math.floor(ms / dayMs)
}

function note(seen: Map<string, number>, id: string, atMs: number, most: number): void {
  seen.set(id, atMs)
  for (const oldest of seen.keys()) {
    if (seen.size <= most) break
    seen.delete(oldest)
  }
}
