import { type Kysely, sql } from 'kysely'
import { Fault } from '../errors.ts'
import type { Tables } from './schema.ts'

/** One step of the schema. Steps are never changed once they were released, only added. */
export type Migration = {
  readonly version: number
  readonly name: string
  readonly up: (db: Kysely<Tables>) => Promise<void>
}

/** All of them, in order; versions count from 1 without a gap. */
export const migrations: readonly Migration[] = [
  { version: 1, name: 'sessions, leases, host keys, sign-ins', up: createFirstTables },
  { version: 2, name: 'enrolled keys', up: createEnrolledKeys },
  { version: 3, name: 'retention', up: createRetention },
  { version: 4, name: 'findings', up: createFindings },
  { version: 5, name: 'reviews', up: createReviews },
  { version: 6, name: 'checks of recordings', up: createChecks },
  { version: 7, name: 'emergency access, what suppressions cover', up: addEmergencyAccess },
  { version: 8, name: 'reviews that were asked for', up: createReviewWishes },
  { version: 9, name: 'findings that are put off', up: addSnoozing },
  { version: 10, name: 'sessions that are given to a reviewer', up: createSessionAssignees },
  { version: 11, name: 'findings by target', up: indexFindingsByTarget },
  { version: 12, name: 'what checks of recordings looked at', up: addFileState },
]

/**
 * Brings the database to the newest version, in one transaction. Throws Fault STORE_UNAVAILABLE if the database has
 * a version that this program does not know: an older program must not write what it cannot understand.
 */
export async function migrate(db: Kysely<Tables>, steps: readonly Migration[], nowMs: number): Promise<void> {
  await db.transaction().execute(async transaction => {
    await createMigrationTable(transaction)
    const version = await versionOf(transaction)
    if (version > steps.length) throw newerThanUs(version, steps.length)
    for (const step of steps.slice(version)) {
      await step.up(transaction)
      const row = { version: step.version, name: step.name, appliedAtMs: nowMs }
      await transaction.insertInto('migrations').values(row).execute()
    }
  })
}

async function versionOf(db: Kysely<Tables>): Promise<number> {
  const row = await db
    .selectFrom('migrations')
    .select(({ fn }) => fn.max('version').as('version'))
    .executeTakeFirst()
  return row?.version ?? 0
}

function newerThanUs(version: number, known: number): Fault {
  return new Fault(
    'STORE_UNAVAILABLE',
    `The data folder was written by a newer Sallyport (schema ${version}, this one knows ${known}). ` +
      'Run that version, or restore the backup that was made before the upgrade.',
  )
}

async function createMigrationTable(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('migrations')
    .ifNotExists()
    .addColumn('version', 'integer', column => column.primaryKey())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('appliedAtMs', 'bigint', column => column.notNull())
    .execute()
}

async function createFirstTables(db: Kysely<Tables>): Promise<void> {
  await createSessions(db)
  await createLeases(db)
  await createHostKeys(db)
  await createSignIns(db)
}

