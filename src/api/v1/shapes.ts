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
  checkedAtMs: opt(ms),
  encrypted: z.boolean(),
  counts: opt(
    z.strictObject({
      commands: z.int(),
      statements: z.int(),
      files: z.int(),
      rows: z.int(),
      bytes: z.int(),
      activeMs: z.int(),
    }),
  ),
  findings: z.int(),
  worst: opt(severity),
  unusualness: opt(z.number()),
  reviewedBy: z.array(z.string()),
  reviewWantedBy: z.array(z.string()),
  assignee: opt(z.string()),
  held: opt(z.strictObject({ kind: z.enum(['pause', 'step-up']), sinceMs: ms, untilMs: ms })),
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

export const verdictWord = z.enum(['expected', 'explained', 'escalate'])

export const verdict: z.ZodType<said.Verdict> = z.strictObject({
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
  facts: z.array(z.strictObject({ name: z.string(), value: z.string(), isEmpty: opt(z.literal(true)) })),
  recording: z.strictObject({
    bytes: opt(z.int()),
    sha256: opt(z.string()),
    keepUntilMs: opt(ms),
    removed: opt(z.strictObject({ atMs: ms, rule: z.string() })),
    holds: z.int(),
  }),
  mayEnd: z.boolean(),
  verdictsNeeded: z.int(),
  reviewRefusal: opt(z.string()),
  verdicts: z.array(verdict),
})

const stretch = z.strictObject({ fromMs: z.number(), toMs: z.number() })
const offsetMs = z.number().describe("Milliseconds since the session's opening")

