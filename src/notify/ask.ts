/** What a webhook's answer may ask for. */
import { z } from 'zod'
import type { Ask } from './sinks/sink.ts'

const asked = z.object({
  ask: z.enum(['end', 'pause', 'require-review']),
  session: z.string().regex(/^[0-9a-z]{1,40}$/),
  reason: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u)
    .default('no reason was given'),
})

/** Undefined for an answer that asks for nothing, or says it in another form. */
export function parseAsk(body: string | undefined): Ask | undefined {
  if (body === undefined || !body.trimStart().startsWith('{')) return undefined
  try {
    const parsed = asked.safeParse(JSON.parse(body))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
