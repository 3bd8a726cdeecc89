/** What the keys of the file are made of: durations, sizes, counts, texts, names of hosts. */
import { z } from 'zod'
import { type Reading, unreadable } from './reading.ts'
import { MAX_TIMER_MS, parseDuration, parseSize } from './units.ts'
import { isHost } from './values.ts'

/** Counts above this are a slip of the finger. */
const MAX_COUNT = 1_000_000
/** One text of an issuer (a group, an e-mail address). */
const MAX_TEXT_LENGTH = 500

/** A value that one of our readers reads; its problem becomes an issue at the value's path. */
export function reading<T>(reader: (value: unknown) => Reading<T>) {
  return z.unknown().transform((value, context): T => {
    const result = value === undefined ? unreadable('is missing') : reader(value)
    if (result.ok) return result.value
    const params = { suggestion: result.suggestion }
    context.issues.push({ code: 'custom', message: result.message, input: value, params })
    return z.NEVER
  })
}

export const duration = (maxMs = MAX_TIMER_MS) =>
  reading(value => {
    const ms = parseDuration(value)
    return ms.ok && ms.value > maxMs ? unreadable(`must be at most ${Math.floor(maxMs / 3_600_000)}h`) : ms
  })
export const size = (maxBytes = Number.MAX_SAFE_INTEGER) =>
  reading(value => {
    const bytes = parseSize(value)
    return bytes.ok && bytes.value > maxBytes ? unreadable(`must be at most ${maxBytes} bytes`) : bytes
  })
export const count = (byDefault: number) => z.int().min(1).max(MAX_COUNT).default(byDefault)
export const listOf = <T extends z.ZodType>(item: T) => z.array(item).min(1)
export const text = () => reading(parseText)
export const host = () =>
  reading(value =>
    typeof value === 'string' && isHost(value)
      ? { ok: true, value }
      : unreadable('must be a host name, such as bastion.example.com'),
  )
export const labels = z.record(z.string(), text())

export function parseText(value: unknown): Reading<string> {
  if (typeof value !== 'string') return unreadable('must be text', 'put it in quotes')
  if (
    value === '' ||
    value.length > MAX_TEXT_LENGTH ||
    value !== value.trim() ||
    /[\p{C}\p{Zl}\p{Zp}]/u.test(value)
  )
    return unreadable('must be text without control characters and without blanks around it')
  return { ok: true, value }
}
