/** What is masked in each database that has sessions with masks; looked up when a session needs it, and again while it goes on. */
import type { Grammar, MaskNumber } from '../../analysis/sql/grammar.ts'
import type { Clock } from '../../clock.ts'
import type { MaskRule, PostgresTarget } from '../../config/config.ts'
import type { Broker } from '../../credentials/postgres/broker.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { ResultMask } from './hooks.ts'
import { resultMask } from './mask.ts'
import { lookUpMasked, type MaskedCatalog } from './masked-catalog.ts'

/** Tables that others make or change are known after so long, while statements come. */
const refreshMs = 30_000
/** After a statement that may have changed tables, they are looked up before each statement for so long: it may still run. */
const unsettledMs = 2000

export type MaskedDatabasesParts = {
  readonly brokerOf: (target: PostgresTarget) => Broker
  readonly grammar: Grammar
  readonly clock: Clock
  readonly log: Log
}

/** What one session needs of it. */
export type SessionMasks = {
  /** What the parser is asked with, once it is known; a promise while it is looked up. Rejects if that failed: nothing may pass then. */
  readonly number: () => MaskNumber | Promise<MaskNumber>
  /** A statement that passes may change tables. */
  readonly changed: () => void
  readonly results: ResultMask
  readonly close: () => void
}

export class MaskedDatabases {
  readonly #parts: MaskedDatabasesParts
  readonly #databases = new Map<string, MaskedDatabase>()

  constructor(parts: MaskedDatabasesParts) {
    this.#parts = parts
  }

  /** Starts to look up at once; sessions of the same database and rules share it. */
  open(target: PostgresTarget, database: string, rules: readonly MaskRule[]): SessionMasks {
    const key = JSON.stringify([target.name, target.host, target.port, database, rules])
    const shared = this.#databases.get(key) ?? new MaskedDatabase(this.#parts, target, database, rules)
    this.#databases.set(key, shared)
    shared.sessions++
    void shared.number()
    let isOpen = true
    return {
      number: () => shared.number(),
      changed: () => shared.changed(),
      results: shared.results,
      close: () => {
        if (isOpen && --shared.sessions === 0) this.#forget(key, shared)
        isOpen = false
      },
    }
  }

  #forget(key: string, shared: MaskedDatabase): void {
    this.#databases.delete(key)
    shared.forget()
  }
}

class MaskedDatabase {
  sessions = 0
  readonly results: ResultMask
  readonly #parts: MaskedDatabasesParts
  readonly #target: PostgresTarget
  readonly #database: string
  readonly #rules: readonly MaskRule[]
  #catalog: MaskedCatalog | undefined
  /** Its tables as text: what did not change keeps its number, and with it what the parser remembers. */
  #tables = ''
  #number: MaskNumber | undefined
  #atMs = 0
  #unsettledUntilMs = 0
  #looking: Promise<MaskNumber> | undefined

  constructor(
    parts: MaskedDatabasesParts,
    target: PostgresTarget,
    database: string,
    rules: readonly MaskRule[],
  ) {
    this.#parts = parts
    this.#target = target
    this.#database = database
    this.#rules = rules
    this.results = resultMask(
      () => this.#catalog,
      () => (this.#atMs = 0),
    )
  }

  number(): MaskNumber | Promise<MaskNumber> {
    const now = this.#nowMs()
    const known = this.#number
    if (known === undefined || now < this.#unsettledUntilMs) return this.#lookUp()
    if (now - this.#atMs >= refreshMs) this.#lookUp().catch(() => {})
    return known
  }

  changed(): void {
    this.#unsettledUntilMs = this.#nowMs() + unsettledMs
  }

  forget(): void {
    if (this.#number !== undefined) this.#parts.grammar.forgetMasks(this.#number)
    this.#number = undefined
  }

  /** Of a clock that nobody sets back. */
  #nowMs(): number {
    return this.#parts.clock.monotonicUs() / 1000
  }

  #lookUp(): Promise<MaskNumber> {
    this.#looking ??= this.#ask().finally(() => (this.#looking = undefined))
    // Somebody may wait for it later or never.
    this.#looking.catch(() => {})
    return this.#looking
  }

  async #ask(): Promise<MaskNumber> {
    const { brokerOf, log } = this.#parts
    this.#atMs = this.#nowMs()
    try {
      const catalog = await brokerOf(this.#target).useDatabase(this.#database, connection =>
        lookUpMasked(connection, this.#rules),
      )
      return this.#take(catalog)
    } catch (cause) {
      const { name } = this.#target
      log.warn(
        { target: name, database: this.#database, cause: reasonOf(cause) },
        'masked columns could not be looked up',
      )
      throw cause
    }
  }

  #take(catalog: MaskedCatalog): MaskNumber {
    this.#catalog = catalog
    const tables = JSON.stringify(catalog.tables)
    if (this.#number !== undefined && tables === this.#tables) return this.#number
    const before = this.#number
    this.#tables = tables
    this.#number = this.#parts.grammar.addMasks(catalog.tables)
    // Texts may still be on their way to the parser with it.
    if (before !== undefined) setTimeout(() => this.#parts.grammar.forgetMasks(before), refreshMs).unref()
    return this.#number
  }
}
