/** Findings over the admin socket: what `sallyport findings` asks for. Who may open the socket sees and decides, but approves no names. */
import type { Context, Hono } from 'hono'
import { z } from 'zod'
import type { Answer, Asker, FindingDesk } from '../analysis/findings/desk.ts'
import type { FairnessReport } from '../analysis/findings/fairness.ts'
import { severities } from '../analysis/rules/rule.ts'
import type { HoldResult } from '../session/hold.ts'
import { type Problem, problemDocument } from './problem.ts'
import { sentence } from './sentence.ts'

export type FindingDoor = {
  readonly desk: FindingDesk
  readonly fairness: (days: number) => Promise<FairnessReport>
  /** Holds what the user of an open session sends; they are told why. */
  readonly pause: (session: string, by: string, reason: string) => Promise<Paused>
  /** Lets a session go on that is held. False if none of that id is held. */
  readonly release: (session: string, by: string, reason?: string) => Promise<boolean>
}

/** What came of a wish to pause. */
type Paused = HoldResult | 'paused-already'

/** Values of one filter. */
const maxValues = 50
/** A report looks back a year at most. */
const maxDays = 366

const paragraph = z.string().max(2000)
const many = <T extends z.ZodType>(item: T) => z.array(item).max(maxValues).optional()
const filterBody = z.strictObject({
  by: sentence,
  state: many(z.enum(['new', 'acknowledged', 'closed'])),
  severity: many(z.enum(severities)),
  kind: many(z.enum(['rule', 'baseline', 'integrity', 'sample'])),
  rule: many(sentence),
  principal: many(sentence),
  session: many(sentence),
  assignee: many(sentence),
  place: z.enum(['queue', 'below', 'snoozed', 'suppressed', 'all']).optional(),
  cursor: sentence.optional(),
  limit: z.int().min(1).max(200).optional(),
})
const byBody = z.strictObject({ by: sentence })
const pauseBody = byBody.extend({ reason: sentence })
const resumeBody = byBody.extend({ reason: sentence.optional() })
const assignBody = byBody.extend({ to: sentence })
const closeBody = byBody.extend({
  reason: z.enum(['true-positive', 'benign-expected', 'rule-too-broad', 'duplicate']),
  rationale: paragraph,
})
const verdictBody = byBody.extend({
  verdict: z.enum(['expected', 'explained', 'escalate']),
  rationale: paragraph,
})
const reopenBody = byBody.extend({ rationale: paragraph })
const suppressBody = byBody.extend({
  scope: z.enum(['rule-person', 'rule-target', 'rule']),
  untilMs: z.int().positive(),
  rationale: paragraph,
})
const liftBody = byBody.extend({ rationale: paragraph })
const snoozeBody = byBody.extend({ untilMs: z.int().positive() })
const unmaskBody = byBody.extend({ caseId: sentence, reason: paragraph })
const daysQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(maxDays).default(30) })

export function addFindingRoutes(
  app: Hono,
  { desk, fairness, pause, release }: FindingDoor,
  bodyOf: (c: Context) => Promise<unknown>,
): void {
  const post = <Body extends { readonly by: string }>(
    act: string,
    schema: z.ZodType<Body>,
    decide: (id: string, body: Body, asker: Asker) => Promise<Answer<unknown>>,
  ): void => {
    app.post(`/findings/:id/${act}`, async c => {
      const body = schema.parse(await bodyOf(c))
      return answer(c, await decide(c.req.param('id'), body, askerOf(body)))
    })
  }
  app.post('/findings', async c => {
    const { by, ...filter } = filterBody.parse(await bodyOf(c))
    return c.json(await desk.list(withoutUndefined(filter), askerOf({ by })))
  })
  app.post('/sessions/:id/pause', async c => {
    const { by, reason } = pauseBody.parse(await bodyOf(c))
    const paused = await pause(c.req.param('id'), by, reason)
    return paused === 'held' ? c.json({}) : problemDocument(c, notPaused[paused])
  })
  app.post('/sessions/:id/resume', async c => {
    const { by, reason } = resumeBody.parse(await bodyOf(c))
    if (await release(c.req.param('id'), by, reason)) return c.json({})
    return problemDocument(c, { status: 409, title: 'Not held', detail: 'No such session is held.' })
  })
  app.get('/fairness', async c => c.json(await fairness(daysQuery.parse(c.req.query()).days)))
  post('show', byBody, (id, _, asker) => desk.get(id, asker))
  post('acknowledge', byBody, (id, _, asker) => desk.acknowledge(id, asker))
  post('assign', assignBody, (id, { to }, asker) => desk.assign(id, to, asker))
  post('close', closeBody, (id, { reason, rationale }, asker) => desk.close(id, { reason, rationale }, asker))
  post('verdict', verdictBody, (id, { verdict, rationale }, asker) =>
    desk.verdict(id, { verdict, rationale }, asker),
  )
  post('reopen', reopenBody, (id, { rationale }, asker) => desk.reopen(id, rationale, asker))
  post('suppress', suppressBody, (id, { scope, untilMs, rationale }, asker) =>
    desk.suppress(id, { scope, untilMs, rationale }, asker),
  )
  post('lift', liftBody, (id, { rationale }, asker) => desk.lift(id, rationale, asker))
  post('snooze', snoozeBody, (id, { untilMs }, asker) => desk.snooze(id, untilMs, asker))
  post('unmask', unmaskBody, (id, { caseId, reason }, asker) => desk.unmask(id, { caseId, reason }, asker))
}

const notPaused: Readonly<Record<Exclude<Paused, 'held'>, Problem>> = {
  'not-open': { status: 404, title: 'Not open', detail: 'No such session is open.' },
  'paused-already': {
    status: 409,
    title: 'Paused already',
    detail: 'The session is paused. Let it go on, or end it.',
  },
  ended: {
    status: 409,
    title: 'Ended',
    detail: 'It could not be made sure that the session waits, so it was told to end.',
  },
}

/** The socket tells no person; what the command line says of its user stands in the audit log. */
function askerOf({ by }: { readonly by: string }): Asker {
  return { kind: 'local', name: by }
}

const statuses = { 'not-found': 404, 'not-allowed': 403, conflict: 409, invalid: 400 } as const
const titles = {
  'not-found': 'Not found',
  'not-allowed': 'Not allowed',
  conflict: 'Not possible now',
  invalid: 'Bad request',
} as const

function answer(c: Context, said: Answer<unknown>): Response {
  if (said.ok) return c.json(said.value ?? {})
  return problemDocument(c, { status: statuses[said.why], title: titles[said.why], detail: said.text })
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Defined<T>
}
