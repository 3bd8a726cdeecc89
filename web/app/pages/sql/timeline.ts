/** Where statements stand on the bar: pure, in fractions of its width (0 to 1). */
import { graver, type Look, lookOf } from './look.ts'
import type { Statement } from './statement.ts'

/** Stretches without any statement beyond this are idle, and can be folded. */
export const idleMs = 10_000
/** A folded stretch takes this share of the bar, at most a third of it all. */
const foldedShare = 0.02
const maxFoldedShare = 1 / 3
/** As many marks as can be told from each other on a wide screen. */
const maxMarks = 600

export type Stretch = { readonly fromMs: number; readonly toMs: number }
export type Scale = {
  readonly at: (offsetMs: number) => number
  readonly idle: readonly Stretch[]
  readonly isFolded: boolean
}

/** Stretches longer than `idleMs` in which nothing runs. */
export function idleStretches(statements: readonly Statement[], durationMs: number): readonly Stretch[] {
  const found: Stretch[] = []
  let busyUntilMs = 0
  for (const { offsetMs, durationMs: took = 0 } of statements) {
    if (offsetMs - busyUntilMs > idleMs) found.push({ fromMs: busyUntilMs, toMs: offsetMs })
    busyUntilMs = Math.max(busyUntilMs, offsetMs + took)
  }
  if (durationMs - busyUntilMs > idleMs) found.push({ fromMs: busyUntilMs, toMs: durationMs })
  return found
}

/** Offsets to places. Folded, idle stretches are as wide as each other, whatever they took. */
export function scaleOf(statements: readonly Statement[], durationMs: number, isFolded: boolean): Scale {
  const idle = idleStretches(statements, durationMs)
  const wholeMs = Math.max(1, durationMs)
  if (!isFolded || idle.length === 0)
    return { at: offsetMs => clamp(offsetMs / wholeMs), idle, isFolded: false }
  const share = Math.min(foldedShare, maxFoldedShare / idle.length)
  const idleTotalMs = idle.reduce((total, { fromMs, toMs }) => total + toMs - fromMs, 0)
  const busyMs = Math.max(1, wholeMs - idleTotalMs)
  const busyShare = 1 - share * idle.length
  const at = (offsetMs: number): number => {
    let place = 0
    let fromMs = 0
    for (const stretch of idle) {
      if (offsetMs <= stretch.fromMs) break
      place += ((stretch.fromMs - fromMs) / busyMs) * busyShare
      const into = (Math.min(offsetMs, stretch.toMs) - stretch.fromMs) / (stretch.toMs - stretch.fromMs)
      place += into * share
      fromMs = stretch.toMs
    }
    return clamp(place + (Math.max(0, offsetMs - fromMs) / busyMs) * busyShare)
  }
  return { at, idle, isFolded: true }
}

export type Mark = {
  readonly lane: number
  readonly from: number
  readonly to: number
  readonly look: Look
  /** Of the statement that gave the look. */
  readonly number: number
  readonly count: number
}

/** Statements as bars. Those that overlap in time stand in lanes below each other; those that share a place become one mark. */
export function marksOf(statements: readonly Statement[], scale: Scale): readonly Mark[] {
  const lanes: number[] = []
  const marks: Mark[] = []
  const last = new Map<number, number>()
  for (const statement of statements) {
    const endMs = statement.offsetMs + (statement.durationMs ?? 0)
    const free = lanes.findIndex(busyUntilMs => busyUntilMs < statement.offsetMs + 1) // offsets are cut to whole milliseconds, durations are not
    const lane = free === -1 ? Math.min(lanes.length, maxLanes - 1) : free
    lanes[lane] = Math.max(lanes[lane] ?? 0, endMs)
    const mark = {
      lane,
      from: scale.at(statement.offsetMs),
      to: scale.at(endMs),
      look: lookOf(statement),
      number: statement.number,
      count: 1,
    }
    const before = last.get(lane)
    const joined = before === undefined ? undefined : join(marks[before], mark)
    if (before !== undefined && joined !== undefined) marks[before] = joined
    else last.set(lane, marks.push(mark) - 1)
  }
  return marks
}

/** More overlap than that only in pipelines, where order says more than place. */
const maxLanes = 4

/** One mark for two that nobody could tell from each other: they begin in the same place, and end in the same place or at once. */
function join(before: Mark | undefined, mark: Mark): Mark | undefined {
  if (before === undefined || placeOf(before.from) !== placeOf(mark.from)) return undefined
  const areShort = isShort(before) && isShort(mark)
  if (!areShort && placeOf(before.to) !== placeOf(mark.to)) return undefined
  const look = graver(mark.look, before.look)
  const number = look === before.look ? before.number : mark.number
  return { ...before, to: Math.max(before.to, mark.to), look, number, count: before.count + 1 }
}

function placeOf(fraction: number): number {
  return Math.floor(fraction * maxMarks)
}

/** Drawn as wide as the least mark is. */
function isShort({ from, to }: Mark): boolean {
  return to - from < 1 / maxMarks
}

export type Bracket = {
  readonly transaction: number
  readonly from: number
  readonly to: number
  readonly first: number
  readonly statements: number
}

/** From the first statement of each transaction to the end of its last. */
export function bracketsOf(statements: readonly Statement[], scale: Scale): readonly Bracket[] {
  const brackets = new Map<number, Bracket>()
  for (const { transaction, offsetMs, durationMs = 0, number } of statements) {
    if (transaction === undefined) continue
    const to = scale.at(offsetMs + durationMs)
    const known = brackets.get(transaction) ?? {
      transaction,
      from: scale.at(offsetMs),
      to,
      first: number,
      statements: 0,
    }
    brackets.set(transaction, { ...known, to: Math.max(known.to, to), statements: known.statements + 1 })
  }
  return [...brackets.values()]
}

function clamp(place: number): number {
  return Math.min(1, Math.max(0, place))
}
