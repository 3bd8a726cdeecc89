/**
 * Rules over several entries of one session: one of these for each session, told of its entries in order of time. What it keeps is
 * bounded by what its rules ask for, whatever the session does; each entry costs what its own text and tables cost.
 */
import { createHash } from 'node:crypto'
import type { Entry, EntryHit } from '../entry.ts'
import { readShell } from '../shell/reader.ts'
import { withoutLiterals } from '../sql/shape.ts'
import type { Catalogue } from './catalogue.ts'
import { directionOf, type Literals, literalsOf } from './literals.ts'
import type { WindowRule, Counted, Ordered } from './window-rule.ts'
import type { CompiledStep, LineMark } from './window-steps.ts'
import { type TallyState, WindowTally } from './window-tally.ts'
import { type TrailsState, WindowTrails } from './window-trails.ts'

/** Statements of different shapes, or tables, that one rule counts apart; the one that was seen longest ago goes. */
const maxGroups = 64
/** Tables of one statement; `pg_dump` locks all of a database in one. */
const maxTablesOfEntry = 2000
/** Of a text, as it stands in a hit. */
const maxQuoteLength = 500

/** An entry, and the steps of all rules that it meets. */
type Met = {
  readonly entry: Entry
  readonly step: (step: CompiledStep) => LineMark | undefined
}

type GroupState = {
  readonly name: string
  readonly tally: TallyState
  readonly literals: Literals | undefined
  readonly direction: Group['direction']
}
/** What one rule has counted. */
type WatchState = { readonly groups: readonly GroupState[] } | { readonly trails: TrailsState }

interface Watch {
  /** Whether this entry completes the rule. */
  take(met: Met): boolean
  readonly state: WatchState
}

/** What was counted, by rule; of a rule that is another one since, nothing is taken up. */
export type WindowState = Readonly<
  Record<string, { readonly rule: string; readonly quietUntilMs: number | null; readonly watch: WatchState }>
>

export class WindowRules {
  readonly #catalogue: Catalogue
  readonly #watches: readonly { readonly rule: WindowRule; readonly watch: Watch; quietUntilMs: number }[]

  /** `over`: for one session, or for all sessions of one person. `state`: what was counted before. */
  constructor(catalogue: Catalogue, over: WindowRule['over'] = 'session', state: WindowState = {}) {
    this.#catalogue = catalogue
    const rules = catalogue.windows.filter(rule => rule.over === over)
    this.#watches = rules.map(rule => {
      const kept = state[rule.id]
      const before = kept?.rule === digestOf(rule) ? kept : undefined
      return {
        rule,
        watch: watchOf(rule, catalogue.stagesOf(rule), before?.watch),
        quietUntilMs: before?.quietUntilMs ?? Number.NEGATIVE_INFINITY,
      }
    })
  }

  /** As it is kept; as JSON it says the same. */
  get state(): WindowState {
    const kept = this.#watches.map(({ rule, watch, quietUntilMs }) => {
      const quiet = Number.isFinite(quietUntilMs) ? quietUntilMs : null
      return [rule.id, { rule: digestOf(rule), quietUntilMs: quiet, watch: watch.state }] as const
    })
    return Object.fromEntries(kept)
  }

  /**
   * What an entry completes, given what the rules of single lines said of it. A rule that was met is quiet for its own time, so that
   * whatever goes on gives one hit for each.
   */
  take(entry: Entry, hits: readonly EntryHit[]): EntryHit[] {
    const marks = entry.kind === 'command' ? this.#catalogue.marksOf(entry.text) : []
    const step = (compiled: CompiledStep): LineMark | undefined =>
      compiled.test(entry, hits) ? markOf(compiled, marks) : undefined
    const found: EntryHit[] = []
    for (const watched of this.#watches) {
      if (!watched.watch.take({ entry, step }) || entry.atMs < watched.quietUntilMs) continue
      watched.quietUntilMs = entry.atMs + watched.rule.window.within
      found.push(hitOf(watched.rule, entry))
    }
    return found
  }
}

function markOf({ number, step }: CompiledStep, marks: readonly LineMark[]): LineMark | undefined {
  if (step.commands !== undefined || step.takes !== undefined) return marks.find(mark => mark.step === number)
  return { step: number, paths: [] }
}

function hitOf({ id, severity, techniques }: WindowRule, entry: Entry): EntryHit {
  return {
    session: entry.session,
    entry: entry.number,
    atMs: entry.atMs,
    offsetMs: entry.offsetMs,
    rule: id,
    severity,
    technique: techniques,
    quote: entry.text.slice(0, maxQuoteLength),
  }
}

function watchOf(
  { window }: WindowRule,
  stages: readonly (readonly CompiledStep[])[],
  state: WatchState | undefined,
): Watch {
  if ('steps' in window)
    return new OrderedWatch(window, stages, state !== undefined && 'trails' in state ? state.trails : [])
  return new CountedWatch(
    window,
    stages[0] ?? [],
    state !== undefined && 'groups' in state ? state.groups : [],
  )
}

/** What a rule counts, and how: not its words. */
function digestOf({ window }: WindowRule): string {
  return createHash('sha256').update(JSON.stringify(window)).digest('hex').slice(0, 16)
}

type Group = { readonly tally: WindowTally; literals: Literals | undefined; direction: -1 | 0 | 1 }

class CountedWatch implements Watch {
  readonly #window: Counted
  readonly #steps: readonly CompiledStep[]
  readonly #groups = new Map<string, Group>()

