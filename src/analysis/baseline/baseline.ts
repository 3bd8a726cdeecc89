/**
 * Baselines of people: each block of a person's events is measured against what they and their peers did before, scored, and
 * learned only if it is not too unusual. All of it is causal: nothing later than a block has a part in its score.
 *
 * A score says how a block differs from a history. It says nothing of anybody's purpose.
 */
import { Block } from './block.ts'
import { BlockCounter } from './block-counter.ts'
import type { ActivityEvent } from './event.ts'
import { explain, type Term } from './explain.ts'
import { learnLevels, measure, type Measured } from './features.ts'
import { Hours, type HoursState } from './hours.ts'
import { logOdds } from './logistic.ts'
import { OpenBlock } from './open-block.ts'
import { Persistence } from './persistence.ts'
import { Peers, Population, type PopulationState } from './population.ts'
import { Profile, type ProfileState } from './profile.ts'
import { Surrogates, type SurrogatesState } from './surrogates.ts'
import { type RememberedTexts, TokenReader } from './token-reader.ts'

/** Scores of different versions are not compared. */
export const scoringVersion = 1

/** Blocks with higher log odds are not learned: whoever wanted to teach a profile would have to stay below. */
const gateNats = 1.5
/** A new person's first events are learned whatever they look like: there is nothing yet to compare with but their peers. */
const coldEvents = 1000
/** With so many events a profile counts half. */
const halfTrustEvents = 200
/** Before that, a profile is too thin to be a stand-in for anybody. */
const minSurrogateEvents = 500
/** Of each block of a person, so many others are measured against their profile. */
const surrogatesOfBlock = 2
/** ... as long as there are few of those; later of one block in so many, which is most of what a block costs. */
const enoughSurrogates = 1000
const surrogatesOfEvery = 4
/** A first visit to a target counts for this at most, and for less with people who often go to new ones. */
const maxTargetNats = 2

export type ScoredBlock = {
  readonly principal: string
  /** Counted from 0 for each person. */
  readonly block: number
  readonly events: number
  readonly fromMs: number
  readonly toMs: number
  /** Log odds, higher is more unusual; 0 is as much like the person as like somebody else. */
  readonly score: number
  /** What adds most to it, largest first. */
  readonly terms: readonly Term[]
  /** Events that the person's profile held before. */
  readonly profileEvents: number
  /** Whether the profile learned from it. */
  readonly learned: boolean
  readonly version: typeof scoringVersion
}

type Person = {
  readonly profile: Profile
  readonly hours: Hours
  readonly targets: Set<string>
  readonly persistence: Persistence
  readonly open: OpenBlock
  blocks: number
  newTargets: number
  /** The last block that was learned: it stands in for a stranger with others. */
  last: Block | undefined
}

type Trust = 'none yet' | 'now' | 'before'

type PersonState = {
  readonly name: string
  readonly profile: ProfileState
  readonly hours: HoursState
  readonly targets: readonly string[]
  readonly persistence: number
  readonly blocks: number
  readonly newTargets: number
}

type Judged = {
  readonly score: number
  readonly terms: () => readonly Term[]
  readonly profileEvents: number
  readonly mayLearn: boolean
  readonly odds: number
  readonly block: Block
  readonly measured: Measured
}

function newPerson(): Person {
  return {
    profile: new Profile(),
    hours: new Hours(),
    targets: new Set(),
    persistence: new Persistence(),
    open: new OpenBlock(),
    blocks: 0,
    newTargets: 0,
    last: undefined,
  }
}

/** What a baseline knows, as JSON. */
export type BaselineState = {
  readonly version: typeof scoringVersion
  readonly texts: readonly string[]
  readonly population: PopulationState
  readonly everybodysHours: HoursState
  readonly surrogates: SurrogatesState
  readonly trust: Trust
  readonly random: number
  readonly people: readonly PersonState[]
}

function stateOf(
  name: string,
  { profile, hours, targets, persistence, blocks, newTargets }: Person,
): PersonState {
  return {
    name,
    profile: profile.state,
    hours: hours.state,
    targets: [...targets],
    persistence: persistence.state,
    blocks,
    newTargets,
  }
}

export type BaselineOptions = {
  /** Events of a block. */
  readonly blockEvents: number
  /** For tests: scores are the same whatever is remembered. */
  readonly remembered?: RememberedTexts
}

export class Baseline {
  readonly #options: BaselineOptions
  readonly #reader: TokenReader
  readonly #counter = new BlockCounter()
  readonly #population: Population
  readonly #everybodysHours: Hours
  readonly #surrogates: Surrogates
  readonly #people = new Map<string, Person>()
  readonly #names: string[] = []
  /** Once some history was taken for people's own, only that teaches how much a feature says: what is learned later was chosen. */
  #trust: Trust
  /** Chooses stand-ins; the same history gives the same scores. */
  #random: number

