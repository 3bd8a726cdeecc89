/** What one asker may see, by the numbers of the index: whatever has a limit counts that, so that no limit tells of anything else. */
import type Database from 'better-sqlite3'

/** Targets that they review, or all; and people whose sessions they do not see: they themselves. */
export type SeenNumbers = {
  readonly targets: ReadonlySet<number> | 'all'
  readonly people: ReadonlySet<number>
}

type Statements = ReturnType<typeof statementsOf>

/** The statements call `in_time`, which the connection has to know. */
export class SeenReader {
  readonly #sql: Statements

  constructor(database: Database.Database) {
    this.#sql = statementsOf(database)
  }

  isTarget({ targets }: SeenNumbers, no: number): boolean {
    return targets === 'all' || targets.has(no)
  }

  /** Whether the person has a session that the asker sees. */
  isPerson({ targets, people }: SeenNumbers, no: number): boolean {
    if (people.has(no)) return false
    return targets === 'all' || this.#sql.ofPerson.get(no, JSON.stringify([...targets])) !== undefined
  }

  /** Sessions with ids from the one up to the other, so many at most. */
  sessions(seen: SeenNumbers, from: string, to: string, most: number): readonly { readonly no: number }[] {
    const people = JSON.stringify([...seen.people])
    const rows =
      seen.targets === 'all'
        ? this.#sql.sessionsOfOthers.all(from, to, people, most)
        : this.#sql.sessionsOn.all(from, to, people, JSON.stringify([...seen.targets]), most)
    return rows as { no: number }[]
  }
}

function statementsOf(database: Database.Database) {
  const between = 'select no from sessions where id >= ? and id < ? and in_time()'
  const ofOthers = 'person not in (select value from json_each(?))'
  const onTargets = 'target in (select value from json_each(?))'
  return {
    ofPerson: database.prepare(
      `select 1 from sessions where person = ? and in_time() and ${onTargets} limit 1`,
    ),
    sessionsOfOthers: database.prepare(`${between} and ${ofOthers} limit ?`),
    sessionsOn: database.prepare(`${between} and ${ofOthers} and ${onTargets} limit ?`),
  }
}
