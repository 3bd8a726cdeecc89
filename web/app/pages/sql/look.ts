/** What a class of statements looks like: a word, a shape and a colour, so that no colour has to be told from another. */
import type { StatementClass } from '../../../../src/model.ts'
import { outcomeOf, type Statement } from './statement.ts'

export type Shape = 'circle' | 'triangle' | 'square' | 'diamond' | 'bar' | 'cross' | 'ring'

/** The groups of the legend and of the filter, in their order. */
export const looks = {
  read: { name: 'Read', shape: 'circle', what: 'SELECT and the like' },
  write: { name: 'Write', shape: 'triangle', what: 'INSERT, UPDATE, DELETE, MERGE' },
  ddl: { name: 'Definition', shape: 'square', what: 'CREATE, ALTER, DROP, TRUNCATE' },
  privilege: { name: 'Privilege', shape: 'diamond', what: 'roles, grants, settings of the server' },
  bulk: { name: 'Bulk', shape: 'bar', what: 'COPY, programs on the server' },
  error: { name: 'Not done', shape: 'cross', what: 'failed, cancelled, or refused by policy' },
  other: { name: 'Other', shape: 'ring', what: 'transactions, settings of the session, calls' },
} as const satisfies Record<string, { name: string; shape: Shape; what: string }>
export type Look = keyof typeof looks

const lookOfClass: Readonly<Record<StatementClass, Look>> = {
  read: 'read',
  write: 'write',
  ddl: 'ddl',
  privilege: 'privilege',
  copy: 'bulk',
  program: 'bulk',
  call: 'other',
  session: 'other',
  transaction: 'other',
  other: 'other',
  unparsable: 'other',
}

/** Whatever became of it. */
export function classLookOf(statement: Pick<Statement, 'class'>): Look {
  return lookOfClass[statement.class]
}

export function lookOf(statement: Pick<Statement, 'class' | 'sqlstate' | 'blocked'>): Look {
  return outcomeOf(statement) === 'done' ? lookOfClass[statement.class] : 'error'
}

/** What to show where several share a place: the one that matters most. */
const gravest: readonly Look[] = ['other', 'read', 'write', 'bulk', 'ddl', 'privilege', 'error']

export function graver(a: Look, b: Look): Look {
  return gravest.indexOf(a) >= gravest.indexOf(b) ? a : b
}
