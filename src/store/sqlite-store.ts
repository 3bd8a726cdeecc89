import Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { Fault, reasonOf } from '../errors.ts'
import type { HostKeyRow, LeaseRow, LeaseState, SessionRow } from '../model.ts'
import { enrolledKeyStore } from './enrolled-key-store.ts'
import { prepareDataFile, prepareDataFolder, unusable } from './data-folder.ts'
import { principalFromJson } from './principal-json.ts'
import { type Migration, migrate, migrations } from './migrations.ts'
import type { LeaseTable, SessionTable, Tables } from './schema.ts'
import type { HostKeyStore, LeaseStore, SessionQuery, SessionStore, SignInStore, Store } from './store.ts'
import { WriteAheadLog } from './write-ahead-log.ts'

/** Runs an action and resolves once what it wrote is on the disk: for what must outlive a loss of power. */
type Kept = <T>(action: () => Promise<T>) => Promise<T>

/** Another process (a backup) may hold the file for a moment; longer would stand still on the event loop. */
const BUSY_TIMEOUT_MS = 250

/**
 * Opens `state.db` in the data folder, making and migrating it as needed; the folder becomes 0700 and the file 0600.
 * Throws Fault STORE_UNAVAILABLE. Who opens it holds the folder's lock (`lockData`).
 */
export async function openStore(
  dataFolder: string,
  steps: readonly Migration[] = migrations,
): Promise<Store> {
  prepareDataFolder(dataFolder)
  const file = prepareDataFile(dataFolder, 'state.db')
  const db = await connect(file, steps).catch((thrown: unknown) => {
    throw thrown instanceof Fault ? thrown : unusable(`state.db in ${dataFolder}`, thrown)
  })
  const log = new WriteAheadLog(file)
  const kept: Kept = action =>
    guarded(async () => {
      const done = await action()
      await log.flush()
      return done
    })
  return {
    sessions: sessionStore(db),
    leases: leaseStore(db, kept),
    hostKeys: hostKeyStore(db, kept),
    signIns: signInStore(db, kept),
    enrolledKeys: enrolledKeyStore(db, guarded, kept),
    close: () =>
      guarded(async () => {
        await db.destroy()
        await log.close()
      }),
  }
}

type Db = Kysely<Tables>

async function connect(file: string, steps: readonly Migration[]): Promise<Db> {
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS })
  const db: Db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) })
  try {
    database.pragma('journal_mode = WAL')
    // With the operating system at once, whole after a loss of power; what must not be lost then waits for `kept`.
    database.pragma('synchronous = NORMAL')
    database.pragma('foreign_keys = ON')
    await migrate(db, steps, Date.now())
  } catch (thrown) {
    database.close()
    throw thrown
  }
  return db
}

/** Runs an action on the database and turns whatever it throws into a Fault whose user text tells nothing of it. */
async function guarded<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    throw new Fault(
      'STORE_UNAVAILABLE',
      'The gateway cannot reach its store. Try again, or tell its operator.',
      {
        log: `the store failed: ${reasonOf(thrown)}`,
        cause: thrown,
      },
    )
  }
}

function sessionStore(db: Db): SessionStore {
  return {
    insert: row =>
      guarded(async () => void (await db.insertInto('sessions').values(sessionToTable(row)).execute())),
    end: (id, end) =>
      guarded(async () => {
        const open = db.updateTable('sessions').set(end).where('id', '=', id).where('state', '=', 'open')
        return (await open.executeTakeFirst()).numUpdatedRows > 0n
      }),
    get: id =>
      guarded(async () => {
        const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst()
        return row === undefined ? undefined : sessionFromTable(row)
      }),
    list: query => guarded(async () => (await selectSessions(db, query).execute()).map(sessionFromTable)),
    openNotOf: owner =>
      guarded(async () => {
        const others = db
          .selectFrom('sessions')
          .selectAll()
          .where('state', '=', 'open')
          .where('owner', '!=', owner)
        return (await others.orderBy('openedAtMs').orderBy('id').execute()).map(sessionFromTable)
      }),
  }
}

