/** What goes out to others, over the admin socket: what `sallyport notify` asks for. */
import type { Context, Hono } from 'hono'
import { z } from 'zod'
import type { Retried } from '../notify/lane.ts'
import type { Overview } from '../notify/notify-thread.ts'
import { problemDocument } from './problem.ts'

export type NotifyDoor = {
  readonly overview: () => Promise<Overview>
  readonly retry: (letter: string, by: string) => Promise<Retried>
  /** False if there is no such letter. */
  readonly drop: (letter: string, by: string) => Promise<boolean>
  /** False if there is no such sink, or nothing stopped it. */
  readonly resume: (sink: string, by: string) => Promise<boolean>
}

/** One readable line, since it goes into the audit log. */
const byBody = z.strictObject({
  by: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'has characters that do not show'),
})

export function addNotifyRoutes(
  app: Hono,
  notify: NotifyDoor,
  bodyOf: (c: Context) => Promise<unknown>,
): void {
  const byOf = async (c: Context): Promise<string> => byBody.parse(await bodyOf(c)).by
  app.get('/notify', async c => c.json(await notify.overview()))
  app.post('/notify/letters/:id/retry', async c => {
    const retried = await notify.retry(c.req.param('id'), await byOf(c))
    if (retried.kind === 'no-letter') return problemDocument(c, noLetter)
    return c.json(retried)
  })
  app.post('/notify/letters/:id/drop', async c => {
    const isDropped = await notify.drop(c.req.param('id'), await byOf(c))
    return isDropped ? c.json({}) : problemDocument(c, noLetter)
  })
  app.post('/notify/sinks/:name/resume', async c => {
    const isResumed = await notify.resume(c.req.param('name'), await byOf(c))
    return isResumed ? c.json({}) : problemDocument(c, notStopped)
  })
}

const noLetter = {
  status: 404,
  title: 'Not found',
  detail: 'There is no such dead letter. "sallyport notify list" shows all.',
} as const

const notStopped = {
  status: 404,
  title: 'Not stopped',
  detail: 'There is no such sink, or nothing stopped it. "sallyport notify list" shows all.',
} as const
