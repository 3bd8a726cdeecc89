/** What reviewers leave on sessions: comments, what they watched, verdicts; who read what; and the lists that they come back to. */
import type {
  CheckRow,
  CommentRow,
  ReadingRow,
  ReviewWishRow,
  SessionAssigneeRow,
  SavedViewRow,
  SessionVerdictRow,
  WatchedRow,
  WatchedStretch,
} from '../model.ts'
import type { CheckTable, ReadingTable, WatchedTable } from './schema.ts'
import type { Guard, Statements } from './statements.ts'
import type { KeyOwner, ReviewStore } from './store.ts'

/** Of one session, the newest: what more people wrote than anybody reads is still in the store. */
const maxShown = 1000
/** Verdicts of each session of a list. */
const maxVerdictsShown = 200

export function reviewStore(statements: Statements, guarded: Guard, kept: Guard): ReviewStore {
  return {
    ...commentStore(statements, guarded, kept),
    ...watchedStore(statements, guarded),
    ...verdictStore(statements, guarded, kept),
    ...wishStore(statements, guarded, kept),
    ...assigneeStore(statements, guarded, kept),
    ...savedViewStore(statements, guarded),
    ...readingStore(statements, guarded),
    ...checkStore(statements, guarded),
  }
}

function commentStore(
  statements: Statements,
  guarded: Guard,
  kept: Guard,
): Pick<ReviewStore, 'comment' | 'commentsOf'> {
  const insert = statements.insert('comments', [
    'id',
    'session',
    'issuer',
    'subject',
    'name',
    'atMs',
    'offsetMs',
    'text',
  ])
  const of = statements.query<{ session: string; limit: number }, CommentRow & { offsetMs: number | null }>(
    'select * from comments where session = @session order by atMs desc, id desc limit @limit',
  )
  return {
    comment: row => kept(async () => void insert({ ...row, offsetMs: row.offsetMs ?? null })),
    commentsOf: session =>
      guarded(async () =>
        of({ session, limit: maxShown })
          .toReversed()
          .map(row => ({ ...row, offsetMs: row.offsetMs ?? undefined })),
      ),
  }
}

function watchedStore(statements: Statements, guarded: Guard): Pick<ReviewStore, 'watch' | 'watchedOf'> {
  const put = statements.change<WatchedTable>(
    `insert into watched (session, issuer, subject, name, lastMs, stretches)
      values (@session, @issuer, @subject, @name, @lastMs, @stretches)
      on conflict (session, issuer, subject)
      do update set name = excluded.name, lastMs = excluded.lastMs, stretches = excluded.stretches`,
  )
  const one = statements.query<KeyOwner & { session: string }, WatchedTable>(
    'select * from watched where session = @session and issuer = @issuer and subject = @subject',
  )
  const all = statements.query<{ session: string; limit: number }, WatchedTable>(
    'select * from watched where session = @session order by lastMs desc limit @limit',
  )
  const change = statements.atOnce(
    (
      row: Omit<WatchedRow, 'stretches'>,
      merge: (before: readonly WatchedStretch[]) => readonly WatchedStretch[],
    ) => {
      const { session, issuer, subject } = row
      const [before] = one({ session, issuer, subject }).map(watchedFromTable)
      put({ ...row, stretches: JSON.stringify(merge(before?.stretches ?? [])) })
    },
  )
  return {
    watch: (row, merge) => guarded(async () => change(row, merge)),
    watchedOf: session => guarded(async () => all({ session, limit: maxShown }).map(watchedFromTable)),
  }
}

function watchedFromTable(row: WatchedTable): WatchedRow {
  return { ...row, stretches: JSON.parse(row.stretches) as WatchedStretch[] }
}

function verdictStore(
  statements: Statements,
  guarded: Guard,
  kept: Guard,
): Pick<ReviewStore, 'judge' | 'verdictsOf'> {
  const insert = statements.insert('sessionVerdicts', [
    'id',
    'session',
    'issuer',
    'subject',
    'name',
    'atMs',
    'verdict',
    'rationale',
  ])
  const of = statements.query<{ sessions: string; limit: number }, SessionVerdictRow>(
    `select id, session, issuer, subject, name, atMs, verdict, rationale from (
       select *, row_number() over (partition by session order by atMs desc, id desc) place
         from sessionVerdicts where session in (select value from json_each(@sessions)))
       where place <= @limit order by atMs desc, id desc`,
  )
  return {
    judge: row => kept(async () => void insert(row)),
    verdictsOf: sessions =>
      guarded(async () => of({ sessions: JSON.stringify(sessions), limit: maxVerdictsShown }).toReversed()),
  }
}

function wishStore(
  statements: Statements,
  guarded: Guard,
  kept: Guard,
): Pick<ReviewStore, 'wishReview' | 'reviewWishesOf'> {
  const insert = statements.change<ReviewWishRow>(
    `insert into reviewWishes (session, "by", reason, atMs) values (@session, @by, @reason, @atMs)
      on conflict (session, "by") do nothing`,
  )
  const of = statements.query<{ sessions: string; limit: number }, ReviewWishRow>(
    `select * from reviewWishes where session in (select value from json_each(@sessions))
      order by atMs, "by" limit @limit`,
  )
  return {
    wishReview: row => kept(async () => insert(row) > 0),
    reviewWishesOf: sessions =>
      guarded(async () => of({ sessions: JSON.stringify(sessions), limit: maxShown })),
  }
}

