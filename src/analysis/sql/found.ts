/** Collects what a statement names while its tree is read. */
import type { DenyWord } from '../../config/deny-words.ts'
import type { StatementClass, StatementTable } from '../../model.ts'
import type { RoleUse, Setting } from './analysis.ts'
import { graver } from './statement-words.ts'

/** Tables, columns and functions of one statement that facts keep; whoever names more gets them counted as one more named `…`. */
const maxNames = 1000

export type FoundTable = {
  readonly schema: string | undefined
  readonly name: string
  readonly columns: Set<string>
  write: boolean
}

export class Found {
  class: StatementClass = 'other'
  readonly words = new Set<DenyWord>()
  readonly functions = new Set<string>()
  readonly settings: Setting[] = []
  readonly roles: RoleUse[] = []
  /** Whether a fact was read out of a literal. */
  hasReadLiteral = false
  readonly #tables = new Map<string, FoundTable>()

  is(what: StatementClass, words: readonly DenyWord[]): void {
    this.class = graver(this.class, what)
    for (const word of words) this.words.add(word)
  }

  /** The same table of the same name is one, however often it is named. */
  table(schema: string | undefined, name: string, write: boolean): FoundTable {
    const key = JSON.stringify([schema, name])
    const found = this.#tables.get(key) ?? { schema, name, columns: new Set<string>(), write }
    found.write ||= write
    if (this.#tables.size < maxNames) this.#tables.set(key, found)
    else this.words.add('unknown')
    return found
  }

  column(table: FoundTable, name: string): void {
    if (table.columns.size < maxNames) table.columns.add(name)
    else this.words.add('unknown')
  }

  function(name: string): void {
    if (this.functions.size < maxNames) this.functions.add(name)
    else this.words.add('unknown')
  }

  tables(): StatementTable[] {
    return [...this.#tables.values()].map(({ schema, name, columns, write }) => ({
      ...(schema === undefined ? {} : { schema }),
      name,
      ...(columns.size === 0 ? {} : { columns: [...columns] }),
      write,
    }))
  }
}
