/** Who asked for the name behind a pseudonym, and who decided. */
import type { UnmaskRow } from '../model.ts'
import type { UnmaskTable } from './schema.ts'
import type { Guard, Statements } from './statements.ts'
import type { FindingStore } from './store.ts'

const UNMASK_COLUMNS = [
  'id',
  'finding',
  'caseId',
  'reason',
  'askedBy',
  'askedByName',
  'askedAtMs',
  'decidedBy',
  'decidedByName',
  'decidedAtMs',
  'untilMs',
] as const satisfies readonly (keyof UnmaskTable)[]

type UnmaskPart = Pick<
  FindingStore,
  'askUnmask' | 'unmasking' | 'unmaskingsOf' | 'unmaskingsSince' | 'decideUnmask'
>

/** `guarded` and `kept` as for findings. */
export function unmaskings(statements: Statements, guarded: Guard, kept: Guard): UnmaskPart {
  const insert = statements.insert('unmaskings', UNMASK_COLUMNS)
  const get = statements.query<{ id: string }, UnmaskTable>('select * from unmaskings where id = @id')
  const of = statements.query<{ finding: string }, UnmaskTable>(
    'select * from unmaskings where finding = @finding order by askedAtMs, id',
  )
  const since = statements.query<{ sinceMs: number }, UnmaskTable>(
    'select * from unmaskings where askedAtMs >= @sinceMs order by askedAtMs, id',
  )
  const decide = statements.change<Record<string, string | number | null>>(
    `update unmaskings set decidedBy = @by, decidedByName = @byName, decidedAtMs = @atMs, untilMs = @untilMs
      where id = @id and decidedAtMs is null`,
  )
  return {
    askUnmask: row => kept(async () => void insert(unmaskToTable(row))),
    unmasking: id => guarded(async () => get({ id }).map(unmaskFromTable)[0]),
    unmaskingsOf: finding => guarded(async () => of({ finding }).map(unmaskFromTable)),
    unmaskingsSince: sinceMs => guarded(async () => since({ sinceMs }).map(unmaskFromTable)),
    decideUnmask: (id, by, byName, atMs, untilMs) =>
      kept(async () => decide({ id, by, byName, atMs, untilMs: untilMs ?? null }) > 0),
  }
}

function unmaskToTable(row: UnmaskRow): UnmaskTable {
  return {
    ...row,
    decidedBy: row.decidedBy ?? null,
    decidedByName: row.decidedByName ?? null,
    decidedAtMs: row.decidedAtMs ?? null,
    untilMs: row.untilMs ?? null,
  }
}

function unmaskFromTable(row: UnmaskTable): UnmaskRow {
  return {
    ...row,
    decidedBy: row.decidedBy ?? undefined,
    decidedByName: row.decidedByName ?? undefined,
    decidedAtMs: row.decidedAtMs ?? undefined,
    untilMs: row.untilMs ?? undefined,
  }
}