async function createSessions(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('sessions')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('protocol', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('principalName', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('login', 'text', column => column.notNull())
    .addColumn('role', 'text', column => column.notNull())
    .addColumn('sourceAddress', 'text', column => column.notNull())
    .addColumn('owner', 'text', column => column.notNull())
    .addColumn('openedAtMs', 'bigint', column => column.notNull())
    .addColumn('endedAtMs', 'bigint')
    .addColumn('state', 'text', column =>
      column.notNull().check(sql`state in ('open', 'ended', 'interrupted')`),
    )
    .addColumn('endReason', 'text')
    .addColumn('recording', 'text', column => column.notNull())
    .execute()
  await db.schema.createIndex('sessionsByTime').on('sessions').columns(['openedAtMs', 'id']).execute()
  await db.schema
    .createIndex('sessionsByPrincipal')
    .on('sessions')
    .columns(['issuer', 'subject', 'openedAtMs'])
    .execute()
  await db.schema.createIndex('sessionsByState').on('sessions').columns(['state', 'openedAtMs']).execute()
}

/** Without a foreign key to sessions: a lease must be writable, and must stay, whatever became of the session's row. */
async function createLeases(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('leases')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('detail', 'text', column => column.notNull())
    .addColumn('owner', 'text', column => column.notNull())
    .addColumn('state', 'text', column =>
      column.notNull().check(sql`state in ('intended', 'live', 'ending')`),
    )
    .addColumn('createdAtMs', 'bigint', column => column.notNull())
    .addColumn('expiresAtMs', 'bigint')
    .execute()
}

async function createHostKeys(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('hostKeys')
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('algorithm', 'text', column => column.notNull())
    .addColumn('key', 'text', column => column.notNull())
    .addColumn('firstSeenAtMs', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('hostKeysOfTarget', ['target', 'algorithm'])
    .execute()
}

async function createSignIns(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('signIns')
    .addColumn('tokenHash', 'text', column => column.primaryKey())
    .addColumn('principal', 'text', column => column.notNull())
    .addColumn('createdAtMs', 'bigint', column => column.notNull())
    .addColumn('expiresAtMs', 'bigint', column => column.notNull())
    .execute()
  await db.schema.createIndex('signInsByExpiry').on('signIns').column('expiresAtMs').execute()
}

async function createEnrolledKeys(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('enrolledKeys')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('fingerprint', 'text', column => column.notNull())
    .addColumn('key', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('principal', 'text', column => column.notNull())
    .addColumn('network', 'text', column => column.notNull())
    .addColumn('createdAtMs', 'bigint', column => column.notNull())
    .addColumn('expiresAtMs', 'bigint', column => column.notNull())
    .addColumn('lastUsedAtMs', 'bigint')
    .addColumn('revokedAtMs', 'bigint')
    .execute()
  await db.schema
    .createIndex('enrolledKeysByFingerprint')
    .on('enrolledKeys')
    .columns(['fingerprint', 'expiresAtMs'])
    .execute()
  await db.schema
    .createIndex('enrolledKeysByPrincipal')
    .on('enrolledKeys')
    .columns(['issuer', 'subject', 'expiresAtMs'])
    .execute()
}

/** Without foreign keys, as leases. */
async function createRetention(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('labels', 'text').execute()
  const isPurged = db.schema.alterTable('sessions')
  await isPurged.addColumn('isPurged', 'integer', column => column.notNull().defaultTo(0)).execute()
  // The oldest are those that went, and nobody looks through these again.
  await sql`create index "retainedSessions" on "sessions" ("endedAtMs", "id") where "isPurged" = 0`.execute(
    db,
  )
  await db.schema
    .createTable('holds')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('session', 'text')
    .addColumn('issuer', 'text')
    .addColumn('subject', 'text')
    .addColumn('person', 'text')
    .addColumn('caseName', 'text')
    .addColumn('who', 'text', column => column.notNull())
    .addColumn('why', 'text', column => column.notNull())
    .addColumn('untilMs', 'bigint')
    .addColumn('placedAtMs', 'bigint', column => column.notNull())
    .addColumn('releasedAtMs', 'bigint')
    .execute()
  await db.schema
    .createTable('purges')
    .addColumn('session', 'text', column => column.primaryKey())
    .addColumn('decision', 'text', column => column.notNull())
    .addColumn('cause', 'text', column => column.notNull().check(sql`cause in ('policy', 'request')`))
    .addColumn('rule', 'text', column => column.notNull())
    .addColumn('decidedAtMs', 'bigint', column => column.notNull())
    .addColumn('finishedAtMs', 'bigint')
    .addColumn('problem', 'text')
    .execute()
  await db.schema.createIndex('purgesByEnd').on('purges').columns(['finishedAtMs', 'session']).execute()
}

/** Without foreign keys: findings outlive the rows of sessions. `rank` orders them: severity, then unusualness. */
async function createFindings(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('findings')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('group', 'text', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('state', 'text', column =>
      column.notNull().check(sql`state in ('new', 'acknowledged', 'closed')`),
    )
    .addColumn('severity', 'text', column => column.notNull())
    .addColumn('unusualness', 'real')
    .addColumn('rank', 'real', column => column.notNull())
    .addColumn('place', 'text', column => column.notNull())
    .addColumn('placeReason', 'text')
    .addColumn('protocol', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('principalName', 'text', column => column.notNull())
    .addColumn('alias', 'text')
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('login', 'text', column => column.notNull())
    .addColumn('role', 'text', column => column.notNull())
    .addColumn('rules', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .addColumn('createdAtMs', 'bigint', column => column.notNull())
    .addColumn('updatedAtMs', 'bigint', column => column.notNull())
    .addColumn('assignee', 'text')
    .addColumn('assigneeName', 'text')
    .addColumn('closedAtMs', 'bigint')
    .addColumn('closeReason', 'text')
    .addColumn('proposal', 'text')
    .addColumn('body', 'text', column => column.notNull())
    .addUniqueConstraint('findingOfSession', ['session', 'group'])
    .execute()
  await db.schema
    .createIndex('findingsRanked')
    .on('findings')
    .columns(['place', 'state', 'rank', 'createdAtMs', 'id'])
    .execute()
  await db.schema.createIndex('findingsByTime').on('findings').columns(['createdAtMs', 'id']).execute()
  await db.schema.createIndex('findingsOfGroup').on('findings').columns(['group', 'createdAtMs']).execute()
  await db.schema
    .createIndex('findingsOfPerson')
    .on('findings')
    .columns(['issuer', 'subject', 'createdAtMs'])
    .execute()
  await db.schema
    .createTable('findingEvents')
    .addColumn('finding', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .addColumn('by', 'text', column => column.notNull())
    .addColumn('byName', 'text', column => column.notNull())
    .addColumn('what', 'text', column => column.notNull())
    .addColumn('note', 'text')
    .execute()
  await db.schema.createIndex('eventsOfFinding').on('findingEvents').columns(['finding', 'atMs']).execute()
  await db.schema
    .createTable('suppressions')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('scope', 'text', column => column.notNull())
    .addColumn('group', 'text', column => column.notNull())
    .addColumn('issuer', 'text')
    .addColumn('subject', 'text')
    .addColumn('target', 'text')
    .addColumn('untilMs', 'bigint', column => column.notNull())
    .addColumn('owner', 'text', column => column.notNull())
    .addColumn('ownerName', 'text', column => column.notNull())
    .addColumn('rationale', 'text', column => column.notNull())
    .addColumn('createdAtMs', 'bigint', column => column.notNull())
    .addColumn('liftedAtMs', 'bigint')
    .execute()
  await db.schema
    .createTable('unmaskings')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('finding', 'text', column => column.notNull())
    .addColumn('caseId', 'text', column => column.notNull())
    .addColumn('reason', 'text', column => column.notNull())
    .addColumn('askedBy', 'text', column => column.notNull())
    .addColumn('askedByName', 'text', column => column.notNull())
    .addColumn('askedAtMs', 'bigint', column => column.notNull())
    .addColumn('decidedBy', 'text')
    .addColumn('decidedByName', 'text')
    .addColumn('decidedAtMs', 'bigint')
    .addColumn('untilMs', 'bigint')
    .execute()
  await db.schema.createIndex('unmaskingsOfFinding').on('unmaskings').columns(['finding']).execute()
}

/** Without foreign keys, as findings. Readings are looked for by the sessions of the person whom they are about. */
async function createReviews(db: Kysely<Tables>): Promise<void> {
  const { schema } = db
  await schema.createIndex('sessionsByTarget').on('sessions').columns(['target', 'openedAtMs']).execute()
  await schema
    .createTable('comments')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .addColumn('offsetMs', 'bigint')
    .addColumn('text', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('commentsOfSession').on('comments').columns(['session', 'atMs']).execute()
  await schema
    .createTable('watched')
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('lastMs', 'bigint', column => column.notNull())
    .addColumn('stretches', 'text', column => column.notNull())
    .addPrimaryKeyConstraint('watchedByPerson', ['session', 'issuer', 'subject'])
    .execute()
  await schema
    .createTable('sessionVerdicts')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .addColumn('verdict', 'text', column =>
      column.notNull().check(sql`verdict in ('expected', 'explained', 'escalate')`),
    )
    .addColumn('rationale', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('verdictsOfSession').on('sessionVerdicts').columns(['session', 'atMs']).execute()
  await schema
    .createTable('savedViews')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('page', 'text', column => column.notNull())
    .addColumn('query', 'text', column => column.notNull())
    .addColumn('createdAtMs', 'bigint', column => column.notNull())
    .execute()
  await schema
    .createIndex('savedViewsOfPerson')
    .on('savedViews')
    .columns(['issuer', 'subject', 'createdAtMs'])
    .execute()
  await schema
    .createTable('readings')
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('issuer', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .addColumn('purpose', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('readingsOfSession').on('readings').columns(['session', 'atMs']).execute()
  await schema.createIndex('readingsByTime').on('readings').columns(['atMs']).execute()
}

/** The index answers lists, totals and histograms without the rows themselves. */
async function createChecks(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createIndex('sessionsForReview')
    .on('sessions')
    .columns([
      'openedAtMs',
      'id',
      'target',
      'protocol',
      'issuer',
      'subject',
      'principalName',
      'login',
      'state',
    ])
    .execute()
  await db.schema
    .createTable('recordingChecks')
    .addColumn('session', 'text', column => column.primaryKey())
    .addColumn('keysNumber', 'integer', column => column.notNull())
    .addColumn('checkedAtMs', 'bigint', column => column.notNull())
    .addColumn('bytes', 'bigint', column => column.notNull())
    .addColumn('sha256', 'text', column => column.notNull())
    .addColumn('isWhole', 'integer', column => column.notNull())
    .addColumn('isSealed', 'integer', column => column.notNull())
    .addColumn('isEncrypted', 'integer', column => column.notNull())
    .addColumn('problem', 'text')
    .execute()
}

/** Null in rows of older versions: a suppression that says nothing of severity and rules covers its whole group. */
async function addEmergencyAccess(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('breakGlass', 'integer').execute()
  await db.schema.alterTable('suppressions').addColumn('severity', 'text').execute()
  await db.schema.alterTable('suppressions').addColumn('rules', 'text').execute()
  await sql`create index "emergencySessions" on "sessions" ("openedAtMs", "id") where "breakGlass" = 1`.execute(
    db,
  )
}

async function createReviewWishes(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('reviewWishes')
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('by', 'text', column => column.notNull())
    .addColumn('reason', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('reviewWishesKey', ['session', 'by'])
    .execute()
}

async function addSnoozing(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable('findings').addColumn('snoozedUntilMs', 'bigint').execute()
}

async function createSessionAssignees(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('sessionAssignees')
    .addColumn('session', 'text', column => column.primaryKey())
    .addColumn('assignee', 'text', column => column.notNull())
    .addColumn('by', 'text', column => column.notNull())
    .addColumn('atMs', 'bigint', column => column.notNull())
    .execute()
  await db.schema.createIndex('readingsByName').on('readings').columns(['name']).execute()
}

async function indexFindingsByTarget(db: Kysely<Tables>): Promise<void> {
  await db.schema.createIndex('findingsByTarget').on('findings').columns(['protocol', 'target']).execute()
}

/** Of older checks nobody knows: they are made again. */
async function addFileState(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .alterTable('recordingChecks')
    .addColumn('fileState', 'text', column => column.notNull().defaultTo(''))
    .execute()
}