export const replay: z.ZodType<said.Replay> = z.strictObject({
  openedAtMs: ms,
  durationMs: offsetMs,
  channels: z.array(
    z.strictObject({
      channel: z.int(),
      kind: z.string(),
      columns: z.int(),
      rows: z.int(),
      isTerminal: z.boolean(),
    }),
  ),
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

export const comment: z.ZodType<said.Comment> = z.strictObject({
  id: z.string(),
  by: z.string(),
  atMs: ms,
  offsetMs: opt(offsetMs),
  text: z.string(),
})
export const comments: z.ZodType<said.Page<said.Comment>> = z.strictObject(pageOf(comment))

export const watched: z.ZodType<said.Watched> = z.strictObject({
  by: z.string(),
  lastMs: ms,
  stretches: z.array(stretch),
})

const findingState = z.enum(['new', 'acknowledged', 'closed'])

const findingFields = {
  id: z.string(),
  state: findingState,
  severity,
  unusualness: opt(z.number()),
  sentence: z.string(),
  kind: z.enum(['rule', 'baseline', 'integrity', 'sample']),
  session: z.string(),
  principal: z.string(),
  target: z.string(),
  atMs: ms,
  createdAtMs: ms,
  assignee: opt(z.string()),
  rules: z.array(z.string()),
  similar: z.int(),
  below: opt(z.string()),
  snoozedUntilMs: opt(ms),
}
const findingSummary: z.ZodType<said.FindingSummary> = z.strictObject(findingFields)
export const findingPage: z.ZodType<said.Page<said.FindingSummary>> = z.strictObject(pageOf(findingSummary))
export const findingCounts: z.ZodType<said.FindingCounts> = z.strictObject({
  new: z.int(),
  acknowledged: z.int(),
  closed: z.int(),
  below: z.int(),
})

export const findingDetail: z.ZodType<said.FindingDetail> = z.strictObject({
  ...findingFields,
  why: z.array(
    z.strictObject({
      observed: z.string(),
      own: opt(z.string()),
      peers: opt(z.string()),
      everybody: opt(z.string()),
      adds: opt(z.number()),
      entry: opt(z.int()),
      offsetMs: opt(offsetMs),
    }),
  ),
  quotes: z.array(z.strictObject({ entry: z.int(), offsetMs, text: z.string() })),
  techniques: z.array(z.strictObject({ id: z.string(), name: z.string() })),
  benign: z.array(z.string()),
  quality: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
  context: z.array(fact),
  history: z.array(z.strictObject({ atMs: ms, by: z.string(), what: z.string(), note: opt(z.string()) })),
  mayDecide: z.boolean(),
  refusal: opt(z.string()),
  isMasked: z.boolean(),
  suppressions: z.array(
    z.strictObject({
      by: z.string(),
      scope: z.enum(['rule-person', 'rule-target', 'rule']),
      untilMs: ms,
      rationale: z.string(),
    }),
  ),
  unmaskings: z.array(
    z.strictObject({
      id: z.string(),
      by: z.string(),
      caseId: z.string(),
      reason: z.string(),
      mayApprove: z.boolean(),
    }),
  ),
  proposal: opt(z.strictObject({ by: z.string(), reason: z.string(), rationale: z.string() })),
})

export const connectView: z.ZodType<said.ConnectView> = z.strictObject({
  places: z.array(
    z.strictObject({
      target: z.string(),
      protocol,
      logins: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
      lines: z.array(
        z.strictObject({ name: z.string(), text: z.string(), withAuthority: z.string().optional() }),
      ),
      takesPassword: z.boolean(),
    }),
  ),
  browserSignIn: z.boolean(),
})
export const password: z.ZodType<said.Password> = z.strictObject({
  password: z.string(),
  validUntilMs: ms,
  connections: z.int(),
  line: z.string(),
  lineWithAuthority: z.string().optional(),
})

export const policyView: z.ZodType<said.PolicyView> = z.strictObject({
  version: z.string(),
  text: z.string(),
  roles: z.array(
    z.strictObject({
      name: z.string(),
      members: z.string(),
      allows: z.array(z.string()),
      reviews: z.array(z.string()),
    }),
  ),
  targets: z.array(z.strictObject({ name: z.string(), protocol, labels: z.record(z.string(), z.string()) })),
})
export const explanation: z.ZodType<said.Explanation> = z.strictObject({
  allowed: z.boolean(),
  text: z.string(),
})

export const integrityView: z.ZodType<said.IntegrityView> = z.strictObject({
  origin: z.string(),
  treeSize: z.int(),
  checkpoints: z.array(z.strictObject({ size: z.int(), atMs: ms, note: z.string() })),
  keys: z.array(
    z.strictObject({
      purpose: z.string(),
      keyId: z.string(),
      publicKeyPem: z.string(),
      state: z.string(),
    }),
  ),
  publishers: z.array(z.strictObject({ place: z.string(), lastMs: opt(ms), problem: opt(z.string()) })),
})
export const consistencyView: z.ZodType<said.ConsistencyView> = z.strictObject({
  from: z.int(),
  to: z.int(),
  proof: z.array(z.string()),
})

export const ownData: z.ZodType<said.OwnData> = z.strictObject({
  categories: z.array(
    z.strictObject({ name: z.string(), what: z.string(), keptFor: z.string(), seenBy: z.string() }),
  ),
  baseline: opt(z.strictObject({ events: z.int(), sinceMs: ms, text: z.array(z.string()) })),
  findings: z.array(
    z.strictObject({ id: z.string(), sentence: z.string(), closedAtMs: ms, reason: z.string() }),
  ),
  views: z.array(z.strictObject({ atMs: ms, by: z.string(), session: z.string(), purpose: z.string() })),
})
export const savedView: z.ZodType<said.SavedView> = z.strictObject({
  id: z.string(),
  name: z.string(),
  page: z.string(),
  query: z.string(),
})

const entryKind = z.enum(['command', 'statement', 'file', 'screen', 'forward'])
const entryUsage: z.ZodType<said.EntryUsage> = z.strictObject({
  program: opt(z.string()),
  isNewForPerson: z.boolean(),
  isNewForTarget: z.boolean(),
  ownTimes: z.int(),
  everybody: opt(z.strictObject({ times: z.int(), people: z.int(), isLowerBound: z.boolean() })),
  isUncounted: opt(z.boolean()),
})
const entryView: z.ZodType<said.EntryView> = z.strictObject({
  number: z.int(),
  kind: entryKind,
  offsetMs,
  atMs: ms,
  text: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
  hits: z.array(z.strictObject({ rule: z.string(), severity })),
  usage: opt(entryUsage),
})
export const entryPage: z.ZodType<said.Page<said.EntryView>> = z.strictObject(pageOf(entryView))

export const statementText: z.ZodType<said.StatementText> = z.strictObject({
  number: z.int(),
  text: z.string(),
  normalised: opt(z.string()),
  parameters: z.array(
    z.strictObject({ type: opt(z.string()), value: z.string().nullable(), masked: z.boolean() }),
  ),
  columns: z.array(z.string()),
  head: z.array(z.array(z.string().nullable())),
  facts: z.array(fact),
})

const searchHit: z.ZodType<said.SearchHit> = z.strictObject({
  session: z.string(),
  entry: z.int(),
  kind: entryKind,
  atMs: ms,
  offsetMs,
  principal: z.string(),
  target: z.string(),
  text: z.string(),
  marks: z.array(z.tuple([z.int(), z.int()])),
})
const namedSession: z.ZodType<said.NamedSession> = z.strictObject({
  id: z.string(),
  protocol,
  principal: z.string(),
  target: z.string(),
  login: z.string(),
  openedAtMs: ms,
})
export const searchPage: z.ZodType<said.SearchPage> = z.strictObject({
  ...pageOf(searchHit),
  total: z.int(),
  isTotalExact: z.boolean(),
  tookMs: z.number(),
  named: opt(
    z.strictObject({
      words: z.array(z.string()),
      items: z.array(namedSession),
      total: z.int(),
      isTotalExact: z.boolean(),
    }),
  ),
})
