import { read, type Reading, unreadable } from './reading.ts'

/**
 * The expression of `when.hours`: windows separated by commas, each `[DAYS] HH:MM-HH:MM [ZONE]`.
 * `Mon-Fri 08:00-19:00 Europe/Berlin`, `Mon-Fri 08:00-19:00, Sat 09:00-12:00 Europe/Berlin`, `22:00-06:00 UTC`.
 * A window without a zone has the zone of the next one that names it. When a window is open is decided in policy/.
 */

/** Minutes are counted from local midnight; `endMinute` ≤ `startMinute` means that the window ends on the next day. */
export type HoursWindow = {
  /** Days on which the window starts, 0 = Monday … 6 = Sunday. */
  readonly days: readonly number[]
  readonly startMinute: number
  readonly endMinute: number
  readonly zone: string
}

export type Hours = { readonly text: string; readonly windows: readonly HoursWindow[] }

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const WINDOW = /^(?:(\p{L}+)(?:-(\p{L}+))? +)?(\d\d):(\d\d)-(\d\d):(\d\d)(?: +(\S+))?$/u
/** A week of shifts has a few windows; each is looked at on every decision. */
const MAX_WINDOWS = 20
const MAX_LENGTH = 1000

const EXAMPLE = 'write it like `Mon-Fri 08:00-19:00 Europe/Berlin`'

/** Reads the expression, or says in one sentence what is wrong with it. Never throws. */
export function parseHours(text: string): Reading<Hours> {
  if (text.length > MAX_LENGTH) return unreadable('is too long for hours')
  const parts = text.split(',')
  if (parts.length > MAX_WINDOWS) return unreadable(`has more than ${MAX_WINDOWS} windows`)
  const windows: HoursWindow[] = []
  let zone: string | undefined
  // From the last to the first, since a zone holds for the windows before it.
  for (const part of parts.toReversed()) {
    const window = parseWindow(part.trim(), zone)
    if (typeof window === 'string') return unreadable(window)
    zone = window.zone
    windows.unshift(window)
  }
  return read({ text, windows })
}

function parseWindow(text: string, zoneAfter: string | undefined): HoursWindow | string {
  const match = WINDOW.exec(text)
  if (match === null) return `has a window that cannot be read; ${EXAMPLE}`
  const [, firstDay, lastDay, startHour, startMinutes, endHour, endMinutes, ownZone] = match
  const days = parseDays(firstDay, lastDay)
  if (days === undefined) return 'names a day that is not one of Mon Tue Wed Thu Fri Sat Sun'
  const startMinute = minuteOfDay(startHour, startMinutes)
  const endMinute = minuteOfDay(endHour, endMinutes)
  if (startMinute === undefined || endMinute === undefined || startMinute === 24 * 60)
    return 'has a time that does not exist; times go from 00:00 to 24:00'
  if (startMinute === endMinute) return 'has a window that starts when it ends; for all day write 00:00-24:00'
  const zone = ownZone ?? zoneAfter
  if (zone === undefined) return `does not say in which time zone; ${EXAMPLE}`
  if (!isTimeZone(zone)) return `names a time zone that is not known; ${EXAMPLE}`
  return { days, startMinute, endMinute, zone }
}

function parseDays(first: string | undefined, last: string | undefined): number[] | undefined {
  if (first === undefined) return [0, 1, 2, 3, 4, 5, 6]
  const from = DAYS.indexOf(first.toLowerCase())
  const to = last === undefined ? from : DAYS.indexOf(last.toLowerCase())
  if (from === -1 || to === -1) return undefined
  // Sat-Mon wraps around the end of the week.
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, i) => (from + i) % 7)
}

function minuteOfDay(hour: string | undefined, minute: string | undefined): number | undefined {
  const minutes = Number(hour) * 60 + Number(minute)
  return Number(minute) < 60 && minutes <= 24 * 60 ? minutes : undefined
}

/** Whether this machine knows the zone's rules. */
export function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
