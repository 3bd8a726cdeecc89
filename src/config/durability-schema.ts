/** What recordings promise when disks fail or sessions do not end: `recording.sync`, `.appendTimeout`, `.reserve` and `.limits`. */
import { z } from 'zod'
import type { DurabilityConfig } from './config.ts'
import { reading, size, duration } from './schema-values.ts'

/** Below, a busy processor is taken for a lost disk; above, users wait for nothing. */
const APPEND_TIMEOUT_MS = { min: 200, max: 60_000 } as const

/** More than any disk's worth of open sessions. */
const MAX_RESERVE_BYTES = 64 * 1024 ** 3

const reserve = reading(value =>
  value === 'none' ? { ok: true, value: 0 } : sizeOrIssue(size(MAX_RESERVE_BYTES).safeParse(value)),
)

const appendTimeout = reading(value => {
  const parsed = duration().safeParse(value)
  const isInRange =
    parsed.success && parsed.data >= APPEND_TIMEOUT_MS.min && parsed.data <= APPEND_TIMEOUT_MS.max
  return isInRange
    ? { ok: true as const, value: parsed.data }
    : { ok: false as const, message: 'must be a duration such as 2s, between 200ms and 1m' }
})

export const durability = {
  sync: z.enum(['os', 'disk', 'statement']).default('os'),
  appendTimeout: appendTimeout.prefault('1s'),
  reserve: reserve.prefault('64MiB'),
  limits: z
    .strictObject({
      size: size().prefault('10GiB'),
      time: duration().optional(),
      output: size().optional(),
      rate: size().optional(),
    })
    .prefault({}),
}

function sizeOrIssue(parsed: z.ZodSafeParseResult<number>) {
  return parsed.success
    ? { ok: true as const, value: parsed.data }
    : { ok: false as const, message: 'must be a size such as 64MiB, at most 64GiB, or none' }
}

type Durability = z.output<z.ZodObject<typeof durability>>

export function durabilityOf({ sync, appendTimeout, reserve, limits }: Durability): DurabilityConfig {
  return {
    sync,
    appendTimeoutMs: appendTimeout,
    reserveBytes: reserve,
    limits: {
      recordedBytes: limits.size,
      ...(limits.time === undefined ? {} : { timeMs: limits.time }),
      ...(limits.output === undefined ? {} : { outputBytes: limits.output }),
      ...(limits.rate === undefined ? {} : { outputBytesPerSecond: limits.rate }),
    },
  }
}
