/** Instants as people write them: in the zone that the pages show, unless what they wrote names another. */
import type { Zone } from '../settings.ts'

const minute = 60_000

/** What stands behind the name of a field for times. */
export function zoneWords(zone: Zone): string {
  return zone === 'utc' ? 'UTC' : 'local time'
}

/** `2026-11-21 14:00`, with seconds where there are some. */
export function inputText(ms: number, zone: Zone): string {
  const offset = zone === 'utc' ? 0 : new Date(ms).getTimezoneOffset() * minute
  const text = new Date(ms - offset).toISOString().replace('T', ' ')
  return text.slice(0, text.slice(16, 19) === ':00' ? 16 : 19)
}

/** A day, with or without a time, as inputs and pages write them. Undefined for nothing, NaN for what is no time. */
export function readInstant(text: string, zone: Zone): number | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  const match =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?) ?(Z|UTC|[+−-]\d\d:\d\d)?)?$/i.exec(trimmed)
  if (match === null || !isDay(match[1] ?? '')) return Number.NaN
  const [, day, time = '00:00', named] = match
  return Date.parse(`${day}T${time}${named === undefined ? (zone === 'utc' ? 'Z' : '') : offsetOf(named)}`)
}

/** Programs take 31 February for 3 March. */
function isDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}

function offsetOf(named: string): string {
  return /^(?:z|utc)$/i.test(named) ? 'Z' : named.replace('−', '-')
}

/** The day that begins at this very instant in the zone, for pickers of days. */
export function dayAt(ms: number, zone: Zone): string | undefined {
  const text = inputText(ms, zone)
  return text.endsWith(' 00:00') ? text.slice(0, 10) : undefined
}
