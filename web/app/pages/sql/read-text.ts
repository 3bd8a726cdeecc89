/** How much of a session of PostgreSQL somebody has looked at, in words. */
import type { Watched } from '../../../../src/api/schema.ts'
import type { Statement } from './statement.ts'

/** The gateway joins stretches that nearly touch: so it says at, and not which. */
export function readText(
  statements: readonly Pick<Statement, 'offsetMs'>[],
  stretches: Watched['stretches'],
): string {
  const read = statements.filter(({ offsetMs }) =>
    stretches.some(({ fromMs, toMs }) => offsetMs >= Math.floor(fromMs) && offsetMs <= toMs),
  )
  return `looked at the moments of ${read.length} of ${statements.length} statements`
}
