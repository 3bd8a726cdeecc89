/** What somebody decided to see no more of for a while. */
import type { SuppressionRow } from '../model.ts'
import type { SuppressionTable } from './schema.ts'
import type { Guard, Statements } from './statements.ts'
import type { FindingStore } from './store.ts'

const SUPPRESSION_COLUMNS = [
  'id',
  'scope',
  'group',
  'issuer',
  'subject',
  'target',
  'severity',
  'rules',
  'untilMs',
  'owner',
  'ownerName',
  'rationale',
  'createdAtMs',
  'liftedAtMs',
] as const satisfies readonly (keyof SuppressionTable)[]

/** `guarded` and `kept` as for findings. */
export function suppressions(
  statements: Statements,
  guarded: Guard,
  kept: Guard,
): Pick<FindingStore, 'suppress' | 'suppressions' | 'liftSuppressions'> {
  const insert = statements.insert('suppressions', SUPPRESSION_COLUMNS)
  const lift = statements.change<{ id: string; nowMs: number }>(
    'update suppressions set liftedAtMs = @nowMs where id = @id and liftedAtMs is null',
  )
  const liftAll = statements.atOnce((ids: readonly string[], nowMs: number) => {
    for (const id of ids) lift({ id, nowMs })
  })
  const inForce = statements.query<{ nowMs: number }, SuppressionTable>(
    'select * from suppressions where untilMs > @nowMs and liftedAtMs is null order by createdAtMs, id',
  )
  return {
    suppress: row =>
      kept(
        async () =>
          void insert({
            ...row,
            issuer: row.issuer ?? null,
            subject: row.subject ?? null,
            target: row.target ?? null,
            severity: row.severity ?? null,
            rules: row.rules === undefined ? null : JSON.stringify(row.rules),
            liftedAtMs: row.liftedAtMs ?? null,
          }),
      ),
    liftSuppressions: (ids, nowMs) => kept(async () => liftAll(ids, nowMs)),
    suppressions: nowMs =>
      guarded(async () =>
        inForce({ nowMs }).map(
          (row): SuppressionRow => ({
            ...row,
            issuer: row.issuer ?? undefined,
            subject: row.subject ?? undefined,
            target: row.target ?? undefined,
            severity: row.severity ?? undefined,
            rules: row.rules === null ? undefined : (JSON.parse(row.rules) as string[]),
            liftedAtMs: row.liftedAtMs ?? undefined,
          }),
        ),
      ),
  }
}
