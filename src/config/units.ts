import { read, type Reading, unreadable } from './reading.ts'

const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE = /^(\d{1,9})(B|KiB|MiB|GiB)$/
const SIZE_UNITS: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Timers of Node hold 2³¹−1 ms (24.8 days) and fire at once when asked for more. */
export const MAX_TIMER_MS = 24 * 86_400_000

/** Reads `30s`, `15m`, `8h`, `400d` as milliseconds. A number without a unit is refused. */
export function parseDuration(value: unknown): Reading<number> {
  return parseQuantity(value, DURATION, DURATION_UNITS, 'a duration such as 30s, 15m, 8h or 7d')
}

/** Reads `64MiB` (also B, KiB, GiB) as bytes. A number without a unit is refused. */
export function parseSize(value: unknown): Reading<number> {
  return parseQuantity(value, SIZE, SIZE_UNITS, 'a size such as 512KiB, 64MiB or 1GiB')
}

function parseQuantity(
  value: unknown,
  form: RegExp,
  units: Record<string, number>,
  what: string,
): Reading<number> {
  if (typeof value === 'number') return unreadable(`needs a unit: it must be ${what}`)
  const match = typeof value === 'string' ? form.exec(value.trim()) : null
  const unit = units[match?.[2] ?? '']
  if (match === null || unit === undefined) return unreadable(`must be ${what}`)
  const amount = Number(match[1]) * unit
  return amount === 0 ? unreadable('must be more than nothing') : read(amount)
}
