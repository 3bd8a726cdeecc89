import type { SessionRow } from '../model.ts'
import type { SessionTable } from './schema.ts'

export function sessionToTable(row: SessionRow): SessionTable {
  const labels = row.labels === undefined ? null : JSON.stringify(row.labels)
  const breakGlass = row.breakGlass === true ? 1 : null
  const { endedAtMs = null, endReason = null } = row
  return { ...row, endedAtMs, endReason, labels, isPurged: 0, breakGlass }
}

export function sessionFromTable({ labels, breakGlass, ...stored }: SessionTable): SessionRow {
  const row: Omit<typeof stored, 'isPurged'> & { isPurged?: number } = stored
  delete row.isPurged // the store's own
  return {
    ...row,
    endedAtMs: row.endedAtMs ?? undefined,
    endReason: row.endReason ?? undefined,
    ...(breakGlass === 1 ? { breakGlass: true } : {}),
    ...(labels === null ? {} : { labels: JSON.parse(labels) as Record<string, string> }),
  }
}
