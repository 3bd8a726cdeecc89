import type { Kysely } from 'kysely'
import type { EnrolledKeyRow } from '../model.ts'
import { principalFromJson } from './principal-json.ts'
import type { EnrolledKeyTable, Tables } from './schema.ts'
import type { EnrolledKeyStore, KeyOwner } from './store.ts'

type Db = Kysely<Tables>

/** `guarded` turns what the database throws into Fault STORE_UNAVAILABLE; `kept` also waits for the disk: what is revoked stays so. */
export function enrolledKeyStore(
  db: Db,
  guarded: <T>(action: () => Promise<T>) => Promise<T>,
  kept: typeof guarded,
): EnrolledKeyStore {
  return {
    enrol: row => kept(() => db.transaction().execute(transaction => enrol(transaction, row))),
    find: (fingerprint, nowMs) =>
      guarded(async () => {
        const rows = counting(db, nowMs).where('fingerprint', '=', fingerprint)
        return (await rows.orderBy('createdAtMs', 'desc').orderBy('id').execute()).map(fromTable)
      }),
    listOf: (owner, nowMs) =>
      guarded(async () => {
        const rows = counting(db, nowMs)
          .where('issuer', '=', owner.issuer)
          .where('subject', '=', owner.subject)
        return (await rows.orderBy('createdAtMs', 'desc').orderBy('id').execute()).map(fromTable)
      }),
    used: (id, nowMs) =>
      guarded(async () => {
        await db.updateTable('enrolledKeys').set({ lastUsedAtMs: nowMs }).where('id', '=', id).execute()
      }),
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

/** In one transaction, so that two people who enrol one key at once cannot both have it. */
async function enrol(db: Db, row: EnrolledKeyRow): Promise<boolean> {
  const { issuer, subject } = row.principal
  const present = await counting(db, row.createdAtMs).where('fingerprint', '=', row.fingerprint).execute()
  if (present.some(other => other.issuer !== issuer || other.subject !== subject)) return false
  const before = present.filter(other => other.network === row.network).map(other => other.id)
  if (before.length > 0)
    await db
      .updateTable('enrolledKeys')
      .set({ revokedAtMs: row.createdAtMs })
      .where('id', 'in', before)
      .execute()
  await db.insertInto('enrolledKeys').values(toTable(row)).execute()
  return true
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
