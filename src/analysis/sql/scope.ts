/** Which names mean what at one level of a statement: common table expressions, and what FROM lists. */
import type { FoundTable } from './found.ts'

type Source = { readonly alias: string; readonly table: FoundTable | undefined }

export class Scope {
  readonly #parent: Scope | undefined
  readonly #expressions = new Set<string>()
  readonly #sources: Source[] = []

  constructor(parent?: Scope) {
    this.#parent = parent
  }

  /** A name of WITH, which hides tables of that name from here on. */
  addExpression(name: string): void {
    this.#expressions.add(name)
  }

  hasExpression(name: string): boolean {
    return this.#expressions.has(name) || (this.#parent?.hasExpression(name) ?? false)
  }

  /** `table` is undefined for what is no table: a sub-select, a function. */
  addSource(alias: string, table: FoundTable | undefined): void {
    this.#sources.push({ alias, table })
  }

  /** The tables that a column may belong to; without a qualifier, each table of the nearest level that has any. */
  tablesOf(qualifier: string | undefined): readonly FoundTable[] {
    const here = this.#sources.filter(({ alias }) => qualifier === undefined || alias === qualifier)
    const tables = here.flatMap(({ table }) => (table === undefined ? [] : [table]))
    if (tables.length > 0 || (qualifier !== undefined && here.length > 0)) return tables
    return this.#parent?.tablesOf(qualifier) ?? []
  }

  /** What a look for a column may have to go through: sources at this level and those around it. */
  get reach(): number {
    return this.#sources.length + 1 + (this.#parent?.reach ?? 0)
  }

  isAlias(name: string): boolean {
    return this.#sources.some(({ alias }) => alias === name) || (this.#parent?.isAlias(name) ?? false)
  }
}
