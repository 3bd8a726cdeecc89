import Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { Fault, reasonOf } from '../errors.ts'
import type { HostKeyRow, LeaseRow, LeaseState } from '../model.ts'
import { type Checkpointer, startCheckpointer } from './checkpointer.ts'
import { enrolledKeyStore } from './enrolled-key-store.ts'
import { findingStore } from './finding-store.ts'
import { prepareDataFile, prepareDataFolder, unusable } from './data-folder.ts'
import { principalFromJson } from './principal-json.ts'
import { holdStore, purgeStore } from './retention-store.ts'
import { reviewStore } from './review-store.ts'
import { sessionFromTable, sessionToTable } from './session-row.ts'
import { type Migration, migrate, migrations } from './migrations.ts'
import type { HostKeyTable, LeaseTable, SessionTable, Tables } from './schema.ts'
import { type Guard, Statements } from './statements.ts'
import type {
  HostKeyStore,
  LeaseStore,
  SessionEnd,
  SessionQuery,
  SessionStore,
  SignInStore,
  Store,
} from './store.ts'
import { anyDisk, type StoreDisk, watchDatabase } from './watched-database.ts'
import { WriteAheadLog } from './write-ahead-log.ts'

/** Another process (a backup) may hold the file for a moment; longer would stand still on the event loop. */
const BUSY_TIMEOUT_MS = 250

/**
 * Opens `state.db` in the data folder, making and migrating it as needed; the folder becomes 0700 and the file 0600.
 * Throws Fault STORE_UNAVAILABLE. Who opens it holds the folder's lock (`lockData`).
 */
export async function openStore(
  dataFolder: string,
  steps: readonly Migration[] = migrations,
  disk: StoreDisk = anyDisk,
): Promise<Store> {
  prepareDataFolder(dataFolder)
  const file = prepareDataFile(dataFolder, 'state.db')
  const { db, statements, checkpoints } = await connect(file, steps, disk).catch((thrown: unknown) => {
    throw thrown instanceof Fault ? thrown : unusable(`state.db in ${dataFolder}`, thrown)
  })
  const log = new WriteAheadLog(file)
  /** Resolves once what the action wrote is on the disk: for what must outlive a loss of power. */
  const kept: Guard = action =>
    guarded(async () => {
      const done = await action()
      await log.flush()
      return done
    })
  return {
    sessions: sessionStore(db, statements),
    leases: leaseStore(db, statements, kept),
    hostKeys: hostKeyStore(statements, kept),
    signIns: signInStore(db, kept),
    enrolledKeys: enrolledKeyStore(db, statements, guarded, kept),
    holds: holdStore(statements, guarded, kept),
    purges: purgeStore(statements, guarded, kept),
    findings: findingStore(db, statements, guarded, kept),
    reviews: reviewStore(statements, guarded, kept),
    close: () =>
      guarded(async () => {
        await checkpoints?.close()
        await db.destroy()
        await log.close()
      }),
  }
}

type Db = Kysely<Tables>

/** `db` has no transactions after this: a statement in between would belong to them. */
async function connect(
  file: string,
  steps: readonly Migration[],
  disk: StoreDisk,
): Promise<{ db: Db; statements: Statements; checkpoints: Checkpointer | undefined }> {
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS })
  const db: Db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) })
  try {
    database.pragma('journal_mode = WAL')
    // With the operating system at once, whole after a loss of power; what must not be lost then waits for `kept`.
    database.pragma('synchronous = NORMAL')
    database.pragma('foreign_keys = ON')
    await migrate(db, steps, Date.now())
    watchDatabase(database, disk) // from now on: a migration may take its time
  } catch (thrown) {
    database.close()
    throw thrown
  }
  // Commands that look something up are gone before there is much to take over.
  const checkpoints = disk === anyDisk ? undefined : startCheckpointer(database, file)
  return { db, statements: new Statements(database), checkpoints }
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

const SESSION_COLUMNS = [
  'id',
  'protocol',
  'issuer',
  'subject',
  'principalName',
  'target',
  'login',
  'role',
  'sourceAddress',
  'owner',
  'openedAtMs',
  'endedAtMs',
  'state',
  'endReason',
  'recording',
  'labels',
  'breakGlass',
] as const satisfies readonly (keyof SessionTable)[]

