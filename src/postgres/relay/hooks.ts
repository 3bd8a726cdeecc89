/** What others decide while the relay relays: whether a statement may run, and what of a result may be seen. */
import type { Column, ReportFields } from '../wire/backend.ts'

export type Judgement =
  /** `runs`: prepared statements and cursors that the text runs or reads, and did not make itself. */
  | { readonly allowed: true; readonly runs?: readonly RunName[] }
  | { readonly allowed: false; readonly rule: string; readonly reason: string; readonly hint?: string }

export type RunName = { readonly what: 'statement' | 'portal'; readonly name: string }

export const allowed: Judgement = { allowed: true }

export interface StatementGate {
  /** Rules name statements or tables: encodings and escapes must then stay what the parser takes them to be. */
  readonly hasRules: boolean
  /** A promise where the parser must be asked: the client's direction waits for it. */
  judge(text: string): Judgement | Promise<Judgement>
  /** Of a function call of the protocol's own that is otherwise allowed: large objects. */
  judgeFunctionCall?(): Judgement
}

export interface ResultMask {
  /** What to do with rows of these columns; undefined: nothing is masked in them. Nobody asked what the columns are: undefined. */
  plan(columns: readonly Column[] | undefined, formats: readonly number[]): RowMask | undefined
  /** The body of an ErrorResponse in the place of one that would show a row; undefined: it shows none. */
  report?(fields: ReportFields): Buffer | undefined
}

export interface RowMask {
  /** The DataRow's body with what must not be seen replaced. */
  apply(row: Buffer): Buffer
}
