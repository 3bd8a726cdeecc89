/** SQLite works in the thread that carries everybody's sessions: what it does there is watched, and gets room when the disk is full. */
import type Database from 'better-sqlite3'

/** What the store asks of the disk that it lies on. */
export type StoreDisk = {
  /** Watches calls that wait for the disk. */
  readonly watch: <T>(action: () => T) => T
  /** Says whether it has made room on a disk that is full. */
  readonly makeRoom: () => boolean
}

export const anyDisk: StoreDisk = { watch: action => action(), makeRoom: () => false }

/** Changes the database so that all of its statements run like this. */
export function watchDatabase(database: Database.Database, disk: StoreDisk): void {
  const prepare = database.prepare.bind(database)
  const watched = (source: string): Database.Statement => {
    const statement = disk.watch(() => prepare(source))
    const run = statement.run.bind(statement)
    const all = statement.all.bind(statement)
    const get = statement.get.bind(statement)
    const within =
      <Values extends unknown[], Result>(call: (...values: Values) => Result) =>
      (...values: Values): Result =>
        withRoom(database, disk, () => call(...values))
    return Object.assign(statement, { run: within(run), all: within(all), get: within(get) })
  }
  database.prepare = watched as typeof database.prepare
}

/** A statement that finds no room is undone, so that it can be tried again; within a transaction all of that is, so that it cannot. */
function withRoom<T>(database: Database.Database, { watch, makeRoom }: StoreDisk, action: () => T): T {
  try {
    return watch(action)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'SQLITE_FULL' || !makeRoom() || database.inTransaction)
      throw error
    return watch(action)
  }
}
