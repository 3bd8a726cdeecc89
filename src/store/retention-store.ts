import type { HoldRow, PurgeRow } from '../model.ts'
import type { HoldTable, PurgeTable } from './schema.ts'
import type { Guard, Statements } from './statements.ts'
import type { HoldStore, KeyOwner, PurgeStore } from './store.ts'

const HOLD_COLUMNS = [
  'id',
  'session',
  'issuer',
  'subject',
  'person',
  'caseName',
  'who',
  'why',
  'untilMs',
  'placedAtMs',
  'releasedAtMs',
] as const satisfies readonly (keyof HoldTable)[]

/** `guarded` turns what the database throws into Fault STORE_UNAVAILABLE; `kept` also waits for the disk. */
export function holdStore(statements: Statements, guarded: Guard, kept: Guard): HoldStore {
  const insert = statements.insert('holds', HOLD_COLUMNS)
  const unreleased = statements.query<object, HoldTable>(
    'select * from holds where releasedAtMs is null order by placedAtMs, id',
  )
  const release = statements.change<{ id: string; nowMs: number }>(
    'update holds set releasedAtMs = @nowMs where id = @id and releasedAtMs is null',
  )
  return {
    insert: row => kept(async () => void insert(holdToTable(row))),
    unreleased: () => guarded(async () => unreleased({}).map(holdFromTable)),
    release: (id, nowMs) => kept(async () => release({ id, nowMs }) > 0),
  }
}

const PURGE_COLUMNS = [
  'session',
  'decision',
  'cause',
  'rule',
  'decidedAtMs',
  'finishedAtMs',
  'problem',
] as const satisfies readonly (keyof PurgeTable)[]

/** Of somebody whose data was removed on request. */
const forgottenName = '(forgotten)'

export function purgeStore(statements: Statements, guarded: Guard, kept: Guard): PurgeStore {
  const insert = statements.insert('purges', PURGE_COLUMNS)
  const insertAll = statements.atOnce((rows: readonly PurgeRow[]) => {
    for (const row of rows) insert(purgeToTable(row))
  })
  const get = statements.query<{ session: string }, PurgeTable>(
    'select * from purges where session = @session',
  )
  const pending = statements.query<{ limit: number; after: string }, PurgeTable>(
    'select * from purges where finishedAtMs is null and session > @after order by session limit @limit',
  )
  const finish = statements.change<{ session: string; nowMs: number }>(
    'update purges set finishedAtMs = @nowMs, problem = null where session = @session',
  )
  const mark = statements.change<{ session: string }>('update sessions set isPurged = 1 where id = @session')
  // What people wrote beside a recording says what was in it. Verdicts stay: they say what somebody decided.
  const forgetAbout = ['comments', 'watched', 'recordingChecks', 'sessionAssignees'].map(table =>
    statements.change<{ session: string }>(`delete from ${table} where session = @session`),
  )
  const finishBoth = statements.atOnce((session: string, nowMs: number) => {
    finish({ session, nowMs })
    mark({ session })
    for (const remove of forgetAbout) remove({ session })
  })
  const note = statements.change<{ session: string; problem: string }>(
    'update purges set problem = @problem where session = @session and finishedAtMs is null',
  )
  const drop = statements.change<{ session: string }>(
    'delete from purges where session = @session and finishedAtMs is null',
  )
  const forget = statements.change<KeyOwner & { name: string }>(
    `update sessions set issuer = '', subject = '', principalName = @name, sourceAddress = '', endReason = null
      where issuer = @issuer and subject = @subject and isPurged = 1`,
  )
  return {
    insert: rows => kept(async () => insertAll(rows)),
    get: session => guarded(async () => get({ session }).map(purgeFromTable)[0]),
    pending: (limit, after = '') => guarded(async () => pending({ limit, after }).map(purgeFromTable)),
    finish: (session, nowMs) => guarded(async () => finishBoth(session, nowMs)),
    note: (session, problem) => guarded(async () => void note({ session, problem })),
    drop: session => guarded(async () => void drop({ session })),
    forgetPerson: ({ issuer, subject }) => kept(async () => forget({ issuer, subject, name: forgottenName })),
  }
}

function holdToTable(row: HoldRow): HoldTable {
  return {
    ...row,
    session: row.session ?? null,
    issuer: row.issuer ?? null,
    subject: row.subject ?? null,
    person: row.person ?? null,
    caseName: row.caseName ?? null,
    untilMs: row.untilMs ?? null,
    releasedAtMs: row.releasedAtMs ?? null,
  }
}

function holdFromTable(row: HoldTable): HoldRow {
  return {
    ...row,
    session: row.session ?? undefined,
    issuer: row.issuer ?? undefined,
    subject: row.subject ?? undefined,
    person: row.person ?? undefined,
    caseName: row.caseName ?? undefined,
    untilMs: row.untilMs ?? undefined,
    releasedAtMs: row.releasedAtMs ?? undefined,
  }
}

function purgeToTable(row: PurgeRow): PurgeTable {
  return { ...row, finishedAtMs: row.finishedAtMs ?? null, problem: row.problem ?? null }
}

function purgeFromTable(row: PurgeTable): PurgeRow {
  return { ...row, finishedAtMs: row.finishedAtMs ?? undefined, problem: row.problem ?? undefined }
}
