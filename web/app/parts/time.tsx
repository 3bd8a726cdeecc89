/** Instants and durations. One zone for all of a page: UTC, unless the person has set their own. */
import { useSetting, type Zone } from '../settings.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** An instant, with the zone and the distance from now in its tooltip. `precise` adds milliseconds. */
export function Time({
  ms,
  precise = false,
  withZone = true,
}: {
  ms: number
  precise?: boolean
  withZone?: boolean
}) {
  const [zone] = useSetting('zone')
  const other: Zone = zone === 'utc' ? 'local' : 'utc'
  return (
    <time dateTime={isoOf(ms)} title={`${textOf(ms, other, precise)}, ${ago(ms)}`}>
      {textOf(ms, zone, precise, withZone)}
    </time>
  )
}

/** `5 min ago`; the instant is in its tooltip. */
export function Ago({ ms }: { ms: number }) {
  const [zone] = useSetting('zone')
  return (
    <time dateTime={isoOf(ms)} title={textOf(ms, zone)}>
      {ago(ms)}
    </time>
  )
}

/** For heads of columns. */
export function ZoneName() {
  const [zone] = useSetting('zone')
  return <>{zone === 'utc' ? 'UTC' : offsetNow()}</>
}

/** `2026-11-21 14:03:55 UTC`, or with the offset of the browser's zone. */
export function textOf(ms: number, zone: Zone, precise = false, withZone = true): string {
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return 'at no known time'
  const offset = zone === 'utc' ? 0 : -new Date(ms).getTimezoneOffset() * minute
  const iso = isoOf(ms + offset)
  const text = iso.slice(0, precise ? 23 : 19).replace('T', ' ')
  return withZone ? `${text} ${zone === 'utc' ? 'UTC' : offsetText(offset)}` : text
}

export function isoOf(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ''
}

function offsetNow(): string {
  return offsetText(-new Date().getTimezoneOffset() * minute)
}

function offsetText(offset: number): string {
  const minutes = Math.abs(offset) / minute
  return `${offset < 0 ? '−' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}

export function ago(ms: number, nowMs: number = Date.now()): string {
  const distance = nowMs - ms
  if (distance < 0) return distance > -minute ? 'just now' : `in ${duration(-distance)}`
  if (distance < 10 * second) return 'just now'
  if (distance < 90 * second) return `${Math.round(distance / second)} s ago`
  if (distance < 90 * minute) return `${Math.round(distance / minute)} min ago`
  if (distance < 36 * hour) return `${Math.round(distance / hour)} h ago`
  return `${Math.round(distance / day)} days ago`
}

/** `3 d 4 h`, `1 h 02 m`, `4 m 10 s`, `9 s`, `120 ms`. */
export function duration(ms: number): string {
  if (ms < second) return `${Math.round(ms)} ms`
  const seconds = Math.round(ms / second)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`
  const hours = Math.floor(seconds / 3600)
  if (hours < 48) return `${hours} h ${two((seconds % 3600) / 60)} m`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** A place in a recording: `00:41:12`. */
export function offsetOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / second))
  return `${two(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`
}

/** The same for those who hear it: `41 minutes 12 seconds`. */
export function spokenOffset(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / second))
  const parts = [
    [Math.floor(seconds / 3600), 'hour'],
    [Math.floor((seconds % 3600) / 60), 'minute'],
    [seconds % 60, 'second'],
  ] as const
  const said = parts.filter(([count], index) => count > 0 || (index === 2 && seconds < 60))
  return said.map(([count, word]) => `${count} ${word}${count === 1 ? '' : 's'}`).join(' ')
}

function two(count: number): string {
  return String(Math.floor(count)).padStart(2, '0')
}
