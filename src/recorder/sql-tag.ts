/** How many rows a statement returned and changed: counted by the relay, and as the target says it in its command tag. */
import type { CopyVolume } from './sql-event.ts'

/** More is no count of rows: a target may say anything, and what it says is added up. */
const maxRows = 10_000_000_000

/** PostgreSQL's protocol, 55.7, CommandComplete. The first number of INSERT is an OID of old servers. */
const countedTag = /^(INSERT [0-9]{1,10}|DELETE|UPDATE|MERGE|SELECT|MOVE|FETCH|COPY) ([0-9]{1,11})$/
/** They change rows also where they return them. */
const changes = /^(?:INSERT|DELETE|UPDATE|MERGE)/

export type RowCounts = {
  /** That were returned to the client, a COPY that sends rows to it among them. */
  readonly rows?: number | undefined
  /** That were changed, or moved without being returned: as the target says, who may lie. */
  readonly affected?: number | undefined
}

export function rowCountsOf({
  tag,
  rows,
  copy,
}: {
  readonly tag: string | undefined
  readonly rows: number | undefined
  readonly copy: CopyVolume | undefined
}): RowCounts {
  const [, word = '', count = ''] = countedTag.exec(tag ?? '') ?? []
  const said = Number(count)
  if (word === '' || said > maxRows) return { rows }
  if (changes.test(word)) return { rows, affected: said }
  if (rows !== undefined) return { rows }
  return copy?.direction === 'out' ? { rows: said } : { affected: said }
}

/** One number of both, as psql shows it: rows that a write returns are those that it changed. */
export function rowsShown({ rows, affected }: RowCounts): number | undefined {
  return rows === undefined || affected === undefined ? (rows ?? affected) : Math.max(rows, affected)
}
