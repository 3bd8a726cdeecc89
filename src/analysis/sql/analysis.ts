/** What is known of a text: the facts that policy and recording keep, and what the gate needs besides. */
import type { StatementFacts } from '../../model.ts'

/** A setting that a statement changes, or may change. */
export type Setting = {
  /** In small letters; undefined where only the server knows which: RESET ALL, a name that is computed. */
  readonly name: string | undefined
  /** undefined: the default, or nobody knows before it runs. */
  readonly value: string | undefined
  /** `later`: in new sessions of a database or server, or when a function runs. `elsewhere`: in new sessions of a role. */
  readonly how: 'set' | 'reset' | 'function' | 'later' | 'elsewhere'
}

/** A role that a statement names, as a name or by one of the words that stand for one. */
export type RoleUse = {
  /** The node of the statement, such as `AlterRoleStmt`. */
  readonly statement: string
  readonly role:
    | { readonly name: string }
    | { readonly word: 'session_user' | 'current_user' | 'public' | 'all' }
}

/** What a statement does to the names of a session's statements and cursors. */
export type NamedObject = {
  readonly action: 'prepare' | 'execute' | 'deallocate' | 'declare' | 'fetch' | 'close' | 'discard'
  /** undefined: all of them. */
  readonly name: string | undefined
}

/** One statement of a text. */
export type Part = {
  readonly facts: StatementFacts
  /** Where it stands in the UTF-8 bytes of the text. */
  readonly start: number
  readonly bytes: number
  readonly settings: readonly Setting[]
  readonly roles: readonly RoleUse[]
  readonly named: NamedObject | undefined
}

export type Analysis = {
  /** Of the whole text: the union of its statements. */
  readonly facts: StatementFacts
  readonly parts: readonly Part[]
  /** Whether a text that differs in literals only has the same analysis; then it has one statement. */
  readonly isOfShape: boolean
  /** Asked for with masks: how the text reaches a masked column in a way that cannot be masked; undefined if it does not. */
  readonly maskedReach?: string
}

/** Of a text that the grammar cannot read; `reason` is for people. */
export function unparsable(reason: string): Analysis {
  const facts: StatementFacts = {
    class: 'unparsable',
    kinds: [],
    tables: [],
    functions: [],
    hasWhere: undefined,
    fingerprint: undefined,
    statements: 0,
    reason,
  }
  return { facts, parts: [], isOfShape: false }
}
