import type { SessionRow } from '../model.ts'
import type { SessionTable } from './schema.ts'

export function sessionToTable(row: SessionRow): SessionTable {
  const labels = row.labels === undefined ? null : JSON.stringify(row.labels)
  return { ...row, endedAtMs: row.endedAtMs ?? null, endReason: row.endReason ?? null, labels, isPurged: 0 }
}

export function sessionFromTable({ labels, ...stored }: SessionTable): SessionRow {
  const row: Omit<typeof stored, 'isPurged'> & { isPurged?: number } = stored
  delete row.isPurged // the store's own
  return {
    ...row,
    endedAtMs: row.endedAtMs ?? undefined,
    endReason: row.endReason ?? undefined,
    ...(labels === null ? {} : { labels: JSON.parse(labels) as Record<string, string> }),
  }
}
