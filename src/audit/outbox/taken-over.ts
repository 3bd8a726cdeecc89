/** What of a dead process's outbox is in the audit log already: each line that was taken over says which entry it was. */
import { decodeLine } from '../line.ts'
import { linesOf, segmentsIn } from '../segments.ts'

/** Lines are stamped with the wall's clock, which may have been set back since. */
const clockMarginMs = 86_400_000

/** The field of the line, and its value: `OWNER/NUMBER`. */
export const takenFrom = 'worker'

export function takenFromValue(owner: string, n: number): string {
  return `${owner}/${n}`
}

/** Numbers of the entries of this owner that are in the log, which was said nothing by it before `sinceMs`. */
export function entriesTakenOver(auditFolder: string, owner: string, sinceMs: number): ReadonlySet<number> {
  const found = new Set<number>()
  for (const segment of segmentsIn(auditFolder).toReversed()) {
    let startsAtMs: number | undefined
    for (const { bytes } of linesOf(segment)) {
      startsAtMs ??= timeOf(bytes)
      const n = entryIn(bytes, owner)
      if (n !== undefined) found.add(n)
    }
    if (startsAtMs !== undefined && startsAtMs < sinceMs - clockMarginMs) break
  }
  return found
}

function timeOf(stored: Buffer): number | undefined {
  const line = decodeLine(stored)
  return typeof line === 'string' ? undefined : Date.parse(line.at)
}

function entryIn(stored: Buffer, owner: string): number | undefined {
  if (!stored.includes(owner)) return undefined
  const line = decodeLine(stored)
  const from = typeof line === 'string' ? undefined : line[takenFrom]
  if (typeof from !== 'string' || !from.startsWith(`${owner}/`)) return undefined
  return Number(from.slice(owner.length + 1))
}
