/** Pieces of queries and bodies that several routes have. */
import { z } from 'zod'
import { severity } from './shapes.ts'

/** Rows of one page. */
export const maxRows = 200

/** A number in a query: digits and nothing else. */
export function whole(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
}

export const limit = whole(1, maxRows).default(50)
export const cursor = z.string().max(400).optional()
export const instant = whole(0, 8.64e15).optional()
export const flag = z
  .enum(['0', '1'])
  .transform(value => value === '1')
  .optional()

/** A key that may be repeated. */
export function several<T extends z.ZodType>(one: T, most = 50) {
  return z.preprocess(given => (Array.isArray(given) ? given : [given]), z.array(one).max(most)).optional()
}

/** What people type to look for: one line, of at most so many characters. */
export const word = z.string().min(1).max(300)
export const severities = several(severity)

/** A sentence or a few, as people write to each other: no characters that hide or reorder what others read. */
export function prose(most: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(most)
    .regex(/^(?:[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|[\n\t\u200c\u200d])*$/u, 'has characters that do not show')
}

/** One such line. */
export function line(most: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]*$/u, 'has characters that do not show')
}
