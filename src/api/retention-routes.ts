/** Retention over the admin socket: what `sallyport retention` asks for. */
import type { Context, Hono } from 'hono'
import { z } from 'zod'
import type { Retention } from '../recorder/retention/retention.ts'
import { sentence } from './sentence.ts'

export type RetentionDoor = Pick<
  Retention,
  'plan' | 'run' | 'hold' | 'release' | 'holds' | 'forget' | 'viewsOf'
>

/** Sessions, persons or holds in one request. */
const maxSubjects = 100
/** Of issuers and subjects, which are not ours to limit further. */
const maxIdentityLength = 2000

const identity = z.string().min(1).max(maxIdentityLength)
const person = z.union([
  z.strictObject({ name: sentence }),
  z.strictObject({ issuer: identity, subject: identity }),
])
const runBody = z.strictObject({ by: sentence })
const holdBody = z.strictObject({
  sessions: z.array(sentence).max(maxSubjects),
  persons: z.array(person).max(maxSubjects),
  caseName: sentence.optional(),
  who: sentence,
  why: sentence,
  untilMs: z.int().positive().optional(),
  by: sentence,
})
const releaseBody = z.strictObject({
  ids: z.array(sentence).max(maxSubjects),
  caseName: sentence.optional(),
  who: sentence,
  why: sentence,
  by: sentence,
})
const forgetBody = z.strictObject({ person, why: sentence, by: sentence, dryRun: z.boolean() })

export function addRetentionRoutes(
  app: Hono,
  retention: RetentionDoor,
  bodyOf: (c: Context) => Promise<unknown>,
): void {
  app.get('/retention/plan', async c => c.json(await retention.plan()))
  app.get('/retention/holds', async c => c.json({ holds: await retention.holds() }))
  app.post('/retention/run', async c => {
    const { by } = runBody.parse(await bodyOf(c))
    return c.json(await retention.run(by))
  })
  app.post('/retention/holds', async c => {
    const { by, caseName, untilMs, ...wish } = holdBody.parse(await bodyOf(c))
    return c.json({ holds: await retention.hold({ ...wish, caseName, untilMs }, by) })
  })
  app.post('/retention/release', async c => {
    const { by, caseName, ...wish } = releaseBody.parse(await bodyOf(c))
    return c.json({ holds: await retention.release({ ...wish, caseName }, by) })
  })
  app.post('/retention/forget', async c => {
    const { person, ...wish } = forgetBody.parse(await bodyOf(c))
    return c.json(await retention.forget(person, wish))
  })
}