  constructor(window: Counted, steps: readonly CompiledStep[], groups: readonly GroupState[]) {
    this.#window = window
    this.#steps = steps
    for (const { name, tally, literals, direction } of groups)
      this.#groups.set(name, { tally: new WindowTally(window.within, tally), literals, direction })
  }

  get state(): WatchState {
    const groups = [...this.#groups].map(([name, { tally, ...group }]) => ({
      name,
      tally: tally.state,
      ...group,
    }))
    return { groups }
  }

  take({ entry, step }: Met): boolean {
    const met = this.#steps.filter(each => step(each) !== undefined)
    if (met.length === 0) return false
    let isComplete = false
    for (const name of this.#groupsOf(entry, met)) {
      const group = this.#group(name)
      if (this.#window.advancing === true && !advances(group, entry.text)) group.tally.clear()
      this.#add(group.tally, entry, met)
      if (group.tally.total < this.#window.least) continue
      isComplete = true
      group.tally.clear()
    }
    return isComplete
  }

  #add(tally: WindowTally, entry: Entry, met: readonly CompiledStep[]): void {
    const { distinct, sum } = this.#window
    if (sum !== undefined) tally.addAmount(amountOf(entry, sum), entry.atMs)
    else if (distinct === undefined) tally.addOne(entry.atMs)
    else for (const value of valuesOf(distinct, entry, met)) tally.addDistinct(value, entry.atMs)
  }

  #groupsOf(entry: Entry, met: readonly CompiledStep[]): readonly string[] {
    const { same } = this.#window
    if (same === undefined) return ['']
    return same === 'table' ? tablesOf(entry, met) : [shapeOf(entry)]
  }

  #group(name: string): Group {
    const group = this.#groups.get(name) ?? {
      tally: new WindowTally(this.#window.within),
      literals: undefined,
      direction: 0,
    }
    this.#groups.delete(name)
    this.#groups.set(name, group)
    const [oldest] = this.#groups.keys()
    if (this.#groups.size > maxGroups && oldest !== undefined) this.#groups.delete(oldest)
    return group
  }
}

/** Whether a text goes on where the one before was. */
function advances(group: Group, text: string): boolean {
  const literals = literalsOf(text)
  const before = group.literals
  group.literals = literals
  if (before === undefined) return true
  const direction = directionOf(before, literals)
  const goesOn = direction !== 0 && (group.direction === 0 || group.direction === direction)
  group.direction = direction
  return goesOn
}

function amountOf({ statement, file }: Entry, sum: NonNullable<Counted['sum']>): number {
  if (sum === 'bytes') return statement?.bytes ?? file?.bytes ?? 0
  return statement?.[sum] ?? 0
}

function valuesOf(
  distinct: NonNullable<Counted['distinct']>,
  entry: Entry,
  met: readonly CompiledStep[],
): readonly string[] {
  if (distinct === 'step') return met.map(({ number }) => String(number))
  return distinct === 'table' ? tablesOf(entry, met) : [entry.text]
}

function tablesOf({ statement }: Entry, met: readonly CompiledStep[]): readonly string[] {
  const tables = statement?.tables.slice(0, maxTablesOfEntry) ?? []
  return tables.filter(table => met.some(each => each.tables(table)))
}

function shapeOf({ statement, text }: Entry): string {
  return statement?.fingerprint ?? withoutLiterals(text.slice(0, 4096)) ?? text.slice(0, 4096)
}

/** Commands of one line that are followed. */
const maxCommandsOfLine = 20

/** What runs, without what runs it: `sudo sh -c 'cat x'` is `cat x`, too. */
function commandsOf(text: string): readonly string[] {
  const commands = readShell(text).commands.slice(0, maxCommandsOfLine)
  return [...new Set(commands.map(({ argv }) => argv.join(' ').slice(0, maxQuoteLength)))].filter(Boolean)
}

/** Of a file that was renamed, what it is called now. */
function pathOf({ text }: Entry): string {
  const arrow = text.lastIndexOf(' → ')
  return arrow === -1 ? text : text.slice(arrow + 3)
}

/** Comes through its steps one after another, each within the time since the first. */
class OrderedWatch implements Watch {
  readonly #window: Ordered
  readonly #stages: readonly (readonly CompiledStep[])[]
  readonly #trails: WindowTrails

  constructor(window: Ordered, stages: readonly (readonly CompiledStep[])[], trails: TrailsState) {
    this.#window = window
    this.#stages = stages
    const options = { withinMs: window.within, stages: stages.length, isPath: window.same === 'path' }
    this.#trails = new WindowTrails(options, trails)
  }

  get state(): WatchState {
    return { trails: this.#trails.state }
  }

  take({ entry, step }: Met): boolean {
    let isComplete = false
    for (const [stage, steps] of this.#stages.entries())
      for (const compiled of steps) {
        if (stage > 0 && this.#trails.isEmpty) continue
        const mark = step(compiled)
        if (mark === undefined) continue
        for (const key of this.#keysOf(entry, compiled, mark))
          if (this.#trails.reach(stage, key, entry.atMs)) isComplete = true
      }
    return isComplete
  }

  #keysOf(entry: Entry, compiled: CompiledStep, { paths }: LineMark): readonly string[] {
    const { same } = this.#window
    if (same === undefined) return ['']
    if (same === 'table') return tablesOf(entry, [compiled])
    if (same === 'command') return commandsOf(entry.text)
    return entry.kind === 'file' ? [pathOf(entry)] : paths
  }
}
