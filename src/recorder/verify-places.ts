/** Holds recordings against the log of sessions: none is missing, none was replaced, none came by another way. */
import { basename } from 'node:path'
import type { StampedLeaf } from '../audit/tree/leaf.ts'
import { reasonOf } from '../errors.ts'
import { readRecording } from './reader.ts'
import { type Anchors, anchorsOf } from './register.ts'

export type Misplaced = { readonly file: string; readonly reason: string }
export type PlacesResult = {
  readonly misplaced: readonly Misplaced[]
  readonly notes: readonly string[]
  /** Recordings whose leaves were found and are right. */
  readonly found: number
}

type Entered = { open?: StampedLeaf; seal?: StampedLeaf; tombstone?: StampedLeaf }

/**
 * `leaves` are those of a log that was verified; `files` all recordings that there are. A recording that is older than the log's
 * first leaf is only noted.
 */
export function verifyPlaces(leaves: readonly StampedLeaf[], files: readonly string[]): PlacesResult {
  const entered = bySession(leaves)
  const present = new Set(files.map(sessionOf))
  const missing = [...entered].filter(
    ([session, { tombstone }]) => !present.has(session) && tombstone === undefined,
  )
  const misplaced = missing.map(([session, { open }]) => ({
    file: `${session}.sallyport`,
    reason: `the log says that this session was opened at ${open?.at ?? '?'}, and its recording is missing`,
  }))
  const notes: string[] = []
  for (const file of files) {
    const problem = problemOf(file, entered.get(sessionOf(file)), leaves[0]?.at, notes)
    if (problem !== undefined) misplaced.push({ file, reason: problem })
  }
  const purged = [...entered.values()].filter(({ tombstone }) => tombstone !== undefined).length
  if (purged > 0) notes.push(`${purged} recordings were purged by policy, as the log says.`)
  return { misplaced, notes, found: files.filter(file => entered.has(sessionOf(file))).length }
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
