import type { HttpAnswer } from './http-post.ts'
import { retryAfterMs } from './retry-after.ts'
import type { Problem } from './sinks/sink.ts'

/** They say nothing about the message: 408 and 425 too early or late, 429 too many, 502 to 504 nobody behind the proxy. */
const awayStatuses: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504])

/** What an answer that is no success means for the message. */
export function problemOfAnswer({ status, retryAfter }: HttpAnswer, nowMs: number): Problem {
  if (status === 410)
    return { kind: 'gone', reason: 'it answered with status 410: it wants no more messages' }
  const waitMs = retryAfterMs(retryAfter, nowMs)
  const redirect = status >= 300 && status < 400 ? ', a redirect, and those are not followed' : ''
  return {
    kind: awayStatuses.has(status) ? 'away' : 'refused',
    reason: `it answered with status ${status}${redirect}`,
    ...(waitMs === undefined ? {} : { waitMs }),
  }
}
