/**
 * What passed of SQL, decoded from the PostgreSQL protocol. All of it is told as JSON. `statement` numbers everything that a session
 * says about statements, from 1 on: what is prepared and bound has numbers of its own, so that others can refer to it.
 */
import type { StatementFacts } from '../model.ts'

/** Bytes in the client's encoding: text where they are valid UTF-8, otherwise base64. */
export type SqlText = { readonly text: string } | { readonly textBase64: string }

/**
 * The text itself, or `same`: the number under which the same text was told before. Of a long text the rest follows as `statement-text`;
 * `textBytes` and `textSha256` are then of the whole.
 */
export type TextFields = {
  readonly text?: string
  readonly textBase64?: string
  readonly same?: number
  readonly textBytes?: number
  readonly textSha256?: string
}

/** A value as PostgreSQL would print it, its bytes where we cannot tell, or NULL. */
export type SqlValue = {
  /** Name of the type, or its OID if it is none that we know. */
  readonly type?: string | number
  readonly text?: string
  readonly base64?: string
  readonly null?: true
  /** Of a value that is not kept whole: its length and the SHA-256 of all its bytes as sent. What is kept is its beginning. */
  readonly bytes?: number
  readonly sha256?: string
}

export type SqlColumn = {
  readonly name: string
  readonly type: string | number
  /** OID of the table and number of its column, if it is one of a table. */
  readonly table?: number
  readonly attribute?: number
  readonly binary?: true
}

/** Bytes of COPY data without the protocol's framing, and their SHA-256: that of the file. */
export type CopyVolume = {
  readonly direction: 'in' | 'out' | 'both'
  readonly bytes: number
  readonly sha256: string
  /** Of `both`: what the client sent. */
  readonly inBytes?: number
  readonly inSha256?: string
}

export type ResultStatus = 'done' | 'error' | 'skipped' | 'suspended' | 'empty' | 'unfinished'
export type TransactionState = 'I' | 'T' | 'E'

export type SqlEvent =
  | {
      readonly type: 'sql-session'
      readonly user: string
      readonly database: string
      readonly application: string
      readonly protocol: string
      /** What the client asked for at its start, besides these. */
      readonly parameters: Readonly<Record<string, string>>
    }
  | ({
      readonly type: 'statement'
      readonly statement: number
      readonly how: 'simple' | 'execute' | 'function'
      /** Names of the prepared statement and of the portal, if they have any. */
      readonly name?: string
      readonly portal?: string
      /** The statement whose parameters these are, if they were told before. */
      readonly bound?: number
      readonly parameters?: readonly SqlValue[]
      /** So many more follow as `statement-parameters`. */
      readonly moreParameters?: number
      readonly maxRows?: number
      /** SQL's EXECUTE: the statement that it runs, as far as its name tells. */
      readonly executes?: number
      /** What runs instead if the Parse of this name that is under way fails. */
      readonly orElse?: number
      readonly function?: { readonly oid: number; readonly name?: string }
    } & TextFields)
  | ({
      readonly type: 'prepared'
      readonly statement: number
      readonly name: string
      readonly types?: readonly (string | number)[]
    } & TextFields)
  | ({
      readonly type: 'bound'
      readonly statement: number
      readonly portal: string
      readonly name?: string
      readonly parameters?: readonly SqlValue[]
      readonly moreParameters?: number
      readonly orElse?: number
    } & TextFields)
  | ({ readonly type: 'statement-text'; readonly statement: number; readonly from: number } & SqlText)
  | {
      readonly type: 'statement-parameters'
      readonly statement: number
      /** Counts from 1, as in `$1`. */
      readonly from: number
      readonly parameters: readonly SqlValue[]
    }
  /** One or all (no name) are forgotten by the server. */
  | { readonly type: 'deallocated'; readonly name?: string }
  | { readonly type: 'columns'; readonly columns: number; readonly fields: readonly SqlColumn[] }
  | {
      readonly type: 'result'
      readonly statement: number
      /** It failed before it ran. */
      readonly during?: 'parse' | 'bind'
      /** In `a;b;c`, from 1; left out where there is only one so far. */
      readonly part?: number
      readonly status: ResultStatus
      readonly tag?: string
      readonly rows?: number
      /** Of the rows' messages, without their heads. */
      readonly bytes?: number
      readonly firstRowUs?: number
      readonly us?: number
      readonly sqlstate?: string
      readonly message?: string
      /** The gateway refused it: the name of the rule. */
      readonly blocked?: string
      /** Number of the `columns` event that names them. */
      readonly columns?: number
      readonly head?: readonly (readonly SqlValue[])[]
      readonly masked?: true
      readonly copy?: CopyVolume
      /** If progress was told: SHA-256 of the rows' messages as they came, heads included. */
      readonly sha256?: string
      /** What really ran, where that is not what the statement said: a number, or null if nobody told its text. */
      readonly ran?: number | null
    }
  | {
      readonly type: 'result-progress'
      readonly statement: number
      readonly rows: number
      readonly bytes: number
      readonly sha256: string
    }
  | {
      readonly type: 'copy-progress'
      /** Left out where the COPY that it belongs to is not known yet, or there is none. */
      readonly statement?: number
      readonly direction: 'in' | 'out'
      readonly bytes: number
      readonly sha256: string
    }
  /** A long message whose own event comes with its end. */
  | {
      readonly type: 'message-progress'
      readonly message: string
      readonly bytes: number
      readonly sha256: string
    }
  /** An error that answers none of the statements. */
  | {
      readonly type: 'server-error'
      readonly during: string
      readonly severity: string
      readonly sqlstate: string
      readonly message: string
    }
  | {
      readonly type: 'notice'
      readonly severity: string
      readonly sqlstate: string
      readonly message: string
      readonly detail?: string
      readonly hint?: string
    }
  | {
      readonly type: 'notification'
      readonly topic: string
      readonly payload: string
      readonly bytes: number
      readonly process: number
    }
  | { readonly type: 'parameter'; readonly name: string; readonly value: string }
  | { readonly type: 'transaction'; readonly status: TransactionState }
  | {
      readonly type: 'blocked'
      readonly statement: number
      readonly rule: string
      readonly reason: string
    }
  | { readonly type: 'cancel-request'; readonly from: string }
  | ({ readonly type: 'statement-facts'; readonly statement: number } & FactFields)
  /** These have the facts that were told of `statement`: they differ in literals. */
  | { readonly type: 'same-facts'; readonly statement: number; readonly also: readonly number[] }
  /** So many statements were not read by the parser, because it was behind. */
  | { readonly type: 'facts-skipped'; readonly statements: number }

/** What the grammar says; how many statements are in the text is `count` here, since `statement` numbers them. */
export type FactFields = Omit<StatementFacts, 'statements'> & { readonly count: number }
