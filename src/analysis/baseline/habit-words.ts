import { counted, lasting, sized, spanned } from '../findings/words.ts'
import { median } from './deviation.ts'
import type { Habit, ItemKind, VolumeName } from './habit.ts'

const dayMs = 86_400_000

/** What each kind of item is called. */
export const itemWords: Readonly<Record<ItemKind, { readonly one: string; readonly many: string }>> = {
  target: { one: 'target', many: 'targets' },
  login: { one: 'login', many: 'logins' },
  table: { one: 'table', many: 'tables' },
  source: { one: 'source network', many: 'source networks' },
}

/** A volume in words. */
export const told: Readonly<Record<VolumeName, (value: number) => string>> = {
  rows: value => counted(Math.round(value), 'row'),
  bytes: sized,
  files: value => counted(Math.round(value), 'file'),
  durationMs: spanned,
  tables: value => counted(Math.round(value), 'different table'),
  targets: value => `${counted(Math.round(value), 'different target')} in ten minutes`,
}

/** A value on the logarithmic scale, in words. */
function toldLog(name: VolumeName, log: number): string {
  return told[name](Math.expm1(log))
}

/** The median of what `logs` stand for. */
export function middleOf(name: VolumeName, logs: readonly number[]): string {
  return toldLog(name, median(logs) ?? 0)
}

export function largestOf(name: VolumeName, logs: readonly number[]): string {
  return toldLog(name, Math.max(...logs))
}

/** What 99 of 100 do not exceed. */
export function quantileOf(name: VolumeName, logs: readonly number[]): string {
  const sorted = logs.toSorted((a, b) => a - b)
  return toldLog(name, sorted[Math.floor((sorted.length - 1) * 0.99)] ?? 0)
}

/** What one's own sessions say, and how many there are. */
export function ownText(own: Habit | undefined, text: string): string {
  if (own === undefined) return 'no session before this one'
  return `${text}; ${counted(own.sessions, 'session')} in ${lasting(Math.max(dayMs, own.lastMs - own.firstMs))}`
}

/** The day in UTC. */
export function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** The newest of the items that somebody uses, for themselves; nothing of none. */
export function itemsInWords(kind: ItemKind, used: readonly string[]): readonly string[] {
  if (used.length === 0) return []
  const many = counted(used.length, itemWords[kind].one, itemWords[kind].many)
  return [`${many}: ${used.slice(-10).join(', ')}${used.length > 10 ? ', …' : ''}.`]
}

/** The same of a volume. */
export function volumeInWords(name: VolumeName, logs: readonly number[]): readonly string[] {
  return logs.length === 0 ? [] : [`Half of the sessions: up to ${middleOf(name, logs)}.`]
}
