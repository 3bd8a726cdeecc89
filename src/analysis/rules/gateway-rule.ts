/** A rule over what the gateway itself decides: whom it refused, whom it let in. Data, like the others; it needs no recording. */
import { z } from 'zod'
import { parseDuration } from '../../config/units.ts'
import { about } from './rule.ts'

/** Refusals are remembered for so long. */
export const maxRefusalMs = 86_400_000

const within = z.string().transform((text, context) => {
  const parsed = parseDuration(text)
  if (parsed.ok && parsed.value <= maxRefusalMs) return parsed.value
  context.addIssue({ code: 'custom', message: 'must be a duration of at most 24h, such as 1h' })
  return z.NEVER
})

const happening = z.union([
  z.strictObject({
    /** A code of the audit log. */
    refused: z.string(),
    target: z.string().optional(),
    login: z.string().optional(),
    from: z.string().optional(),
    times: z.number().int().min(1).optional(),
  }),
  z.strictObject({
    opened: z.string(),
    login: z.string(),
    from: z.string().optional(),
    emergency: z.literal(true).optional(),
    after: z.string().optional(),
  }),
])
const sequences = z.array(z.array(happening).min(1)).min(1)
/** One event of an example; a second after the one before, or as it says. */
export type GatewayExample = z.output<typeof happening>

const common = { ...about, examples: z.strictObject({ matches: sequences, passes: sequences }) }

export const gatewayRuleSchema = z.discriminatedUnion('event', [
  z.strictObject({ ...common, event: z.literal('emergency-access') }),
  /** The same login on the same target, by the same person. */
  z.strictObject({
    ...common,
    event: z.literal('refused-then-opened'),
    codes: z.array(z.string()).min(1),
    within,
  }),
  z.strictObject({
    ...common,
    event: z.literal('sign-ins-refused-then-opened'),
    codes: z.array(z.string()).min(1),
    least: z.number().int().min(2).max(20),
    within,
  }),
])
export type GatewayRule = z.output<typeof gatewayRuleSchema>