function assigneeStore(
  statements: Statements,
  guarded: Guard,
  kept: Guard,
): Pick<ReviewStore, 'isReader' | 'assignSession' | 'assigneesOf'> {
  const put = statements.change<SessionAssigneeRow>(
    `insert into sessionAssignees (session, assignee, "by", atMs) values (@session, @assignee, @by, @atMs)
      on conflict (session) do update set assignee = excluded.assignee, "by" = excluded."by", atMs = excluded.atMs`,
  )
  const drop = statements.change<{ session: string }>('delete from sessionAssignees where session = @session')
  const isKnown = statements.query<{ name: string }, { n: number }>(
    'select 1 n from readings where name = @name limit 1',
  )
  const of = statements.query<{ sessions: string }, SessionAssigneeRow>(
    'select * from sessionAssignees where session in (select value from json_each(@sessions))',
  )
  return {
    isReader: name => guarded(async () => isKnown({ name }).length > 0),
    assignSession: ({ assignee, ...row }) =>
      kept(
        async () =>
          void (assignee === undefined ? drop({ session: row.session }) : put({ ...row, assignee })),
      ),
    assigneesOf: sessions => guarded(async () => of({ sessions: JSON.stringify(sessions) })),
  }
}

function savedViewStore(
  statements: Statements,
  guarded: Guard,
): Pick<ReviewStore, 'saveView' | 'viewsOf' | 'removeView'> {
  const count = statements.query<KeyOwner, { n: number }>(
    'select count(*) n from savedViews where issuer = @issuer and subject = @subject',
  )
  const insert = statements.insert('savedViews', [
    'id',
    'issuer',
    'subject',
    'name',
    'page',
    'query',
    'createdAtMs',
  ])
  const save = statements.atOnce((row: SavedViewRow, most: number): boolean => {
    const { issuer, subject } = row
    if ((count({ issuer, subject })[0]?.n ?? 0) >= most) return false
    insert(row)
    return true
  })
  const of = statements.query<KeyOwner, SavedViewRow>(
    'select * from savedViews where issuer = @issuer and subject = @subject order by createdAtMs, id',
  )
  const remove = statements.change<KeyOwner & { id: string }>(
    'delete from savedViews where id = @id and issuer = @issuer and subject = @subject',
  )
  return {
    saveView: (row, most) => guarded(async () => save(row, most)),
    viewsOf: ({ issuer, subject }) => guarded(async () => of({ issuer, subject })),
    removeView: (id, { issuer, subject }) => guarded(async () => remove({ id, issuer, subject }) > 0),
  }
}

function readingStore(
  statements: Statements,
  guarded: Guard,
): Pick<ReviewStore, 'noteReading' | 'readingsAbout' | 'readingsSince' | 'removeReadingsBefore'> {
  const insert = statements.insert('readings', ['session', 'issuer', 'subject', 'name', 'atMs', 'purpose'])
  const about = statements.query<KeyOwner & { limit: number }, ReadingTable>(
    `select readings.* from readings join sessions on sessions.id = readings.session
      where sessions.issuer = @issuer and sessions.subject = @subject order by readings.atMs desc limit @limit`,
  )
  const since = statements.query<{ sinceMs: number; limit: number }, ReadingTable>(
    'select * from readings where atMs >= @sinceMs order by atMs limit @limit',
  )
  const removeBefore = statements.change<{ beforeMs: number }>('delete from readings where atMs < @beforeMs')
  return {
    noteReading: (row: ReadingRow) => guarded(async () => void insert(row)),
    readingsAbout: ({ issuer, subject }, limit) => guarded(async () => about({ issuer, subject, limit })),
    readingsSince: (sinceMs, limit) => guarded(async () => since({ sinceMs, limit })),
    removeReadingsBefore: beforeMs => guarded(async () => removeBefore({ beforeMs })),
  }
}

function checkStore(statements: Statements, guarded: Guard): Pick<ReviewStore, 'noteCheck' | 'checksOf'> {
  const put = statements.change<CheckTable>(
    `insert or replace into recordingChecks
      (session, keysNumber, checkedAtMs, fileState, bytes, sha256, isWhole, isSealed, isEncrypted, problem)
      values (@session, @keysNumber, @checkedAtMs, @fileState, @bytes, @sha256, @isWhole, @isSealed, @isEncrypted, @problem)`,
  )
  const of = statements.query<{ sessions: string }, CheckTable>(
    'select * from recordingChecks where session in (select value from json_each(@sessions))',
  )
  return {
    noteCheck: row => guarded(async () => void put(checkToTable(row))),
    checksOf: sessions => guarded(async () => of({ sessions: JSON.stringify(sessions) }).map(checkFromTable)),
  }
}

function checkToTable(row: CheckRow): CheckTable {
  return {
    ...row,
    isWhole: Number(row.isWhole),
    isSealed: Number(row.isSealed),
    isEncrypted: Number(row.isEncrypted),
    problem: row.problem ?? null,
  }
}

function checkFromTable(row: CheckTable): CheckRow {
  return {
    ...row,
    isWhole: row.isWhole === 1,
    isSealed: row.isSealed === 1,
    isEncrypted: row.isEncrypted === 1,
    problem: row.problem ?? undefined,
  }
}
