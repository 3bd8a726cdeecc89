import type { SessionRow } from '../model.ts'
import { type BrowserSession, findBrowserSession, type WebContext } from './browser.ts'
import type { SessionCursor } from './deps.ts'
import { recipientsFor } from './encrypted-routes.ts'
import { policyWithScripts } from './headers.ts'
import { isAskedByOthers, notePageReading } from './page-reading.ts'
import { sessionListPage, sessionPage, type TranscriptView } from './pages/sessions.ts'
import { welcomePage } from './pages/sign-in.ts'
import type { Problem } from './problem.ts'
import { notFromOurPage, personOf, startOfPages } from './sign-in-routes.ts'
import { answerProblem, notFound, type WebApp, type WebParts } from './answers.ts'

/** Sessions on one page. */
const pageRows = 50

/** Characters of a transcript on one page; `sallyport export` gives the whole. */
const maxTranscriptCharacters = 1_000_000

/** Transcripts in the making at once: each reads a whole recording. */
const maxTranscriptsAtOnce = 4

const tooBusy: Problem = {
  status: 503,
  title: 'Too many transcripts at once',
  detail: 'Others are opening transcripts right now. Try again in a moment.',
}

/** The review pages: what `mayReview` allows, nothing else, and unknown and forbidden sessions answer alike. */
export function addSessionRoutes(app: WebApp, parts: WebParts): void {
  const running = { transcripts: 0 }
  app.get('/sessions', c => list(c, parts))
  app.get('/sessions/:id', c => show(c, parts, c.req.param('id'), running))
}

async function list(c: WebContext, parts: WebParts): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return await askToSignIn(c, parts, undefined)
  const before = readCursor(c.req.query('before'))
  const { rows, next } = await parts.reviewable(session.principal, { limit: pageRows, before })
  const older = next === undefined ? undefined : `/sessions?before=${next.openedAtMs}.${next.id}`
  const kept = await parts.kept(rows)
  const page = { rows, kept, older, nowMs: parts.clock.nowMs(), firstPage: before === undefined }
  return await c.html(sessionListPage({ ...parts, person: personOf(parts, session) }, page))
}

async function show(
  c: WebContext,
  parts: WebParts,
  id: string,
  running: { transcripts: number },
): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return await askToSignIn(c, parts, id)
  if (isAskedByOthers(c)) return await answerProblem(c, parts, notFromOurPage)
  const row = await parts.store.sessions.get(id)
  if (row === undefined || !parts.mayReview(session.principal, row))
    return await answerProblem(c, parts, notFound)
  if (running.transcripts >= maxTranscriptsAtOnce) return await answerProblem(c, parts, tooBusy)
  running.transcripts += 1
  try {
    const [kept] = await parts.kept([row])
    const transcript: TranscriptView =
      kept?.purged === undefined
        ? await openTranscript(c, parts, session, row)
        : { kind: 'removed', purged: kept.purged }
    const frame = { ...parts, person: personOf(parts, session) }
    if (transcript.kind === 'encrypted') c.header('Content-Security-Policy', policyWithScripts)
    return await c.html(sessionPage(frame, row, { nowMs: parts.clock.nowMs(), kept, transcript }))
  } finally {
    running.transcripts -= 1
  }
}

/** Whoever watches is watched: the audit log has the reading before the reader has a word of it, or there is none. */
async function openTranscript(
  c: WebContext,
  parts: WebParts,
  session: BrowserSession,
  row: SessionRow,
): Promise<TranscriptView> {
  if (row.state === 'open') return { kind: 'still-open' }
  const recipients = await recipientsFor(parts, row)
  if (recipients !== undefined) return { kind: 'encrypted', recipients }
  await notePageReading(c, parts, session, row, 'web transcript')
  const text = await parts.transcript(row)
  return {
    kind: 'text',
    text: text.slice(0, maxTranscriptCharacters),
    cut: text.length > maxTranscriptCharacters,
  }
}

async function askToSignIn(c: WebContext, parts: WebParts, session: string | undefined): Promise<Response> {
  return await c.html(welcomePage(parts, startOfPages(session)), 401)
}

/** `<milliseconds>.<session id>`; anything else is the first page. */
function readCursor(text: string | undefined): SessionCursor | undefined {
  const match = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})$/.exec(text ?? '')
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return { openedAtMs: Number(match[1]), id: match[2] }
}
