/** What the page of an encrypted session fetches: the recording as it is stored, and the scripts that open it in the browser. */
import { createReadStream, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { SessionRow } from '../model.ts'
import { recipientsOf } from '../recorder/encryption/auditor-key.ts'
import { headerOf } from '../recorder/reader.ts'
import { answerProblem, notFound, type WebApp, type WebParts } from './answers.ts'
import { type BrowserSession, findBrowserSession, type WebContext } from './browser.ts'
import { isAskedByOthers, notePageReading } from './page-reading.ts'
import type { Problem } from './problem.ts'
import { scriptAt } from './scripts.ts'
import { notFromOurPage } from './sign-in-routes.ts'
import { whileTaken } from './v1/download/taken.ts'

/** Recordings on their way to browsers at once. */
const maxDownloadsAtOnce = 4

const tooBusy: Problem = {
  status: 503,
  title: 'Too many recordings at once',
  detail: 'Others are fetching recordings right now. Try again in a moment.',
}

/** To whom the recording of a finished session is encrypted; undefined if it is not. */
export async function recipientsFor(
  parts: WebParts,
  row: SessionRow,
): Promise<readonly string[] | undefined> {
  const fetched = await parts.stored?.(row)
  if (fetched === undefined) return undefined
  try {
    const { encryption } = headerOf(fetched.path)
    return encryption === null ? undefined : recipientsOf(encryption)
  } finally {
    fetched.release()
  }
}

export function addEncryptedRoutes(app: WebApp, parts: WebParts): void {
  const running = { downloads: 0 }
  app.get('/scripts/*', c => script(c, parts))
  app.get('/sessions/:id/stored', c => stored(c, parts, c.req.param('id'), running))
}

async function script(c: WebContext, parts: WebParts): Promise<Response> {
  const text = await scriptAt(c.req.path)
  if (text === undefined) return answerProblem(c, parts, notFound)
  return c.body(text, 200, { 'Content-Type': 'text/javascript; charset=utf-8' })
}

/** Only what nobody can read without a key: what everybody can read has a page, and the audit log says who read it. */
async function stored(
  c: WebContext,
  parts: WebParts,
  id: string,
  running: { downloads: number },
): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  const row = session === undefined ? undefined : await parts.store.sessions.get(id)
  if (session === undefined || row === undefined || !parts.mayReview(session.principal, row))
    return answerProblem(c, parts, notFound)
  if (isAskedByOthers(c)) return answerProblem(c, parts, notFromOurPage)
  const [kept] = await parts.kept([row])
  if (row.state === 'open' || kept?.purged !== undefined) return answerProblem(c, parts, notFound)
  if ((await recipientsFor(parts, row)) === undefined) return answerProblem(c, parts, notFound)
  if (running.downloads >= maxDownloadsAtOnce) return answerProblem(c, parts, tooBusy)
  running.downloads += 1
  try {
    return await send(c, parts, session, row, () => (running.downloads -= 1))
  } catch (cause) {
    running.downloads -= 1
    throw cause
  }
}

async function send(
  c: WebContext,
  parts: WebParts,
  session: BrowserSession,
  row: SessionRow,
  onEnd: () => void,
): Promise<Response> {
  const fetched = await parts.stored?.(row)
  if (fetched === undefined) return answerProblem(c, parts, notFound)
  try {
    await notePageReading(c, parts, session, row, 'web: encrypted recording')
  } catch (cause) {
    fetched.release()
    throw cause
  }
  const { size } = statSync(fetched.path)
  const file = createReadStream(fetched.path, { end: size - 1 })
  file.once('close', () => {
    fetched.release()
    onEnd()
  })
  const stream = whileTaken(Readable.toWeb(file) as ReadableStream<Uint8Array>, () =>
    c.env.incoming?.socket.destroy(),
  )
  return c.body(stream, 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(size),
    'Content-Disposition': `attachment; filename="${row.id}.sallyport"`,
  })
}
