import type Database from 'better-sqlite3'
import type { Tables } from './schema.ts'

/** A row as SQLite takes it. */
type Row = Readonly<Record<string, string | number | null>>

/** Runs a statement that gives nothing back; says how many rows it changed. */
export type Change<Values extends object> = (values: Values) => number
/** Runs an action of the store: turns what the database throws into a Fault, or waits for the disk besides. */
export type Guard = <T>(action: () => Promise<T>) => Promise<T>
export type Query<Values extends object, Found> = (values: Values) => Found[]

/**
 * Statements that are parsed once, at their first use, and run at once, for what every login does: building, parsing and waiting for them took most of
 * what the store cost. Nothing else gets between the statements of an action that has no `await` in it.
 */
export class Statements {
  readonly #database: Database.Database

  constructor(database: Database.Database) {
    this.#database = database
  }

  insert<Table extends keyof Tables>(
    table: Table,
    columns: readonly (keyof Tables[Table] & string)[],
  ): Change<Tables[Table]> {
    const names = columns.map(name => `"${name}"`).join(', ')
    const places = columns.map(name => `@${name}`).join(', ')
    return this.change(`insert into "${table}" (${names}) values (${places})`)
  }

  /** Parameters are written `@name`. */
  change<Values extends object>(sql: string): Change<Values> {
    let statement: Database.Statement<[Row]> | undefined
    return values => {
      statement ??= this.#database.prepare<[Row]>(sql)
      return statement.run(values as Row).changes
    }
  }

  query<Values extends object, Found>(sql: string): Query<Values, Found> {
    let statement: Database.Statement<[Row], Found> | undefined
    return values => {
      statement ??= this.#database.prepare<[Row], Found>(sql)
      return statement.all(values as Row)
    }
  }

  /** All of it, or nothing if it throws. It must not wait for anything. */
  atOnce<Values extends readonly unknown[], Done>(
    action: (...values: Values) => Done,
  ): (...values: Values) => Done {
    return this.#database.transaction(action) as unknown as (...values: Values) => Done
  }
}
