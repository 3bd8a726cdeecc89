import type { NameEffect } from './name-effects.ts'
import type { Shape } from './shapes.ts'
import type { Arguments, StatementText } from './statement-text.ts'

/** One generation of a prepared statement's name. */
export type Prepared = {
  readonly name: string
  /** Until it is told. */
  text: StatementText | undefined
  readonly effects: readonly NameEffect[]
  /** OIDs; 0 where the server has not said. */
  types: readonly number[]
  shape: Shape | undefined
  /** The number under which it was told. */
  statement: number | undefined
  /** The number of the event that has its text. */
  textAt: number | undefined
  /** By which rules its text was allowed. */
  readonly judged: unknown
  /** Hidden code has run since it was made: nobody knows whether its name still means it. */
  isDoubted: boolean
  /** Hears the number once. */
  said: ((statement: number) => void) | undefined
  readonly segment: number
}

/** One generation of a portal's name. */
export type Portal = {
  readonly name: string
  readonly statementName: string
  /** What it was made of when it was sent; after BindComplete what it is made of. */
  prepared: Prepared | undefined
  readonly orElse: Prepared | undefined
  values: Arguments | undefined
  readonly resultFormats: readonly number[]
  shape: Shape | undefined
  /** The number of the event that has its parameters. */
  toldAt: number | undefined
  readonly segment: number
  readonly holds: boolean
}

/** The statement that did something to names, and the rules that allowed it. */
export type MadeBy = { readonly statement: number; readonly judged: unknown }

const noEffects: readonly NameEffect[] = []

/** What PREPARE makes. */
export function madeBySql(name: string, { statement, judged }: MadeBy, segment: number): Prepared {
  return {
    name,
    text: undefined,
    effects: noEffects,
    types: [],
    shape: undefined,
    statement,
    textAt: statement,
    judged,
    isDoubted: false,
    said: undefined,
    segment,
  }
}

/** What DECLARE makes. `holds`: it may outlive its transaction. */
export function declared(name: string, holds: boolean, by: MadeBy, segment: number): Portal {
  return {
    name,
    statementName: '',
    prepared: madeBySql('', by, segment),
    orElse: undefined,
    values: undefined,
    resultFormats: [],
    shape: undefined,
    toldAt: undefined,
    segment,
    holds,
  }
}
