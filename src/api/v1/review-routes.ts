/** What reviewers leave on a session: comments, what they watched of it, their verdict, and its end. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { SessionRow } from '../../model.ts'
import type { Comment, Verdict, Watched } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { line, prose } from './fields.ts'
import { conflict, stillOpen } from './refusals.ts'
import { type Asking, Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'
import { comment, comments, verdict, verdictWord, watched } from './shapes.ts'
import { mergeStretches } from './stretches.ts'

/** Characters of a comment and of a rationale: a page of text. */
const maxText = 4000
/** Of one person on one session: those of others are shown beside them, and fewer are shown than many can write. */
const maxComments = 100
const maxVerdicts = 10
/** A recording is not longer, in milliseconds: a month. */
const maxOffsetMs = 31 * 86_400_000
/** Stretches of one report: a player tells every few seconds. */
const maxTold = 200

const offset = z.number().min(0).max(maxOffsetMs)
const commentBody = z.strictObject({ offsetMs: offset.optional(), text: prose(maxText) })
const watchedBody = z.strictObject({
  stretches: z
    .array(
      z
        .strictObject({ fromMs: offset, toMs: offset })
        .refine(({ fromMs, toMs }) => fromMs <= toMs, 'ends before it begins'),
    )
    .max(maxTold),
})
const verdictBody = z.strictObject({ verdict: verdictWord, rationale: prose(maxText) })
const assignBody = z.strictObject({ to: line(300) })
const endBody = z.strictObject({ reason: line(200) })

export function reviewRoutes(parts: ApiParts): readonly Route[] {
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/comments',
        summary: 'What people say about it',
        answer: comments,
      },
      async ({ row }) => ({ items: (await parts.reviews.commentsOf(row.id)).map(commentOf) }),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/comments',
        summary: 'Say something about it, or about a moment of it',
        body: commentBody,
        answer: comment,
      },
      ask => addComment(parts, ask),
    ),
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/watched',
        summary: 'Who watched how much of it',
        answer: z.array(watched),
      },
      async ({ row }) => (await parts.reviews.watchedOf(row.id)).map(watchedOf),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/watched',
        summary: 'What you have watched of it',
        body: watchedBody,
        answer: undefined,
      },
      ask => noteWatched(parts, ask),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/assign',
        summary: 'Give it to a reviewer, or take it back',
        body: assignBody,
        answer: undefined,
      },
      ask => assign(parts, ask),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/verdict',
        summary: 'Give a verdict',
        body: verdictBody,
        answer: verdict,
      },
      ask => giveVerdict(parts, ask),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/end',
        summary: 'End it while it is open; its user is told the reason',
        body: endBody,
        answer: undefined,
      },
      ask => endSession(parts, ask),
    ),
  ]
}

/** Who did something, for rows and for the audit log. */
export function who({ principal }: Asking) {
  const { issuer, subject, name } = principal.fields
  return { issuer, subject, name }
}

type CommentRow = Awaited<ReturnType<ApiParts['reviews']['commentsOf']>>[number]

export function commentOf({ id, name, atMs, offsetMs, text }: CommentRow): Comment {
  return { id, by: name, atMs, ...(offsetMs === undefined ? {} : { offsetMs }), text }
}

async function addComment(
  parts: ApiParts,
  { row, person, body }: SessionAsk<unknown, z.output<typeof commentBody>>,
): Promise<Comment | Refused> {
  if (ofPerson(await parts.reviews.commentsOf(row.id), person).length >= maxComments) return enoughComments
  const id = randomUUID()
  const atMs = parts.clock.nowMs()
  parts.audit.append({ kind: 'comment-added', session: row.id, comment: id, ...who(person) })
  const comment = { id, session: row.id, ...who(person), atMs, offsetMs: body.offsetMs, text: body.text }
  await parts.reviews.comment(comment)
  return commentOf(comment)
}

function ofPerson<Row extends { readonly issuer: string; readonly subject: string }>(
  rows: readonly Row[],
  { principal }: Asking,
): readonly Row[] {
  const { issuer, subject } = principal.fields
  return rows.filter(row => row.issuer === issuer && row.subject === subject)
}

const enoughComments = conflict(
  'Enough said',
  `You have written ${maxComments} comments on this session. Those of others have to be seen, too.`,
)
const enoughVerdicts = conflict(
  'Enough said',
  `You have given ${maxVerdicts} verdicts on this session, and the last one counts as much as another would.`,
)

export function watchedOf({
  name,
  lastMs,
  stretches,
}: Awaited<ReturnType<ApiParts['reviews']['watchedOf']>>[number]): Watched {
  return { by: name, lastMs, stretches }
}

async function noteWatched(
  parts: ApiParts,
  { row, person, body }: SessionAsk<unknown, z.output<typeof watchedBody>>,
): Promise<undefined> {
  const about = { session: row.id, ...who(person), lastMs: parts.clock.nowMs() }
  await parts.reviews.watch(about, before => mergeStretches([...before, ...body.stretches]))
}

/** Why this person may not give a verdict on a session that they see. Their own they do not see at all. */
export function verdictRefusal({ state }: SessionRow): string | undefined {
  return state === 'open' ? 'The session goes on. A verdict is given when it has ended.' : undefined
}

/** In the audit log before it counts. Who thinks again gives another one: both are kept. */
async function giveVerdict(
  parts: ApiParts,
  { row, person, body }: SessionAsk<unknown, z.output<typeof verdictBody>>,
): Promise<Verdict | Refused> {
  if (verdictRefusal(row) !== undefined) return new Refused(stillOpen)
  if (ofPerson(await parts.reviews.verdictsOf([row.id]), person).length >= maxVerdicts) return enoughVerdicts
  const atMs = parts.clock.nowMs()
  const { verdict, rationale } = body
  parts.audit.append({ kind: 'verdict-given', session: row.id, verdict, rationale, ...who(person) })
  await parts.reviews.judge({
    id: randomUUID(),
    session: row.id,
    ...who(person),
    atMs,
    verdict,
    rationale,
  })
  return { by: person.name, atMs, verdict, rationale }
}

/** In the audit log before it is theirs. */
async function assign(
  parts: ApiParts,
  { row, person, body: { to } }: SessionAsk<unknown, z.output<typeof assignBody>>,
): Promise<Refused | undefined> {
  const assignee = to === 'me' ? person.name : to === 'nobody' ? undefined : to
  if (assignee === row.principalName) return theirOwn
  const isKnown =
    assignee === undefined || assignee === person.name || (await parts.reviews.isReader(assignee))
  if (!isKnown) return unknownReviewer
  parts.audit.append({ kind: 'session-assigned', session: row.id, to: assignee ?? '', ...who(person) })
  await parts.reviews.assignSession({
    session: row.id,
    assignee,
    by: person.name,
    atMs: parts.clock.nowMs(),
  })
  return undefined
}

const theirOwn = conflict('Their own', 'Nobody reviews their own session.')
const unknownReviewer = conflict(
  'Nobody of that name',
  'Nobody of that name has opened a session here yet. Who is to review it has to have signed in and looked at one.',
)

function endSession(
  parts: ApiParts,
  { row, person, body: { reason } }: SessionAsk<unknown, z.output<typeof endBody>>,
): Refused | undefined {
  if (row.state !== 'open') return notOpen
  parts.audit.append({ kind: 'end-asked', session: row.id, reason, ...who(person) })
  return parts.live.end(row.id, reason, 'a reviewer') ? undefined : notOpen
}

const notOpen: Refused = conflict('Not open', 'The session has ended already.')
