/**
 * When the windows of `when.hours` are open, in real instants. Windows are given in local time, and local time jumps:
 * a time that happens twice (clocks go back) counts at its first occurrence, and a time that is skipped (clocks go
 * forward) counts as the instant of the jump. So neighbouring windows always meet without a gap or an overlap.
 */
import type { Hours, HoursWindow } from '../config/hours.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** Open windows that follow each other are joined this far; the longest session is shorter (a week). */
const DAYS_AHEAD = 8

type Interval = { readonly startMs: number; readonly endMs: number }

/** The instant at which the hours that are open at `nowMs` end; undefined if none are open. */
export function openUntil(hours: Hours, nowMs: number): number | undefined {
  const intervals = hours.windows.flatMap(window => intervalsAround(window, nowMs))
  let endMs: number | undefined
  // Joins the intervals that touch, whatever their order: each round passes at least one more end.
  for (let at = nowMs; ; at = endMs) {
    const open = intervals.filter(({ startMs, endMs }) => startMs <= at && at < endMs)
    if (open.length === 0) return endMs
    endMs = Math.max(...open.map(interval => interval.endMs))
  }
}

/** The window's openings from yesterday (it may go over midnight) to some days ahead. */
function intervalsAround(window: HoursWindow, nowMs: number): Interval[] {
  const today = Math.floor((nowMs + offsetMs(window.zone, nowMs)) / DAY_MS)
  const days = Array.from({ length: DAYS_AHEAD + 2 }, (_, i) => today - 1 + i)
  return days.filter(day => window.days.includes(weekday(day))).map(day => intervalOn(window, day))
}

function intervalOn({ startMinute, endMinute, zone }: HoursWindow, day: number): Interval {
  const endDay = endMinute <= startMinute ? day + 1 : day
  return {
    startMs: instantOf(day * DAY_MS + startMinute * MINUTE_MS, zone),
    endMs: instantOf(endDay * DAY_MS + endMinute * MINUTE_MS, zone),
  }
}

/** 0 = Monday; day 0 of the epoch was a Thursday. */
function weekday(day: number): number {
  return (day + 3) % 7
}

/** The instant of a local time, which is given as if it were UTC. */
function instantOf(localMs: number, zone: string): number {
  const before = offsetMs(zone, localMs - DAY_MS)
  const after = offsetMs(zone, localMs + DAY_MS)
  const candidates = [localMs - Math.max(before, after), localMs - Math.min(before, after)]
  const real = candidates.find(instant => instant + offsetMs(zone, instant) === localMs)
  return real ?? jumpBetween(zone, localMs - Math.max(before, after), localMs - Math.min(before, after))
}

/** The first instant after `earlyMs` that has the offset of `lateMs`. */
function jumpBetween(zone: string, earlyMs: number, lateMs: number): number {
  const offsetAfter = offsetMs(zone, lateMs)
  let [low, high] = [earlyMs, lateMs]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetMs(zone, middle) === offsetAfter) high = middle
    else low = middle
  }
  return high
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** How far the zone's local time is ahead of UTC at the instant. */
function offsetMs(zone: string, instantMs: number): number {
  const parts = formatOf(zone).formatToParts(instantMs)
  const value = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find(part => part.type === type)?.value)
  const localMs = Date.UTC(
    value('year'),
    value('month') - 1,
    value('day'),
    value('hour'),
    value('minute'),
    value('second'),
  )
  return localMs - Math.floor(instantMs / 1000) * 1000
}

/** Building a format costs more than using it; zones come from the configuration, so there are few. */
function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  formats.set(zone, format)
  return format
}
