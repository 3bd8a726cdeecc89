/** Findings: the desk decides who sees and may do what; here its words become answers. */
import { z } from 'zod'
import type { Answer as DeskAnswer, Asker, FindingDesk } from '../../analysis/findings/desk.ts'
import type { Problem } from '../problem.ts'
import type { SnoozeWish, UnmaskDecision } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { cursor, limit, line, prose, several, severities, word } from './fields.ts'
import { type Ask, type Asking, Refused, route, type Route } from './route.ts'
import { findingCounts, findingDetail, findingPage, verdictWord } from './shapes.ts'

const maxRationale = 2000
const rationale = prose(maxRationale)
const maxUntilMs = 8.64e15

const listQuery = z.strictObject({
  state: several(z.enum(['new', 'acknowledged', 'closed'])),
  severity: severities,
  kind: several(z.enum(['rule', 'baseline', 'integrity', 'sample'])),
  rule: several(word),
  principal: several(word),
  session: several(word),
  assignee: several(word),
  place: z.enum(['queue', 'below', 'snoozed', 'suppressed', 'all']).optional(),
  cursor,
  limit,
})
const nothing = z.strictObject({})
const assignBody = z.strictObject({ to: line(300) })
const closeBody = z.strictObject({
  reason: z.enum(['true-positive', 'benign-expected', 'rule-too-broad', 'duplicate']),
  rationale,
})
const reopenBody = z.strictObject({ rationale })
const suppressBody = z.strictObject({
  scope: z.enum(['rule-person', 'rule-target', 'rule']),
  untilMs: z.int().positive().max(maxUntilMs),
  rationale,
})
const snoozeBody: z.ZodType<SnoozeWish> = z.strictObject({ untilMs: z.int().positive().max(maxUntilMs) })
const verdictBody = z.strictObject({ verdict: verdictWord, rationale })
const unmaskBody = z.strictObject({ caseId: line(200), reason: rationale })
const decideBody: z.ZodType<UnmaskDecision> = z.strictObject({ approve: z.boolean() })

export function findingRoutes(parts: ApiParts): readonly Route[] {
  const desk = parts.findings
  if (desk === undefined) return []
  return [
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/findings',
        summary: 'Findings, the most severe first',
        query: listQuery,
        answer: findingPage,
      },
      ({ query, person }) => desk.list(present(query), askerOf(person)),
    ),
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/findings/counts',
        summary: 'How many are in each state',
        answer: findingCounts,
      },
      ({ person }) => desk.counts(askerOf(person)),
    ),
    route(
      'reviewer',
      { method: 'GET', path: '/findings/:finding', summary: 'One finding', answer: findingDetail },
      async ask => said(await desk.get(idOf(ask), askerOf(ask.person))),
    ),
    ...decisions(desk),
  ]
}

function decisions(desk: FindingDesk): readonly Route[] {
  return [
    decision('acknowledge', 'Say that somebody looks at it', nothing, (id, _, asker) =>
      desk.acknowledge(id, asker),
    ),
    decision('assign', 'Give it to somebody', assignBody, (id, { to }, asker) => desk.assign(id, to, asker)),
    decision('close', 'Close it with a reason', closeBody, (id, closing, asker) =>
      desk.close(id, closing, asker),
    ),
    decision('reopen', 'Open it again', reopenBody, (id, { rationale: why }, asker) =>
      desk.reopen(id, why, asker),
    ),
    decision('suppress', 'Show no more like it for a while', suppressBody, (id, wish, asker) =>
      desk.suppress(id, wish, asker),
    ),
    decision('lift', 'End what suppresses it', reopenBody, (id, { rationale: why }, asker) =>
      desk.lift(id, why, asker),
    ),
    decision('snooze', 'Put it off until an instant', snoozeBody, (id, { untilMs }, asker) =>
      desk.snooze(id, untilMs, asker),
    ),
    decision('verdict', 'Give a verdict', verdictBody, (id, verdict, asker) =>
      desk.verdict(id, verdict, asker),
    ),
    decision('unmask', 'Ask to see whom it is about', unmaskBody, (id, wish, asker) =>
      desk.unmask(id, wish, asker),
    ),
    route(
      'reviewer',
      {
        method: 'POST',
        path: '/findings/:finding/unmaskings/:request',
        summary: 'Approve or refuse that a name is shown',
        body: decideBody,
        answer: findingDetail,
      },
      async ask => {
        const { finding = '', request = '' } = ask.params
        const asker = askerOf(ask.person)
        const known = await desk.get(finding, asker)
        const isOfIt = known.ok && known.value.unmaskings.some(({ id }) => id === request)
        if (known.ok && !isOfIt) return said({ ok: false, why: 'not-found', text: '' })
        return said(known.ok ? await desk.decideUnmask(request, ask.body.approve, asker) : known)
      },
    ),
  ]
}

function decision<Body extends z.ZodType>(
  what: string,
  summary: string,
  body: Body,
  decide: (id: string, body: z.output<Body>, asker: Asker) => Promise<DeskAnswer<object>>,
): Route {
  return route(
    'reviewer',
    { method: 'POST', path: `/findings/:finding/${what}`, summary, body, answer: findingDetail },
    async ask => said(await decide(idOf(ask), ask.body, askerOf(ask.person))),
  )
}

function idOf({ params }: Ask): string {
  return params['finding'] ?? ''
}

export function askerOf({ principal }: Asking): Asker {
  return { kind: 'person', principal }
}

const statuses: Readonly<
  Record<Extract<DeskAnswer<unknown>, { ok: false }>['why'], Omit<Problem, 'detail'>>
> = {
  'not-found': { status: 404, title: 'Not found' },
  'not-allowed': { status: 403, title: 'Not allowed' },
  conflict: { status: 409, title: 'Somebody was faster' },
  invalid: { status: 400, title: 'Bad request' },
}

/** What is not there says the same as everywhere. */
export function said<T>(answer: DeskAnswer<T>): T | Refused {
  if (answer.ok) return answer.value
  const detail =
    answer.why === 'not-found' ? 'There is nothing here, or nothing that you may see.' : answer.text
  return new Refused({ ...statuses[answer.why], detail })
}

type Present<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** Without what is undefined. */
export function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>
}
