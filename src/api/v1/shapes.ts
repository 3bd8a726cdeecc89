/** The answers of the interface as zod schemas, held to the types of `schema.ts` that the pages share: the OpenAPI document and the tests use them. */
import { z } from 'zod'
import type * as said from '../schema.ts'

const opt = z.exactOptional
const ms = z.int().describe('Unix time or a duration, in milliseconds')

export const severity: z.ZodType<said.Severity> = z.enum(['info', 'low', 'medium', 'high', 'critical'])
const protocol = z.enum(['ssh', 'postgres'])
const state = z.enum(['open', 'ended', 'interrupted'])

export const problem: z.ZodType<said.ProblemDocument> = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  problems: opt(z.array(z.strictObject({ where: z.string(), text: z.string() }))),
})

export const me: z.ZodType<said.Me> = z.strictObject({
  name: z.string(),
  email: opt(z.string()),
  roles: z.array(z.string()),
  mayReview: z.boolean(),
  formToken: z.string(),
  signedInUntilMs: ms,
  gateway: z.strictObject({ name: z.string(), version: z.string(), timeMs: ms }),
  pseudonyms: z.boolean(),
})

const integrity = z.enum(['verified', 'unverified', 'failed', 'live', 'interrupted', 'removed'])

const summaryFields = {
  id: z.string(),
  protocol,
  state,
  principal: z.string(),
  target: z.string(),
  login: z.string(),
  role: z.string(),
  sourceAddress: z.string(),
  openedAtMs: ms,
  endedAtMs: opt(ms),
  endReason: opt(z.string()),
  labels: z.record(z.string(), z.string()),
  integrity,
  encrypted: z.boolean(),
  counts: opt(
    z.strictObject({
      commands: z.int(),
      statements: z.int(),
      files: z.int(),
      rows: z.int(),
      bytes: z.int(),
    }),
  ),
  findings: z.int(),
  worst: opt(severity),
  unusualness: opt(z.number()),
  reviewedBy: z.array(z.string()),
}
const sessionSummary: z.ZodType<said.SessionSummary> = z.strictObject(summaryFields)

function pageOf<T extends z.ZodType>(item: T) {
  return { items: z.array(item), next: opt(z.string()) }
}

export const sessionPage: z.ZodType<said.SessionPage> = z.strictObject({
  ...pageOf(sessionSummary),
  total: z.int(),
  isTotalExact: z.boolean(),
})

export const histogram: z.ZodType<said.Histogram> = z.strictObject({
  bucketMs: ms,
  buckets: z.array(z.strictObject({ fromMs: ms, sessions: z.int(), withFindings: z.int() })),
})

const verdictWord = z.enum(['expected', 'explained', 'escalate'])

const verdict: z.ZodType<said.Verdict> = z.strictObject({
  by: z.string(),
  atMs: ms,
  verdict: verdictWord,
  rationale: z.string(),
})

const fact = z.strictObject({ name: z.string(), value: z.string() })

export const sessionDetail: z.ZodType<said.SessionDetail> = z.strictObject({
  ...summaryFields,
  issuer: z.string(),
  subject: z.string(),
  facts: z.array(fact),
  recording: z.strictObject({
    bytes: opt(z.int()),
    sha256: opt(z.string()),
    keepUntilMs: opt(ms),
    removed: opt(z.strictObject({ atMs: ms, rule: z.string() })),
    holds: z.int(),
  }),
  mayEnd: z.boolean(),
  reviewRefusal: opt(z.string()),
  verdicts: z.array(verdict),
})

const stretch = z.strictObject({ fromMs: z.number(), toMs: z.number() })
const offsetMs = z.number().describe("Milliseconds since the session's opening")

export const replay: z.ZodType<said.Replay> = z.strictObject({
  openedAtMs: ms,
  durationMs: offsetMs,
  channels: z.array(z.strictObject({ channel: z.int(), kind: z.string(), columns: z.int(), rows: z.int() })),
  chunks: z.array(z.strictObject({ number: z.int(), fromMs: offsetMs, toMs: offsetMs, bytes: z.int() })),
  keyframes: z.array(z.strictObject({ number: z.int(), channel: z.int(), atMs: offsetMs, chunk: z.int() })),
  heat: z.strictObject({ output: z.array(z.number()), input: z.array(z.number()) }),
  idle: z.array(stretch),
  gaps: z.array(z.strictObject({ fromMs: offsetMs, toMs: offsetMs, why: z.string() })),
})

export const replayKeyframe: z.ZodType<said.ReplayKeyframe> = z.strictObject({
  channel: z.int(),
  atMs: offsetMs,
  columns: z.int(),
  rows: z.int(),
  screen: z.string(),
  chunk: z.int(),
  skipEvents: z.int(),
})
