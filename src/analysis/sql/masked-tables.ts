/** What is masked in one database, by names, as the parser needs it. The names come from the catalog at the session's start. */

export type MaskedTable = {
  readonly schema: string
  readonly name: string
  readonly masked: readonly string[]
  /** All columns, system columns too: any other name after the table's is a function in disguise (`payments.to_json`). */
  readonly columns: readonly string[]
}

export type MaskedTables = {
  readonly tables: readonly MaskedTable[]
  /** Views, materialized views and rules that read a masked table, directly or through others. */
  readonly views: readonly { readonly schema: string; readonly name: string }[]
  /** Names of functions and procedures in SQL or a procedural language, which may read anything. */
  readonly functions: readonly string[]
}