  /** `state`: goes on where another one was. */
  constructor(options: BaselineOptions, state?: BaselineState) {
    this.#options = options
    this.#reader = new TokenReader(state?.texts, options.remembered)
    this.#population = new Population(state?.population)
    this.#everybodysHours = new Hours(state?.everybodysHours)
    this.#surrogates = new Surrogates(state?.surrogates)
    this.#trust = state?.trust ?? 'none yet'
    this.#random = state?.random ?? 1
    for (const person of state?.people ?? []) this.#restore(person)
  }

  /** All that is known, as JSON; but what is in blocks that are not full, and who stands in for strangers next. */
  get state(): BaselineState {
    return {
      version: scoringVersion,
      texts: this.#reader.dictionary.texts,
      population: this.#population.state,
      everybodysHours: this.#everybodysHours.state,
      surrogates: this.#surrogates.state,
      trust: this.#trust,
      random: this.#random,
      people: [...this.#people].map(([name, person]) => stateOf(name, person)),
    }
  }

  /** How many events of a person it has learned. */
  eventsOf(principal: string): number {
    return this.#people.get(principal)?.profile.events ?? 0
  }

  /** What a person does most, in words of the dictionary; for themselves. */
  mostUsed(principal: string, limit: number): readonly { readonly text: string; readonly times: number }[] {
    const counts = this.#people.get(principal)?.profile.slow.command.counts ?? []
    return [...counts]
      .toSorted((a, b) => b[1] - a[1])
      .slice(0, limit)
      .map(([token, times]) => ({ text: this.#reader.dictionary.textOf(token), times }))
  }

  /** Scores blocks of one session, each as if it were the next. Learns nothing, so that the same state gives the same scores again. */
  assess(principal: string, blocks: readonly (readonly ActivityEvent[])[]): readonly ScoredBlock[] {
    const person = this.#people.get(principal) ?? newPerson()
    const opened = blocks.map(events => this.#blockOf(person, events)) // all tokens have their numbers before the first is measured
    return opened.map(open => {
      const judged = this.#judge(person, open, false)
      return scoredOf(principal, person.blocks, open, judged, judged.mayLearn)
    })
  }

  /** Takes a block of one session as the next one; learned only if `mayLearn`, and if it does not differ too much. */
  follow(principal: string, events: readonly ActivityEvent[], mayLearn: boolean): ScoredBlock {
    const person = this.#personOf(principal)
    return this.#complete(principal, person, this.#blockOf(person, events), false, mayLearn)
  }

  /** Learns events whatever they look like: somebody said that they were expected. */
  teach(principal: string, events: readonly ActivityEvent[]): void {
    if (events.length === 0) return
    const person = this.#personOf(principal)
    const open = this.#blockOf(person, events)
    const block = this.#counter.count(open.texts, open.size)
    const peers = new Peers(this.#population, person.profile)
    const measured = measure(block, person.profile, peers, { vocabulary: this.#reader.dictionary.size })
    this.#learn(person, block, open, measured)
  }

  /** Nothing of the person is left but what their hours added to everybody's. False if nobody of that name is known. */
  forget(principal: string): boolean {
    const person = this.#people.get(principal)
    if (person === undefined) return false
    this.#population.forget(person.profile)
    this.#people.delete(principal)
    this.#names.splice(this.#names.indexOf(principal), 1)
    return true
  }

  #blockOf(person: Person, events: readonly ActivityEvent[]): OpenBlock {
    const open = new OpenBlock()
    for (const event of events) open.add(event, this.#reader.read(event), person.targets)
    return open
  }

  #restore({ name, profile, hours, targets, persistence, blocks, newTargets }: PersonState): void {
    this.#names.push(name)
    this.#people.set(name, {
      profile: new Profile(profile),
      hours: new Hours(hours),
      targets: new Set(targets),
      persistence: new Persistence(persistence),
      open: new OpenBlock(),
      blocks,
      newTargets,
      last: undefined,
    })
  }

  /**
   * Adds an event; events come in order of time. Answers when it completes a block. While `isTraining`, blocks are learned
   * whatever they look like: that history is taken for the person's own.
   */
  observe(event: ActivityEvent, isTraining: boolean): ScoredBlock | undefined {
    const person = this.#personOf(event.principal)
    person.open.add(event, this.#reader.read(event), person.targets)
    return person.open.size < this.#options.blockEvents
      ? undefined
      : this.#complete(event.principal, person, person.open, isTraining)
  }

  /** What is left in blocks that were not filled. */
  *rest(isTraining: boolean): Generator<ScoredBlock> {
    for (const [principal, person] of this.#people)
      if (person.open.size > 0) yield this.#complete(principal, person, person.open, isTraining)
  }

  #personOf(principal: string): Person {
    const known = this.#people.get(principal)
    if (known !== undefined) return known
    const person = newPerson()
    this.#people.set(principal, person)
    this.#names.push(principal)
    return person
  }

  #complete(
    principal: string,
    person: Person,
    open: OpenBlock,
    isTraining: boolean,
    mayLearn = true,
  ): ScoredBlock {
    this.#follow(isTraining)
    const judged = this.#judge(person, open, isTraining)
    const { odds, block, measured } = judged
    const number = person.blocks++
    if (!isTraining) person.persistence.follow(odds)
    const isLearned = mayLearn && judged.mayLearn
    if (this.#trust !== 'before') this.#addSurrogates(person, measured, isLearned)
    if (isLearned) this.#learn(person, block, open, measured)
    const scored = scoredOf(principal, number, open, judged, isLearned)
    open.clear()
    return scored
  }

  /** Changes nothing. */
  #judge(person: Person, open: OpenBlock, isTraining: boolean): Judged {
    const block = this.#counter.count(open.texts, open.size)
    const peers = new Peers(this.#population, person.profile)
    const { model, slopes } = this.#surrogates
    const { dictionary } = this.#reader
    const own = person.profile
    const measured = measure(block, own, peers, { vocabulary: dictionary.size, slopes })
    const known = own.events
    const odds = (logOdds(model, measured.features) * known) / (known + halfTrustEvents)
    const extra = { ...this.#beyondTokens(person, open), persistence: person.persistence.prior }
    return {
      score: (isTraining ? odds : person.persistence.after(odds)) + extra.hours + extra.target,
      terms: explain({ measured, model, block, own, peers, extra, fromMs: open.fromMs, dictionary }),
      profileEvents: known,
      mayLearn: isTraining || odds <= gateNats || known < coldEvents,
      odds,
      block,
      measured,
    }
  }

  #follow(isTraining: boolean): void {
    if (isTraining) this.#trust = 'now'
    else if (this.#trust === 'now') {
      this.#surrogates.learn(true)
      this.#trust = 'before'
    }
    if (this.#trust !== 'before') this.#surrogates.learn()
  }

  #beyondTokens(person: Person, { hours, newTargets }: OpenBlock): { hours: number; target: number } {
    const isNewTarget = person.targets.size > 0 && newTargets.some(target => !person.targets.has(target))
    const surprise = Math.log((person.blocks + 1) / (person.newTargets + 1))
    return {
      hours: person.hours.unusual(hours, this.#everybodysHours),
      target: isNewTarget ? Math.min(maxTargetNats, surprise) : 0,
    }
  }

  #learn(person: Person, block: Block, { newTargets, hours }: OpenBlock, { features }: Measured): void {
    this.#population.learn(block, person.profile)
    learnLevels(person.profile, features)
    person.profile.learn(block)
    person.last ??= new Block()
    person.last.become(block)
    for (const target of newTargets) {
      if (person.targets.has(target)) continue
      person.newTargets += person.targets.size > 0 ? 1 : 0
      person.targets.add(target)
    }
    for (const run of hours) {
      person.hours.add(run)
      this.#everybodysHours.add(run)
    }
  }

  #addSurrogates(person: Person, measured: Measured, isLearned: boolean): void {
    if (person.profile.events < minSurrogateEvents) return
    if (isLearned) this.#surrogates.add('own', measured.features)
    if (this.#surrogates.strangers >= enoughSurrogates && person.blocks % surrogatesOfEvery !== 0) return
    for (let count = 0; count < surrogatesOfBlock; count++) {
      const other = this.#people.get(this.#names[this.#next(this.#names.length)] ?? '')
      if (other?.last === undefined || other === person) continue
      const { profile, last } = other
      const peers = new Peers(this.#population, person.profile, { profile, last })
      const foreign = measure(last, person.profile, peers, { vocabulary: this.#reader.dictionary.size })
      this.#surrogates.add('foreign', foreign.features)
    }
  }

  /** A linear congruential generator; nothing depends on its quality. */
  #next(limit: number): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (this.#random >>> 8) % limit
  }
}

function scoredOf(
  principal: string,
  block: number,
  { size, fromMs, toMs }: OpenBlock,
  { score, terms, profileEvents }: Judged,
  learned: boolean,
): ScoredBlock {
  return {
    principal,
    block,
    events: size,
    fromMs,
    toMs,
    score,
    get terms() {
      return terms()
    },
    profileEvents,
    learned,
    version: scoringVersion,
  }
}
