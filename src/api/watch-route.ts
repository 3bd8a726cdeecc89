/** Watching an open session over the admin socket, line by line as it goes on. The seam for a page that does the same. */
import type { Context } from 'hono'
import { z } from 'zod'
import type { SessionRow } from '../model.ts'
import type { LiveWatch } from '../recorder/live-watch.ts'
import type { AdminDeps } from './deps.ts'
import { type Problem, problemDocument } from './problem.ts'

const query = z.strictObject({ by: z.string().trim().min(1).max(200) })

const refusals: Readonly<Record<'not-open' | 'too-many', Problem>> = {
  'not-open': {
    status: 404,
    title: 'Not open',
    detail: 'No such session is open. "sallyport sessions list --state open" shows those that are.',
  },
  'too-many': {
    status: 429,
    title: 'Too many watch it',
    detail: 'This session has as many watchers as there may be. Try again when one has left.',
  },
}

/**
 * One JSON object a line: first `session` (its row), then `us` and `event` for each event from now on (bytes in `base64`), at last
 * `end` (`reason` and `text`). The audit log has the watch before the watcher has a word of it, and its end after.
 */
export async function watchSession(c: Context, deps: AdminDeps, id: string): Promise<Response> {
  const { by } = query.parse(c.req.query())
  const watching = deps.live.watch(id)
  if (watching.kind !== 'watching') return problemDocument(c, refusals[watching.kind])
  const { watch, row } = watching
  try {
    deps.audit.append({ kind: 'watch-begin', session: id, by })
  } catch (cause) {
    watch.end({ reason: 'left', text: '' })
    throw cause
  }
  const stream = linesOf(watch, row, reason =>
    deps.audit.append({ kind: 'watch-end', session: id, by, events: watch.events, reason }),
  )
  return c.body(stream, 200, { 'Content-Type': 'application/x-ndjson' })
}

/** Takes no more than its reader does: what waits, waits in the watch, which is bounded. */
function linesOf(
  watch: LiveWatch,
  row: SessionRow,
  onEnd: (reason: string) => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isOver = false
  const over = (reason: string): void => {
    if (isOver) return
    isOver = true
    onEnd(reason)
  }
  return new ReadableStream<Uint8Array>(
    {
      start: controller => controller.enqueue(encoder.encode(`${JSON.stringify({ session: row })}\n`)),
      pull: async controller => {
        const taken = await watch.take()
        if (!('reason' in taken)) return controller.enqueue(encoder.encode(`${taken.join('\n')}\n`))
        over(taken.reason)
        if (taken.reason === 'left') return
        controller.enqueue(encoder.encode(`${JSON.stringify({ end: taken })}\n`))
        controller.close()
      },
      // Where nothing is pulled, as before the first reading or of a slow reader, nobody else takes the end.
      cancel: async () => {
        watch.end({ reason: 'left', text: '' })
        over(await endOf(watch))
      },
    },
    { highWaterMark: 1 },
  )
}

/** Why it is over, past all that waits. */
async function endOf(watch: LiveWatch): Promise<string> {
  for (;;) {
    const taken = await watch.take()
    if ('reason' in taken) return taken.reason
  }
}