function selectSessions(db: Db, { limit, before, state, subjectKey }: SessionQuery) {
  let query = db.selectFrom('sessions').selectAll()
  if (state !== undefined) query = query.where('state', '=', state)
  if (subjectKey !== undefined) {
    const separator = subjectKey.indexOf('\n')
    query = query
      .where('issuer', '=', subjectKey.slice(0, separator))
      .where('subject', '=', subjectKey.slice(separator + 1))
  }
  if (before !== undefined) {
    const { openedAtMs, id } = before
    query = query.where(eb => eb(eb.refTuple('openedAtMs', 'id'), '<', eb.tuple(openedAtMs, id)))
  }
  return query.orderBy('openedAtMs', 'desc').orderBy('id', 'desc').limit(limit)
}

function sessionToTable(row: SessionRow): SessionTable {
  return { ...row, endedAtMs: row.endedAtMs ?? null, endReason: row.endReason ?? null }
}

function sessionFromTable(row: SessionTable): SessionRow {
  return { ...row, endedAtMs: row.endedAtMs ?? undefined, endReason: row.endReason ?? undefined }
}

const LEASE_ORDER: readonly LeaseState[] = ['intended', 'live', 'ending']

function leaseStore(db: Db, kept: Kept): LeaseStore {
  return {
    // On the disk before its credential exists. Later steps may be lost: the sweep takes them again.
    insert: row =>
      kept(async () => {
        const values: LeaseTable = { ...row, expiresAtMs: row.expiresAtMs ?? null }
        await db.insertInto('leases').values(values).execute()
      }),
    advance: async (id, state) => {
      if (!(await guarded(() => advanceLease(db, id, state))))
        throw new TypeError(`lease ${id} cannot become ${state}: it is further, or it does not exist`)
    },
    remove: id => guarded(async () => void (await db.deleteFrom('leases').where('id', '=', id).execute())),
    list: () =>
      guarded(async () => {
        const rows = await db.selectFrom('leases').selectAll().orderBy('createdAtMs').orderBy('id').execute()
        return rows.map((row): LeaseRow => ({ ...row, expiresAtMs: row.expiresAtMs ?? undefined }))
      }),
  }
}

async function advanceLease(db: Db, id: string, state: LeaseState): Promise<boolean> {
  const upToHere = LEASE_ORDER.slice(0, LEASE_ORDER.indexOf(state) + 1)
  const update = db.updateTable('leases').set({ state }).where('id', '=', id).where('state', 'in', upToHere)
  return (await update.executeTakeFirst()).numUpdatedRows > 0n
}

function hostKeyStore(db: Db, kept: Kept): HostKeyStore {
  const keysOf = (on: Db, target: string): Promise<HostKeyRow[]> =>
    on.selectFrom('hostKeys').selectAll().where('target', '=', target).orderBy('algorithm').execute()
  return {
    of: target => guarded(() => keysOf(db, target)),
    learn: row =>
      kept(() =>
        db.transaction().execute(async transaction => {
          const known = await keysOf(transaction, row.target)
          if (known.length > 0) return known
          await transaction.insertInto('hostKeys').values(row).execute()
          return [row]
        }),
      ),
  }
}

function signInStore(db: Db, kept: Kept): SignInStore {
  return {
    insert: row =>
      guarded(async () => {
        const values = { ...row, principal: JSON.stringify(row.principal) }
        await db.insertInto('signIns').values(values).execute()
      }),
    find: (tokenHash, nowMs) =>
      guarded(async () => {
        const found = db.selectFrom('signIns').selectAll().where('tokenHash', '=', tokenHash)
        const row = await found.where('expiresAtMs', '>', nowMs).executeTakeFirst()
        return row === undefined ? undefined : { ...row, principal: principalFromJson(row.principal) }
      }),
    remove: tokenHash =>
      kept(async () => void (await db.deleteFrom('signIns').where('tokenHash', '=', tokenHash).execute())),
    removeExpired: nowMs =>
      guarded(async () => {
        const removed = await db.deleteFrom('signIns').where('expiresAtMs', '<=', nowMs).executeTakeFirst()
        return Number(removed.numDeletedRows)
      }),
  }
}
