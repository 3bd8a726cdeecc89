/** A session of the simulation, before anything looks at it. */
import type { Entry } from '../../src/analysis/entry.ts'
import { isDatabase, type Role } from './office.ts'

export type Session = {
  readonly id: string
  readonly principal: string
  readonly role: Role
  readonly target: string
  readonly protocol: 'ssh' | 'postgres'
  readonly openedAtMs: number
  readonly lines: readonly Line[]
  /** Where it comes from, if not from the office. */
  readonly source?: string
  /** The planted case that this is a part of. */
  readonly planted?: string
}

/** Before statements are read. */
export type Line = Pick<Entry, 'text' | 'atMs' | 'kind' | 'file'> & {
  readonly rows?: number
  readonly sqlstate?: string
}

export function newSession(
  principal: string,
  role: Role,
  target: string,
  openedAtMs: number,
): Omit<Session, 'lines'> {
  const protocol = isDatabase(target) ? 'postgres' : 'ssh'
  return {
    id: `${principal} ${target} ${openedAtMs.toFixed(0)}`,
    principal,
    role,
    target,
    protocol,
    openedAtMs,
  }
}
