/**
 * Prepared statements and portals by name, as the server has them. A name means what the last ParseComplete (or PREPARE) for it said, by
 * generation: a Parse that fails changes nothing. Statements are not transactional, portals are. What was sent and not yet answered is
 * assumed to succeed, and said to be assumed where it matters.
 */
import type { SqlEvent } from '../../recorder/sql-event.ts'
import { textOfName } from '../wire/body-reader.ts'
import type { NameEffect } from './name-effects.ts'
import { type Execution, NameEvents } from './name-events.ts'
import { declared, type MadeBy, madeBySql, type Portal, type Prepared } from './prepared.ts'
import type { Shape } from './shapes.ts'
import type { Arguments, StatementText } from './statement-text.ts'

/** What a Parse says besides its text, and who wants to know. */
export type AboutParse = {
  readonly types: readonly number[]
  readonly judged: unknown
  readonly said: (statement: number) => void
}

const noEffects: readonly NameEffect[] = []

export class SessionNames {
  /** What was told of them. */
  readonly events: NameEvents
  readonly #tell: (event: SqlEvent) => void
  readonly #statements = new Map<string, Prepared>()
  readonly #portals = new Map<string, Portal>()
  /** Sent and not answered, in the order of sending. */
  readonly #parsing = new Map<string, Prepared[]>()
  readonly #binding = new Map<string, Portal[]>()
  #segment = 0

  constructor(tell: (event: SqlEvent) => void, nextNumber: () => number) {
    this.#tell = tell
    this.events = new NameEvents(tell, nextNumber)
  }

