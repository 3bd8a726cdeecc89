/** What recordings promise when disks fail or sessions do not end: `recording.sync`, `.reserve` and `.limits`. */
import { z } from 'zod'
import type { DurabilityConfig } from './config.ts'
import { reading, size, duration } from './schema-values.ts'

/** More than any disk's worth of open sessions. */
const MAX_RESERVE_BYTES = 64 * 1024 ** 3

const reserve = reading(value =>
  value === 'none' ? { ok: true, value: 0 } : sizeOrIssue(size(MAX_RESERVE_BYTES).safeParse(value)),
)

export const durability = {
  sync: z.enum(['os', 'disk', 'statement']).default('os'),
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

export function durabilityOf({ sync, reserve, limits }: Durability): DurabilityConfig {
  return {
    sync,
    reserveBytes: reserve,
    limits: {
      recordedBytes: limits.size,
      ...(limits.time === undefined ? {} : { timeMs: limits.time }),
      ...(limits.output === undefined ? {} : { outputBytes: limits.output }),
      ...(limits.rate === undefined ? {} : { outputBytesPerSecond: limits.rate }),
    },
  }
}
