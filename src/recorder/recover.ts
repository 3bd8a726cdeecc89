import { existsSync, mkdirSync, openSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { basename, join } from 'node:path'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { sealedRecord } from './encryption/sealed-events.ts'
import { decodeEvents } from './event.ts'
import { copyFrom, endReasonIn, examine, type Examined } from './examine.ts'
import { type JournalledEvent, readSegment } from './journal-reader.ts'
import type { OpenNotes } from './open-notes.ts'
import { RecordingFile, type Workshop } from './recording-file.ts'

/** A recording that a stopped gateway left open, and that is sealed now. */
export type Recovered = {
  readonly session: string
  /** Relative to the recordings folder. */
  readonly path: string
  readonly events: number
  readonly openedAtMs: number
  /** When its last event took place. */
  readonly endedAtMs: number
  /** False if the session had ended and only its seal was missing. */
  readonly interrupted: boolean
  /** What could not be saved, in sentences; also in the seal. */
  readonly notes: readonly string[]
}

/** Of an encrypted recording, whose last event says why. */
const endedReason = 'The session had ended, and the gateway stopped before the recording was sealed.'
const interruptedReason = 'The gateway stopped before this session ended.'
/** Events wait in memory until they are in the file; above this, reading the journal waits. */
const maxUnwrittenBytes = 4 * 1024 * 1024

export type Leftovers = {
  readonly folder: string
  readonly journalFolder: string
  readonly segments: readonly string[]
  readonly notes: OpenNotes
  readonly shop: Workshop
  readonly log: Log
  /** Enters a recording in the log of sessions, if it is not there yet. */
  readonly enter: (recovered: Recovered) => Promise<void>
  /** Whether its recording was removed by rule: what the journal still has of it goes with the journal. */
  readonly wasRemoved: (session: string) => boolean
}

/**
 * Finishes what another process left: adds the journal's events to their recordings and seals them. Each step leaves what
 * the next start can go on from, so being killed at any instant does no harm: the journal goes last.
 */
export async function recover(left: Leftovers): Promise<readonly Recovered[]> {
  const recoveries = new Map<string, Recovery>()
  try {
    return await recoverAll(left, recoveries)
  } catch (error) {
    // What fails for one is the next start's for all of them, which must not find this one still writing.
    for (const recovery of recoveries.values()) await recovery.abandon()
    throw error
  }
}

async function recoverAll(left: Leftovers, recoveries: Map<string, Recovery>): Promise<readonly Recovered[]> {
  for (const session of left.notes.left) {
    const recovery = openRecovery(left, session)
    if (recovery !== undefined) recoveries.set(session, recovery)
  }
  const damaged = await addJournalled(left, recoveries)
  const recovered: Recovered[] = []
  const entering: Promise<void>[] = []
  for (const [session, recovery] of recoveries) {
    const finished = await recovery.finish()
    recovered.push(finished)
    entering.push(left.enter(finished).then(() => left.notes.remove(session)))
  }
  await Promise.all(entering)
  for (const segment of left.segments) removeSegment(left, segment, damaged.has(segment))
  return recovered
}

/** Puts each event where it belongs; returns the segments that must be kept for somebody to look at. */
async function addJournalled(
  left: Leftovers,
  recoveries: ReadonlyMap<string, Recovery>,
): Promise<ReadonlySet<string>> {
  const damaged = new Set<string>()
  for (const segment of left.segments) {
    const events = readSegment(segment)
    let next = events.next()
    for (; next.done !== true; next = events.next()) {
      const isSaved =
        (await recoveries.get(next.value.session)?.add(next.value)) ?? isElsewhere(left, next.value)
      if (!isSaved) damaged.add(segment)
    }
    if (next.value.kind !== 'damaged') continue
    damaged.add(segment)
    left.log.error(
      { segment, offset: next.value.offset, reason: next.value.reason },
      'the journal is damaged',
    )
    for (const recovery of recoveries.values())
      recovery.note(`The journal is damaged (${next.value.reason}): events may be missing.`)
  }
  return damaged
}

/** No note names the session any more: its recording was sealed, and removed by rule since then, unless somebody took the file away. */
function isElsewhere(left: Leftovers, event: JournalledEvent): boolean {
  return existsSync(join(left.folder, event.path)) || left.wasRemoved(event.session)
}

function removeSegment(left: Leftovers, segment: string, isDamaged: boolean): void {
  if (!isDamaged) {
    rmSync(segment, { force: true })
    return
  }
  const lost = join(left.journalFolder, 'lost')
  mkdirSync(lost, { recursive: true, mode: 0o700 })
  renameSync(segment, join(lost, `${basename(segment)}-${Date.now()}`))
  left.log.error({ folder: lost }, 'a part of the journal could not be put into recordings and is kept here')
}

function openRecovery(left: Leftovers, session: string): Recovery | undefined {
  const path = left.notes.read(session)
  const file = join(left.folder, path)
  if (!existsSync(file)) {
    left.log.warn({ session }, 'a session was noted as open and has no recording')
    rmSync(begunFileOf(file), { force: true })
    left.notes.remove(session)
    return undefined
  }
  try {
    return new Recovery(left, session, path)
  } catch (error) {
    // Not even a header: nothing was relayed in it. Kept aside, since it is not ours to judge.
    left.log.error({ session, reason: reasonOf(error) }, 'a recording without a readable header is put aside')
    renameSync(file, `${file}.unreadable`)
    left.notes.remove(session)
    return undefined
  }
}

/** Where a recording is until its header is in it, so that one without a header is never seen. */
export function begunFileOf(file: string): string {
  return `${file}.begun`
}

/** One recording that is being finished. */
class Recovery {
  readonly #left: Leftovers
  readonly #session: string
  readonly #path: string
  readonly #notes: string[] = []
  readonly #found: Examined
  readonly #file: RecordingFile | undefined
  #lastSequence: number
  #lastUs: number
  #endReason: string | undefined
  #failure: unknown

  constructor(left: Leftovers, session: string, path: string) {
    this.#left = left
    this.#session = session
    this.#path = path
    this.#found = examine(join(left.folder, path))
    const { position } = this.#found
    this.#lastSequence = position.events
    this.#lastUs = position.lastUs
    this.#endReason = this.#found.endReason
    if (this.#found.seal === undefined) this.#file = this.#reopen()
  }

  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text)
  }

  /** Adds an event that is not in the file yet; false if it cannot be saved. */
  async add(journalled: JournalledEvent): Promise<boolean> {
    if (this.#file === undefined) return true
    if (journalled.sequence <= this.#lastSequence) return this.#noteEnd(journalled)
    if (journalled.sequence !== this.#lastSequence + 1) {
      this.note(
        `Events from ${this.#lastSequence + 1} to ${journalled.sequence - 1} are lost, and those after them could not be added.`,
      )
      return false
    }
    if ((journalled.kind === 'sealed') !== this.#isEncrypted) {
      this.note('The journal holds events that were not sealed as the recording says; they were not added.')
      return false
    }
    this.#keep(journalled)
    if (this.#file.unwrittenBytes > maxUnwrittenBytes) await this.#file.settle()
    return true
  }

  async finish(): Promise<Recovered> {
    const interrupted = this.#found.seal?.interrupted ?? this.#endReason === undefined
    await this.#file?.seal(this.#endReason ?? interruptedReason, interrupted, this.#notes)
    if (this.#failure !== undefined) throw this.#failure
    return {
      session: this.#session,
      path: this.#path,
      events: this.#lastSequence,
      openedAtMs: Date.parse(this.#found.header.openedAt),
      endedAtMs: Date.parse(this.#found.header.openedAt) + Math.floor(this.#lastUs / 1000),
      interrupted,
      notes: this.#notes,
    }
  }

  async abandon(): Promise<void> {
    await this.#file?.close()
  }

  #keep(journalled: JournalledEvent): void {
    if (journalled.kind === 'sealed') {
      this.#add(journalled.sequence, journalled.us, sealedRecord(journalled.sealed))
      this.#endReason = undefined
      this.#noteEnd(journalled)
      return
    }
    const [event] = decodeEvents(journalled.bytes, journalled.sequence)
    if (event === undefined) return
    this.#add(event.sequence, event.us, journalled.bytes)
    this.#endReason = endReasonIn(event)
  }

  #add(sequence: number, us: number, bytes: Buffer): void {
    this.#lastSequence = sequence
    this.#lastUs = us
    this.#file?.add({ sequence, us, from: 0, end: bytes.length, far: undefined }, bytes, undefined)
  }

  /** That an encrypted session has ended is said beside its last event, since nobody here can read that. */
  #noteEnd(journalled: JournalledEvent): true {
    if (journalled.kind === 'sealed' && journalled.isEnd && journalled.sequence === this.#lastSequence)
      this.#endReason = endedReason
    return true
  }

  get #isEncrypted(): boolean {
    return this.#found.header.encryption !== null
  }

  #reopen(): RecordingFile {
    const file = join(this.#left.folder, this.#path)
    const { position, wholeBytes, damage } = this.#found
    if (damage !== undefined) this.#putAside(file, wholeBytes, damage)
    truncateSync(file, wholeBytes)
    const heard = {
      onFailure: (error: unknown) => (this.#failure = error),
      onWritten: () => {},
      onSealed: () => {},
    }
    const protection = { kind: this.#isEncrypted ? 'sealed-before' : 'clear' } as const
    return new RecordingFile(openSync(file, 'a', 0o600), position, this.#left.shop, heard, protection)
  }

  /** What is not simply cut may be evidence of something: it is kept beside the recording. */
  #putAside(file: string, offset: number, damage: string): void {
    copyFrom(file, offset, `${file}.damaged-${offset}`)
    this.note(`The file was damaged from byte ${offset} on (${damage}); the damaged part is kept beside it.`)
    this.#left.log.error({ session: this.#session, offset, damage }, 'an open recording is damaged')
  }
}
