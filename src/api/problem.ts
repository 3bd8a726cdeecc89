import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Fault, type FaultCode } from '../errors.ts'

/** What went wrong, for people (`detail` says what to do) and for programs. */
export type Problem = {
  readonly status: ContentfulStatusCode
  readonly title: string
  readonly detail: string
}

/** RFC 9457. Types are names, not addresses: nothing is to be fetched. `more` are members that another standard asks for. */
export function problemDocument(
  c: Context,
  problem: Problem,
  code?: string,
  more: Readonly<Record<string, unknown>> = {},
): Response {
  const type = code === undefined ? 'about:blank' : `urn:sallyport:fault:${code}`
  return c.json(
    { ...more, type, title: problem.title, status: problem.status, detail: problem.detail },
    problem.status,
    {
      'Content-Type': 'application/problem+json',
    },
  )
}

const faultStatus: Partial<Record<FaultCode, { status: ContentfulStatusCode; title: string }>> = {
  TOKEN_REFUSED: { status: 403, title: 'Not signed in' },
  ISSUER_UNAVAILABLE: { status: 503, title: 'The identity provider is away' },
  STORE_UNAVAILABLE: { status: 503, title: 'The gateway cannot look that up' },
  SEARCH_UNAVAILABLE: { status: 503, title: 'The search has no answer for now' },
  AUDIT_APPEND_FAILED: { status: 503, title: 'The gateway cannot keep its records' },
  RECORDING_FORMAT: { status: 500, title: 'The recording cannot be read' },
  RECORDING_STORE_UNAVAILABLE: { status: 503, title: 'The storage of recordings is away' },
  RECORDING_LOCKED: { status: 409, title: 'The bucket keeps this recording' },
  RECORDING_ENCRYPTED: { status: 409, title: 'Encrypted' },
  RECORDING_NOT_FOUND: { status: 404, title: 'The recording is not there' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  KEY_CHANGE_REFUSED: { status: 409, title: 'Nothing was changed' },
}

/** What a thrown thing is to the other side. Only a Fault's own words for users leave the process. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Fault) {
    const { status, title } = faultStatus[thrown.code] ?? {
      status: 500 as const,
      title: 'Something went wrong',
    }
    return { status, title, detail: thrown.userText }
  }
  return {
    status: 500,
    title: 'Something went wrong',
    detail: 'The gateway could not do that; its log says why. Try again, or tell the people who run it.',
  }
}
