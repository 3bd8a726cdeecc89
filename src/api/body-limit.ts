import type { WebContext } from './browser.ts'
import type { Problem } from './problem.ts'

/**
 * Refuses bodies that are longer than `maxBytes`, and those that do not say how long they are: browsers and tools say it of what they have whole, and
 * Node cuts what is longer than it says. A request that says neither has no body (RFC 9112, section 6.3).
 */
export function limitBodies(
  maxBytes: number,
  refuse: (c: WebContext, problem: Problem) => Response | Promise<Response>,
) {
  const tooLarge: Problem = {
    status: 413,
    title: 'Too large',
    detail: `Requests here are at most ${maxBytes} bytes.`,
  }
  return async (c: WebContext, next: () => Promise<void>): Promise<Response | undefined> => {
    if (c.req.header('transfer-encoding') !== undefined) return await refuse(c, noLength)
    if (Number(c.req.header('content-length') ?? 0) > maxBytes) return await refuse(c, tooLarge)
    await next()
    return undefined
  }
}

const noLength: Problem = {
  status: 411,
  title: 'No length',
  detail: 'Say how long the request is (Content-Length) instead of sending it in pieces.',
}