  get size(): number {
    return Math.max(this.#statements.size + this.#parsing.size, this.#portals.size + this.#binding.size)
  }

  /** A Sync was sent: what comes after it runs even if something before it fails. */
  nextSegment(): void {
    this.#segment++
  }

  // ── Sent ──────────────────────────────────────────────────────────────────────────────────────────────────────

  parse(name: string, text: StatementText, { types, judged, said }: AboutParse): Prepared {
    const prepared: Prepared = {
      name,
      text,
      effects: text.effects,
      types,
      shape: undefined,
      statement: undefined,
      textAt: undefined,
      judged,
      isDoubted: false,
      said,
      segment: this.#segment,
    }
    append(this.#parsing, name, prepared)
    this.events.sentParse(prepared)
    return prepared
  }

  bind(name: string, statementName: string, values: Arguments, resultFormats: readonly number[]): Portal {
    const { prepared, orElse } = this.#assume(statementName)
    const portal: Portal = {
      name,
      statementName,
      prepared,
      orElse,
      values,
      resultFormats,
      shape: undefined,
      toldAt: undefined,
      segment: this.#segment,
      holds: false,
    }
    append(this.#binding, name, portal)
    this.events.sentBind(portal)
    return portal
  }

  /** What a name will mean when the server gets there; `orElse` if that hangs on a Parse whose failure would not stop it. */
  #assume(name: string): { prepared: Prepared | undefined; orElse: Prepared | undefined } {
    const parsing = this.#parsing.get(name)
    const confirmed = this.#statements.get(name)
    const last = parsing?.at(-1)
    if (parsing === undefined || last === undefined) return { prepared: confirmed, orElse: undefined }
    const hangs = last.segment !== this.#segment
    return { prepared: last, orElse: hangs ? (parsing.at(-2) ?? confirmed) : undefined }
  }

  /** The statement that a name means now, as far as it can be told. */
  assumed(name: string): Prepared | undefined {
    return this.#assume(name).prepared
  }

  /** The number of that statement's event. */
  assumedStatement(name: string): number | undefined {
    const prepared = this.assumed(name)
    return prepared === undefined || prepared.isDoubted ? undefined : this.events.tellPrepared(prepared)
  }

  /**
   * By which rules everything was allowed that the name may mean when the server gets there, the likeliest first. `undefined`: nobody
   * knows what it means then. Behind a Parse that is not answered it may still mean what it meant before, if that one fails.
   */
  judgments(name: string): readonly unknown[] {
    const sent = this.#parsing.get(name)?.toReversed() ?? []
    return this.#judgments(sent, this.#statements.get(name), each => each.judged)
  }

  /** The same of what a portal runs. */
  portalJudgments(name: string): readonly unknown[] {
    const sent = this.#binding.get(name)?.toReversed() ?? []
    return this.#judgments(sent, this.#portals.get(name), each => each.prepared?.judged)
  }

  #judgments<Named extends { readonly segment: number }>(
    sent: readonly Named[],
    confirmed: Named | undefined,
    judgedBy: (named: Named) => unknown,
  ): readonly unknown[] {
    const sure = sent.findIndex(each => each.segment === this.#segment)
    if (sure !== -1) return sent.slice(0, sure + 1).map(judgedBy)
    return [...sent.map(judgedBy), confirmed === undefined ? undefined : judgedBy(confirmed)]
  }

  assumedPortal(name: string): Portal | undefined {
    return this.#binding.get(name)?.at(-1) ?? this.#portals.get(name)
  }

  /** The event of an Execute: what runs, as far as its name tells. `rest`: what has to follow it. */
  execution(name: string, statement: number): Execution {
    return this.events.execution(name, this.assumedPortal(name), statement)
  }

  // ── Answered ──────────────────────────────────────────────────────────────────────────────────────────────────

  parsed(prepared: Prepared): void {
    settle(this.#parsing, prepared.name, prepared)
    this.#statements.set(prepared.name, prepared)
  }

  parseSkipped(prepared: Prepared): void {
    settle(this.#parsing, prepared.name, prepared)
  }

  /** The server forgets the unnamed statement before it looks at the next one. */
  parseFailed(prepared: Prepared): void {
    this.parseSkipped(prepared)
    if (prepared.name === '') this.#statements.delete('')
  }

  bound(portal: Portal): void {
    settle(this.#binding, portal.name, portal)
    portal.prepared = this.#statements.get(portal.statementName)
    this.#portals.set(portal.name, portal)
  }

  bindSkipped(portal: Portal): void {
    settle(this.#binding, portal.name, portal)
  }

  bindFailed(portal: Portal): void {
    this.bindSkipped(portal)
    if (portal.name === '') this.#portals.delete('')
  }

  close(what: 'statement' | 'portal', name: string): void {
    if (what === 'portal') this.#portals.delete(name)
    else this.#forget(name)
  }

  #forget(name: string): void {
    if (!this.#statements.delete(name) || name === '') return
    this.#tell({ type: 'deallocated', name: textOfName(name) })
  }

  learnTypes(name: string, types: readonly number[]): void {
    const prepared = this.#statements.get(name)
    if (prepared !== undefined) prepared.types = types
  }

  learnShape(what: 'statement' | 'portal', name: string, shape: Shape): void {
    const described = what === 'statement' ? this.#statements.get(name) : this.#portals.get(name)
    if (described !== undefined) described.shape = shape
  }

  /** What the portal that is executed now runs: the number of its statement; undefined if nobody can tell. */
  runs(portalName: string): number | undefined {
    const prepared = this.#portals.get(portalName)?.prepared
    return prepared?.isDoubted === true ? undefined : prepared?.statement
  }

  /** `isOwn`: as it was described by itself. A statement may be planned anew behind its description, for other tables of that name. */
  shapeOf(portalName: string, isOwn: boolean): Shape | undefined {
    const portal = this.#portals.get(portalName)
    return portal?.shape ?? (isOwn ? undefined : portal?.prepared?.shape)
  }

  resultFormats(portalName: string): readonly number[] {
    return this.#portals.get(portalName)?.resultFormats ?? []
  }

  /** What the portal runs has ended with this tag, as this statement. */
  executed(portalName: string, tag: string, statement: number): void {
    if (!effectOfTag.has(tag)) return
    const effects = this.#portals.get(portalName)?.prepared?.effects ?? noEffects
    this.took(effects, 0, tag, { statement, judged: this.assumedPortal(portalName)?.prepared?.judged })
  }

  /** A simple query has taken the place of the unnamed ones. */
  forgetUnnamed(): void {
    this.#statements.delete('')
    this.#portals.delete('')
  }

  transactionEnded(): void {
    if (this.#portals.size === 0) return
    for (const [name, portal] of this.#portals) if (!portal.holds) this.#portals.delete(name)
  }

  /**
   * A statement ended with this tag: what it did to names. `seen` effects of its text took place before; returns how many have
   * now.
   */
  took(effects: readonly NameEffect[], seen: number, tag: string, by: MadeBy): number {
    const kind = effectOfTag.get(tag)
    if (kind === undefined) return seen
    for (let i = seen; i < effects.length; i++) {
      const effect = effects[i]
      if (effect?.kind !== kind) continue
      this.#take(effect, by)
      return i + 1
    }
    if (kind !== 'hidden') this.#doubtAll()
    return seen
  }

  /** Something happened to names of which the text did not tell: what they mean is not known until they are made again. */
  #doubtAll(): void {
    this.#statements.clear()
    this.#portals.clear()
  }

  /** Their texts are still what they mean most likely, so they are told; the results say that it is not known. */
  #doubtEach(): void {
    for (const prepared of this.#statements.values()) prepared.isDoubted = true
    for (const { prepared } of this.#portals.values()) if (prepared !== undefined) prepared.isDoubted = true
  }

  #take(effect: NameEffect, by: MadeBy): void {
    switch (effect.kind) {
      case 'prepare':
        this.#statements.set(effect.name, madeBySql(effect.name, by, this.#segment))
        return
      case 'declare':
        this.#portals.set(effect.name, declared(effect.name, effect.holds, by, this.#segment))
        return
      case 'deallocate':
        return effect.name === undefined ? this.#forgetAll() : this.#forget(effect.name)
      case 'close':
        return effect.name === undefined ? this.#portals.clear() : void this.#portals.delete(effect.name)
      case 'discard-all':
        this.#portals.clear()
        return this.#forgetAll()
      case 'hidden':
        return this.#doubtEach()
      case 'execute':
    }
  }

  #forgetAll(): void {
    this.#statements.clear()
    this.#tell({ type: 'deallocated' })
  }
}

const effectOfTag: ReadonlyMap<string, NameEffect['kind']> = new Map([
  ['PREPARE', 'prepare'],
  ['DECLARE CURSOR', 'declare'],
  ['DEALLOCATE', 'deallocate'],
  ['DEALLOCATE ALL', 'deallocate'],
  ['CLOSE CURSOR', 'close'],
  ['CLOSE CURSOR ALL', 'close'],
  ['DISCARD ALL', 'discard-all'],
  ['DO', 'hidden'],
])

function append<Item>(map: Map<string, Item[]>, name: string, item: Item): void {
  const items = map.get(name)
  if (items === undefined) map.set(name, [item])
  else items.push(item)
}

/** Requests for one name are answered in the order in which they were sent. */
function settle<Item>(map: Map<string, Item[]>, name: string, item: Item): void {
  const items = map.get(name)
  if (items === undefined) return
  if (items.length === 1) map.delete(name)
  else items.splice(items.indexOf(item), 1)
}
