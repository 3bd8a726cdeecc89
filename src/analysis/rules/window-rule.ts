/** A rule over several entries of one session: what counts, how much of it, within which time. Data, like the rules of single lines. */
import { z } from 'zod'
import { parseDuration } from '../../config/units.ts'
import { about, clause, globs } from './rule.ts'

/** A day; sessions that stay longer are looked at in pieces. */
const maxWithinMs = 86_400_000
/** Over the sessions of a person. */
const maxWithinOfPersonMs = 31 * 86_400_000
/** Counts and distinct values that are kept for one rule and group. */
const maxCount = 1000

const within = z.string().transform((text, context) => {
  const parsed = parseDuration(text)
  if (parsed.ok && parsed.value <= maxWithinOfPersonMs) return parsed.value
  context.addIssue({ code: 'custom', message: 'must be a duration, such as 5m' })
  return z.NEVER
})

/** All of its keys hold for one entry. */
const step = z.strictObject({
  entry: z.enum(['command', 'statement', 'file']),
  /** A rule of single lines that the entry met. */
  rules: globs.optional(),
  /** Some command of the line meets one of these. */
  commands: z.array(clause).min(1).optional(),
  /** Of a command line, which paths count for `same: path`. */
  takes: z.enum(['fetched', 'made-runnable', 'run']).optional(),
  /** Of a statement. */
  classes: globs.optional(),
  tables: globs.optional(),
  /** Tables that do not count. */
  noTables: globs.optional(),
  sqlstates: globs.optional(),
  leastRows: z.number().int().min(1).optional(),
  /** Refused by the gateway; and why, as its text says it. */
  blocked: z.boolean().optional(),
  reasons: globs.optional(),
  /** Ended in an error, or with an exit status that is not 0. */
  failed: z.boolean().optional(),
  /** Of a file. */
  direction: z.enum(['up', 'down']).optional(),
  /** What was done to it, such as `rename`: then the new path counts. */
  operations: globs.optional(),
  paths: globs.optional(),
  /** A text that it contains, in any case; and none of these. */
  contains: globs.optional(),
  noContains: globs.optional(),
})
export type Step = z.output<typeof step>

const counted = z.strictObject({
  within,
  of: z.array(step).min(1),
  /** So many entries, different values or, with `sum`, so much. */
  least: z.number().int().min(1),
  /** Only different ones count: kinds of step, tables, texts, paths of files. */
  distinct: z.enum(['step', 'table', 'text', 'path']).optional(),
  /** Rows that were returned, rows that were changed, or bytes. */
  sum: z.enum(['rows', 'affected', 'bytes']).optional(),
  /** Counted apart for each of these. */
  same: z.enum(['fingerprint', 'table']).optional(),
  /** The literals of each text go on from those before, always upwards or always downwards. */
  advancing: z.literal(true).optional(),
})
const ordered = z.strictObject({
  within,
  /** One after another; each may be one of several. */
  steps: z
    .array(z.union([step, z.array(step).min(1)]).transform(one => (Array.isArray(one) ? one : [one])))
    .min(2),
  /** The same thing in each. */
  same: z.enum(['path', 'table', 'command']).optional(),
})
export type Counted = z.output<typeof counted>
export type Ordered = z.output<typeof ordered>

/** One entry of an example: a text, or one with more to say; ten seconds after the one before. */
const exampleEntry = z.union([
  z.string(),
  z.strictObject({
    command: z.string().optional(),
    statement: z.string().optional(),
    file: z.string().optional(),
    after: z.string().optional(),
    direction: z.enum(['up', 'down']).optional(),
    operation: z.string().optional(),
    rows: z.number().optional(),
    affected: z.number().optional(),
    bytes: z.number().optional(),
    sqlstate: z.string().optional(),
    /** Why it was refused. */
    blocked: z.string().optional(),
    exit: z.number().optional(),
    /** So many times, `#` in the text counted from 1. */
    times: z.number().int().min(1).optional(),
  }),
])
export type ExampleEntry = z.output<typeof exampleEntry>
const sequences = z.array(z.array(exampleEntry).min(1)).min(1)

export const windowRuleSchema = z
  .strictObject({
    ...about,
    /** Texts of an example are of this protocol. */
    protocol: z.enum(['ssh', 'postgres']),
    /** Counts in one session, or over all of one person. */
    over: z.enum(['session', 'person']).default('session'),
    window: z.union([counted, ordered]),
    examples: z.strictObject({ matches: sequences, passes: sequences }),
  })
  .refine(({ window }) => !('least' in window) || window.sum !== undefined || window.least <= maxCount, {
    path: ['window', 'least'],
    message: `must be at most ${maxCount}`,
  })
  .refine(({ over, window }) => over === 'person' || window.within <= maxWithinMs, {
    path: ['window', 'within'],
    message: 'must be at most 24h, or 31d over a person',
  })
export type WindowRule = z.output<typeof windowRuleSchema>
