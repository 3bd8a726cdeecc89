/** Whoever watches is watched, on the pages without scripts as on the others. */
import type { SessionRow } from '../model.ts'
import type { WebParts } from './answers.ts'
import { type BrowserSession, browserAddress, type WebContext } from './browser.ts'

/** In the audit log, and among the readings that the person concerned sees, before the reader has a word of it. */
export async function notePageReading(
  c: WebContext,
  parts: WebParts,
  { principal }: BrowserSession,
  { id: session }: SessionRow,
  purpose: string,
): Promise<void> {
  const { issuer, subject, name } = principal.fields
  const sourceAddress = browserAddress(c, parts)
  parts.audit.append({ kind: 'recording-read', session, purpose, issuer, subject, name, sourceAddress })
  await parts.api?.reviews.noteReading({ session, purpose, issuer, subject, name, atMs: parts.clock.nowMs() })
}

/** Whether a page of another origin asks, for something else than to lead its reader here. It must not make anybody read. */
export function isAskedByOthers(c: WebContext): boolean {
  const site = c.req.header('sec-fetch-site')
  return (site === 'cross-site' || site === 'same-site') && c.req.header('sec-fetch-dest') !== 'document'
}
