/**
 * Holds recordings against the log of sessions: none is missing, none was replaced, none came by another way. One that is not
 * there and has a tombstone was removed by rule, if the audit log has the decision that the tombstone is the hash of.
 */
import { basename } from 'node:path'
import type { StampedLeaf } from '../audit/tree/leaf.ts'
import { reasonOf } from '../errors.ts'
import { readRecording } from './reader.ts'
import { type Anchors, anchorsOf } from './register.ts'
import type { Decision } from './retention/decision.ts'
import type { Decisions } from './retention/decisions-in.ts'

export type Misplaced = { readonly file: string; readonly reason: string; readonly isMissing?: boolean }
export type PlacesResult = {
  readonly misplaced: readonly Misplaced[]
  readonly notes: readonly string[]
  /** Recordings whose leaves were found and are right. */
  readonly found: number
  /** Recordings that were removed by rule. */
  readonly removed: readonly RemovedRecording[]
}

export type RemovedRecording = {
  readonly session: string
  /** When its tombstone was written. */
  readonly at: string
  /** Undefined where no audit log was given. */
  readonly decision: Decision | undefined
  readonly isStillThere: boolean
}

/** A recording that was looked at where it is kept and is not here any more: what the log speaks of, or why it cannot be read. */
export type SeenRecording = {
  readonly file: string
  readonly seen: (Anchors & { readonly openedAt: string }) | string
}

type Entered = { open?: StampedLeaf; seal?: StampedLeaf; tombstone?: StampedLeaf }

/**
 * `leaves` are those of a log that was verified; `files` all recordings that there are. A recording that is older than the log's
 * first leaf is only noted.
 */
export function verifyPlaces(
  leaves: readonly StampedLeaf[],
  files: readonly string[],
  decisions?: Decisions,
  elsewhere: readonly SeenRecording[] = [],
): PlacesResult {
  const entered = bySession(leaves)
  const present = new Set([...files, ...elsewhere.map(seen => seen.file)].map(sessionOf))
  const missing = [...entered].filter(
    ([session, { tombstone }]) => !present.has(session) && tombstone === undefined,
  )
  const misplaced: Misplaced[] = missing.map(([session, { open }]) => ({
    isMissing: true,
    file: `${session}.sallyport`,
    reason: `the log says that this session was opened at ${open?.at ?? '?'}, and its recording is missing`,
  }))
  const notes: string[] = []
  for (const file of files) {
    const problem = problemOf(file, entered.get(sessionOf(file)), leaves[0]?.at, notes)
    if (problem !== undefined) misplaced.push({ file, reason: problem })
  }
  for (const { file, seen } of elsewhere) {
    const problem = seenProblem(seen, entered.get(sessionOf(file)), leaves[0]?.at)
    if (problem !== undefined) misplaced.push({ file, reason: problem })
  }
  const removed = [...entered].flatMap(([session, { tombstone }]) =>
    tombstone === undefined ? [] : [removedOf(session, tombstone, present.has(session), decisions?.byHash)],
  )
  if (decisions?.isWhole === true)
    misplaced.push(...removed.filter(one => one.decision === undefined).map(undecided))
  notes.push(...notesOn(removed, decisions !== undefined))
  return { misplaced, notes, found: [...present].filter(session => entered.has(session)).length, removed }
}

function removedOf(
  session: string,
  { at, sha256 }: StampedLeaf,
  isStillThere: boolean,
  decisions: ReadonlyMap<string, Decision> | undefined,
): RemovedRecording {
  const decision = decisions?.get(sha256)
  return {
    session,
    at,
    decision: decision?.session === session ? decision : undefined,
    isStillThere,
  }
}

/** Whoever takes a recording away and writes a tombstone for it has to say why where everybody reads it. */
function undecided({ session, at }: RemovedRecording): Misplaced {
  const reason = `the log says at ${at} that this recording was removed, and the audit log has no such decision`
  return { file: `${session}.sallyport`, reason }
}

/** Removed recordings that are told one by one; all of them are in the result. */
const maxTold = 20

function notesOn(removed: readonly RemovedRecording[], isDecided: boolean): readonly string[] {
  if (removed.length === 0) return []
  const notes = [`${removed.length} recordings were removed by rule, as the log says.`]
  for (const { session, at, decision } of removed.slice(0, maxTold)) {
    if (decision === undefined) continue
    const by = decision.cause === 'policy' ? 'purged by policy' : 'removed on request'
    notes.push(`${session} was ${by} on ${at}: ${decision.rule}`)
  }
  if (isDecided && removed.length > maxTold) notes.push(`So were ${removed.length - maxTold} more.`)
  if (!isDecided) notes.push('Give the audit log too to see by which rules.')
  const left = removed.filter(one => one.isStillThere).map(one => one.session)
  if (left.length > 0)
    notes.push(
      `Still there, although they should be gone: ${left.slice(0, maxTold).join(', ')}${left.length > maxTold ? ', …' : ''}. A purge was interrupted, or a backup brought them back.`,
    )
  return notes
}

function bySession(leaves: readonly StampedLeaf[]): ReadonlyMap<string, Entered> {
  const sessions = new Map<string, Entered>()
  for (const leaf of leaves) {
    if (leaf.kind === 'audit-log') continue
    const entered = sessions.get(leaf.session) ?? {}
    sessions.set(leaf.session, entered)
    if (leaf.kind === 'session-open') entered.open ??= leaf
    else if (leaf.kind === 'session-seal') entered.seal ??= leaf
    else entered.tombstone ??= leaf
  }
  return sessions
}

function sessionOf(file: string): string {
  return basename(file, '.sallyport')
}

function problemOf(
  file: string,
  entered: Entered | undefined,
  logBeganAt: string | undefined,
  notes: string[],
): string | undefined {
  try {
    if (entered?.open === undefined) return strangerProblem(file, logBeganAt, notes)
    return anchorProblem(anchorsOf(file), entered)
  } catch (error) {
    return reasonOf(error)
  }
}

function strangerProblem(file: string, logBeganAt: string | undefined, notes: string[]): string | undefined {
  const reader = readRecording(file)
  try {
    if (logBeganAt === undefined || reader.header.openedAt >= logBeganAt)
      return 'the log of sessions does not know this recording'
    notes.push(`${file} is older than the log of sessions.`)
    return undefined
  } finally {
    reader.close()
  }
}

function seenProblem(
  seen: SeenRecording['seen'],
  entered: Entered | undefined,
  logBeganAt: string | undefined,
): string | undefined {
  if (typeof seen === 'string') return seen
  if (entered?.open !== undefined) return anchorProblem(seen, entered)
  const isOlder = logBeganAt !== undefined && seen.openedAt < logBeganAt
  return isOlder ? undefined : 'the log of sessions does not know this recording'
}

function anchorProblem({ header, seal }: Anchors, { open, seal: sealed }: Entered): string | undefined {
  if (header.toString('hex') !== open?.sha256)
    return 'the log says that this session began with another header: the recording was replaced'
  if (sealed === undefined) return undefined
  if (seal === undefined)
    return 'the log says that this recording was sealed, and it has no seal: its end was cut off'
  return seal.toString('hex') === sealed.sha256
    ? undefined
    : 'the log says that this recording was sealed otherwise: it was replaced'
}
