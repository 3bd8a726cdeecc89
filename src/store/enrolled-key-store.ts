import type { Kysely } from 'kysely'
import type { EnrolledKeyRow } from '../model.ts'
import { principalFromJson } from './principal-json.ts'
import type { EnrolledKeyTable, Tables } from './schema.ts'
import type { Guard, Statements } from './statements.ts'
import type { EnrolledKeyStore, KeyOwner } from './store.ts'

type Db = Kysely<Tables>

const COLUMNS = [
  'id',
  'fingerprint',
  'key',
  'issuer',
  'subject',
  'principal',
  'network',
  'createdAtMs',
  'expiresAtMs',
  'lastUsedAtMs',
  'revokedAtMs',
] as const satisfies readonly (keyof EnrolledKeyTable)[]

/** `guarded` turns what the database throws into Fault STORE_UNAVAILABLE; `kept` also waits for the disk: what is revoked stays so. */
export function enrolledKeyStore(
  db: Db,
  statements: Statements,
  guarded: Guard,
  kept: Guard,
): EnrolledKeyStore {
  const find = statements.query<{ fingerprint: string; nowMs: number }, EnrolledKeyTable>(
    'select * from enrolledKeys where fingerprint = @fingerprint and expiresAtMs > @nowMs and revokedAtMs is null order by createdAtMs desc, id',
  )
  const use = statements.change<{ id: string; nowMs: number }>(
    'update enrolledKeys set lastUsedAtMs = @nowMs where id = @id',
  )
  const end = statements.change<{ id: string; nowMs: number }>(
    'update enrolledKeys set revokedAtMs = @nowMs where id = @id',
  )
  const insert = statements.insert('enrolledKeys', COLUMNS)
  // In one transaction, so that two people who enrol one key at once cannot both have it.
  const enrol = statements.atOnce((row: EnrolledKeyRow): boolean => {
    const { fingerprint, createdAtMs: nowMs } = row
    const { issuer, subject } = row.principal
    const present = find({ fingerprint, nowMs })
    if (present.some(other => other.issuer !== issuer || other.subject !== subject)) return false
    for (const other of present) if (other.network === row.network) end({ id: other.id, nowMs })
    insert(toTable(row))
    return true
  })
  return {
    enrol: row => kept(async () => enrol(row)),
    find: (fingerprint, nowMs) => guarded(async () => find({ fingerprint, nowMs }).map(fromTable)),
    listOf: (owner, nowMs) =>
      guarded(async () => {
        const rows = counting(db, nowMs)
          .where('issuer', '=', owner.issuer)
          .where('subject', '=', owner.subject)
        return (await rows.orderBy('createdAtMs', 'desc').orderBy('id').execute()).map(fromTable)
      }),
    used: (id, nowMs) => guarded(async () => void use({ id, nowMs })),
    revoke: (id, owner, nowMs) => kept(() => revoke(db, id, owner, nowMs)),
    removeExpired: beforeMs =>
      guarded(async () => {
        const removed = db.deleteFrom('enrolledKeys').where('expiresAtMs', '<=', beforeMs)
        return Number((await removed.executeTakeFirst()).numDeletedRows)
      }),
  }
}

function counting(db: Db, nowMs: number) {
  return db
    .selectFrom('enrolledKeys')
    .selectAll()
    .where('expiresAtMs', '>', nowMs)
    .where('revokedAtMs', 'is', null)
}

async function revoke(db: Db, id: string, owner: KeyOwner, nowMs: number): Promise<boolean> {
  const theirs = db
    .updateTable('enrolledKeys')
    .set({ revokedAtMs: nowMs })
    .where('id', '=', id)
    .where('issuer', '=', owner.issuer)
    .where('subject', '=', owner.subject)
    .where('revokedAtMs', 'is', null)
    .where('expiresAtMs', '>', nowMs)
  return (await theirs.executeTakeFirst()).numUpdatedRows > 0n
}

function toTable(row: EnrolledKeyRow): EnrolledKeyTable {
  const { principal, lastUsedAtMs, revokedAtMs, ...rest } = row
  return {
    ...rest,
    issuer: principal.issuer,
    subject: principal.subject,
    principal: JSON.stringify(principal),
    lastUsedAtMs: lastUsedAtMs ?? null,
    revokedAtMs: revokedAtMs ?? null,
  }
}

function fromTable(row: EnrolledKeyTable): EnrolledKeyRow {
  const { issuer: _issuer, subject: _subject, principal, ...rest } = row
  return {
    ...rest,
    principal: principalFromJson(principal),
    lastUsedAtMs: row.lastUsedAtMs ?? undefined,
    revokedAtMs: row.revokedAtMs ?? undefined,
  }
}