type Place = { readonly endedAtMs: number; readonly id: string }

function sessionStore(db: Db, statements: Statements): SessionStore {
  const insert = statements.insert('sessions', SESSION_COLUMNS)
  const end = statements.change<SessionEnd & { id: string }>(
    `update sessions set endedAtMs = @endedAtMs, state = @state, endReason = @endReason where id = @id and state = 'open'`,
  )
  // Written so that the partial index is used.
  const retained = statements.query<Place & { limit: number }, SessionTable>(
    `select * from sessions where isPurged = 0 and (endedAtMs, id) > (@endedAtMs, @id) and state != 'open'
      order by endedAtMs, id limit @limit`,
  )
  const emergency = statements.query<{ fromMs: number; limit: number }, SessionTable>(
    'select * from sessions where breakGlass = 1 and openedAtMs >= @fromMs order by openedAtMs, id limit @limit',
  )
  return {
    insert: row => guarded(async () => void insert(sessionToTable(row))),
    end: (id, how) => guarded(async () => end({ ...how, id }) > 0),
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
    retained: ({ limit, after }) =>
      guarded(async () =>
        retained({ limit, endedAtMs: after?.endedAtMs ?? -1, id: after?.id ?? '' }).map(sessionFromTable),
      ),
    emergencySince: (fromMs, limit) =>
      guarded(async () => emergency({ fromMs, limit }).map(sessionFromTable)),
    peopleNamed: name =>
      guarded(async () =>
        db
          .selectFrom('sessions')
          .select(['issuer', 'subject'])
          .distinct()
          .where('principalName', '=', name)
          .execute(),
      ),
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

const LEASE_ORDER: readonly LeaseState[] = ['intended', 'live', 'ending']

const LEASE_COLUMNS = [
  'id',
  'session',
  'target',
  'kind',
  'detail',
  'owner',
  'state',
  'createdAtMs',
  'expiresAtMs',
] as const satisfies readonly (keyof LeaseTable)[]

function leaseStore(db: Db, statements: Statements, kept: Guard): LeaseStore {
  const insert = statements.insert('leases', LEASE_COLUMNS)
  const toState = LEASE_ORDER.map((state, index) => {
    const upToHere = LEASE_ORDER.slice(0, index + 1).map(name => `'${name}'`)
    return statements.change<{ id: string }>(
      `update leases set state = '${state}' where id = @id and state in (${upToHere.join(', ')})`,
    )
  })
  const remove = statements.change<{ id: string }>('delete from leases where id = @id')
  return {
    // On the disk before its credential exists. Later steps may be lost: the sweep takes them again.
    insert: row => kept(async () => void insert({ ...row, expiresAtMs: row.expiresAtMs ?? null })),
    advance: async (id, state) => {
      const changed = await guarded(async () => toState[LEASE_ORDER.indexOf(state)]?.({ id }))
      if (changed !== 1)
        throw new TypeError(`lease ${id} cannot become ${state}: it is further, or it does not exist`)
    },
    remove: id => guarded(async () => void remove({ id })),
    list: () =>
      guarded(async () => {
        const rows = await db.selectFrom('leases').selectAll().orderBy('createdAtMs').orderBy('id').execute()
        return rows.map((row): LeaseRow => ({ ...row, expiresAtMs: row.expiresAtMs ?? undefined }))
      }),
  }
}

function hostKeyStore(statements: Statements, kept: Guard): HostKeyStore {
  const of = statements.query<{ target: string }, HostKeyRow>(
    'select * from hostKeys where target = @target order by algorithm',
  )
  const insert = statements.insert('hostKeys', ['target', 'algorithm', 'key', 'firstSeenAtMs'])
  const learn = statements.atOnce((row: HostKeyTable): HostKeyRow[] => {
    const known = of({ target: row.target })
    if (known.length > 0) return known
    insert(row)
    return [row]
  })
  return {
    of: target => guarded(async () => of({ target })),
    learn: row => kept(async () => learn(row)),
  }
}

function signInStore(db: Db, kept: Guard): SignInStore {
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
