import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { appendAll, isNoRoom } from '../audit/append.ts'
import type { SessionLog } from '../audit/tree/session-log.ts'
import type { Leaf } from '../audit/tree/leaf.ts'
import type { Clock } from '../clock.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync, Signer, Watch } from '../model.ts'
import type { Grant } from '../policy/decide.ts'
import { type AppendAsync, appendingAsync } from './append-async.ts'
import { Backlog, TotalBacklog } from './backlog.ts'
import type { Entry } from './batch.ts'
import { ChunkBuffers } from './chunk.ts'
import type { AuditorPublicKey } from '../config/auditor-key.ts'
import { newRecordingKey, type RecordingKey } from './encryption/recording-key.ts'
import type { SealedReading } from './encryption/sealed-reading.ts'
import type { Sealer } from './encryption/sealer.ts'
import {
  type DataEvent,
  dataEventHead,
  isData,
  jsonOf,
  type ProgressEvent,
  type RecordedEvent,
  toldEventBytes,
} from './event.ts'
import { maxDataBytes, maxEventBytes } from './format.ts'
import { type About, headerOf, type RecordingHeader } from './header.ts'
import { DiskSync, type SyncMode } from './disk-sync.ts'
import { Journal, type Segment } from './journal.ts'
import { folderCheckMs, KnownFolder } from './known-folder.ts'
import { type NewFile, NewFiles, pathOf } from './new-files.ts'
import { isSessionName, OpenNotes } from './open-notes.ts'
import { Packer } from './pack.ts'
import { type Heard, type Protection, RecordingFile, type Workshop } from './recording-file.ts'
import { type Recovered, recover } from './recover.ts'
import { anchorsOf, cutTornProof, Register } from './register.ts'
import type { Room } from './room.ts'
import type { Spool } from './storage/spool.ts'
import { type Owner, Turns } from './turns.ts'
import { dataLine, type LiveWatch, toldLine, Watches, type WatchLine } from './live-watch.ts'

export type RecorderOptions = {
  /** Where recordings are kept. */
  readonly folder: string
  /** For the journal and the notes of open recordings; on the same disk or another one. */
  readonly journalFolder: string
  /** The key of recording heads. */
  readonly signer: Signer
  /** The gateway's name, for the headers. */
  readonly gateway: string
  readonly clock: Clock
  readonly log: Log
  /** Where recordings are entered, so that a missing one shows. */
  readonly sessionLog?: SessionLog
  /** Appends to the journal. Guard it with a watchdog. */
  readonly append?: AppendSync
  /** Appends to the recordings. */
  readonly appendAsync?: AppendAsync
  /** After which a disk that has not taken what is recorded is taken for lost. */
  readonly appendTimeoutMs?: number
  /** To whom new recordings are encrypted, each time one is opened. Nobody: whoever has the file can read it. */
  readonly encryptTo: () => readonly AuditorPublicKey[]
  /** Compresses chunks; one of its own, with a thread, if none is given. */
  readonly packer?: Packer
  /** Room for when the disk fills up. Without one a full disk ends recording for good. */
  readonly room?: Room
  /** Watches what waits for the disk in this thread, as `append` is watched. */
  readonly watch?: Watch
  /** When what was recorded is on the disk; `os` by default. */
  readonly sync?: SyncMode
  /** Hears of recordings that begin and end, where they are kept elsewhere. */
  readonly spool?: Spool
  /** Who reads encrypted recordings before their seal. */
  readonly reading?: SealedReading
  /** A journal segment's size; smaller in tests. */
  readonly segmentBytes?: number
}

export type Recorder = {
  /**
   * Begins a recording; its header, and in it the wrapped `key`, is with the operating system when this returns.
   * Throws a Fault RECORDING_APPEND_FAILED if it cannot be written or the recorder has failed before.
   */
  readonly open: (grant: Grant, about: About, key?: RecordingKey) => Recording
  /** A key for the next recording, wrapped to those whom new recordings are encrypted to; undefined if there is nobody. */
  readonly newKey: () => Promise<RecordingKey | undefined>
  /**
   * Seals what an earlier process left open, with all that its journal holds; `open` need not wait for it. Rejects if that
   * cannot be written; the next start tries again. Later calls get the first one's answer.
   */
  readonly recover: () => Promise<readonly Recovered[]>
  /** Writes what is left of open recordings, without sealing them: whoever wants a seal seals first. */
  readonly close: () => Promise<void>
  /** Set once nothing can be recorded any more. */
  readonly failure: Fault | undefined
}

/** Opens the recorder of a process; it must be the only one on its journal folder. */
export function openRecorder(options: RecorderOptions): Recorder {
  return new GatewayRecorder(options)
}

function appendFailed(cause: unknown): Fault {
  const userText =
    "The recording cannot be written, so this session ends. Ask the operator to look at the gateway's disk."
  return new Fault('RECORDING_APPEND_FAILED', userText, {
    log: `appending to a recording failed: ${reasonOf(cause)}`,
    cause,
  })
}

class GatewayRecorder implements Recorder {
  readonly #options: RecorderOptions
  readonly #watch: Watch
  readonly #shop: Workshop
  readonly #disk: DiskSync
  readonly #journal: Journal
  readonly #notes: OpenNotes
  readonly #turns: Turns
  readonly #open = new Map<string, Recording>()
  /** Sessions that recovery has asked about: whether their recordings went by what the log of sessions says. */
  readonly #removed = new Map<string, boolean>()
  readonly #register: Register | undefined
  readonly #backlog = new TotalBacklog()
  readonly #folders: readonly KnownFolder[]
  readonly #files: NewFiles
  readonly #folderTimer: NodeJS.Timeout
  #lastNumber = 0
  #failure: Fault | undefined
  #recovering: Promise<readonly Recovered[]> | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
    const append = options.append ?? appendAll
    this.#watch = options.watch ?? (action => action())
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
    this.#disk = new DiskSync({ mode: options.sync ?? 'os', onFailure: error => this.#turns.fail(error) })
    this.#journal = new Journal(options.journalFolder, {
      append,
      disk: this.#disk,
      log: options.log,
      isShort: () => options.room?.shortage !== undefined,
      onShortage: error => this.#journalIsShort(error),
      watch: this.#watch,
      ...(options.segmentBytes === undefined ? {} : { segmentBytes: options.segmentBytes }),
    })
    this.#notes = new OpenNotes(join(options.journalFolder, 'open'))
    this.#turns = new Turns(this.#journal, this.#disk, error => this.#fail(error), options.log)
    this.#register =
      options.sessionLog === undefined
        ? undefined
        : new Register(options.sessionLog, { append, watch: this.#watch })
    const { signer, clock, log, room } = options
    this.#shop = {
      signer,
      clock,
      log,
      append: options.appendAsync ?? appendingAsync(room?.make, options.appendTimeoutMs),
      packer: new Packer(),
      buffers: new ChunkBuffers(),
    }
    this.#folders = [options.folder, options.journalFolder].map(folder => new KnownFolder(folder))
    this.#files = new NewFiles({
      folder: options.folder,
      folders: this.#folders,
      notes: this.#notes,
      disk: this.#disk,
      append,
      register: this.#register,
    })
    this.#folderTimer = setInterval(() => this.#checkFolders(), folderCheckMs).unref()
    room?.takeOnlyIf(() => this.#open.size === 0)
    room?.needs(
      () => this.#journal.reserve(),
      () => this.#journal.stopReserving(),
    )
    room?.onShortage(fault => this.#endAll(fault))
    options.spool?.onFull(fault => this.#endAll(fault))
  }

  get failure(): Fault | undefined {
    return this.#failure
  }

  async newKey(): Promise<RecordingKey | undefined> {
    const recipients = this.#recipients
    return recipients.length === 0 ? undefined : newRecordingKey(recipients)
  }

  get #recipients(): readonly AuditorPublicKey[] {
    return this.#options.encryptTo()
  }

  open(grant: Grant, about: About, key?: RecordingKey): Recording {
    if (this.#failure !== undefined) throw this.#failure
    const refusal = this.#options.room?.shortage ?? this.#options.spool?.refusal()
    if (refusal !== undefined) throw refusal
    if (!isSessionName(about.session)) throw new TypeError('a session id that cannot name a file')
    if (this.#open.has(about.session)) throw new TypeError(`session ${about.session} is recorded already`)
    if (key === undefined && this.#recipients.length > 0)
      throw new TypeError('recordings are to be encrypted, and this one has no key')
    const { signer, gateway, clock } = this.#options
    const openedAtMs = clock.nowMs()
    const openedAtUs = clock.monotonicUs()
    const path = pathOf(about.session, openedAtMs)
    const header = headerOf(grant, about, gateway, openedAtMs, signer, key?.header)
    const created = this.#watch(() => this.#create(path, header))
    const { reading } = this.#options
    const sealer = key?.sealer(created.link, reading && (keys => reading.opened(about.session, keys)))
    const number = ++this.#lastNumber
    const recording = new Recording(
      {
        session: about.session,
        path,
        number,
        openedAtMs,
        openedAtUs,
        clock,
        turns: this.#turns,
        backlog: this.#backlog,
        sealer,
        beforeSeal: async () => {
          if (key !== undefined) await reading?.ended(about.session)
        },
      },
      recording => this.#file(recording, created, sealer),
    )
    this.#open.set(about.session, recording)
    this.#options.spool?.opened(path)
    return recording
  }

  recover(): Promise<readonly Recovered[]> {
    const { folder, journalFolder, log } = this.#options
    const left = {
      folder,
      journalFolder,
      log,
      segments: this.#journal.left,
      notes: this.#notes,
      shop: this.#shop,
    }
    this.#recovering ??= recover({
      ...left,
      enter: recovered => this.#enter(recovered),
      wasRemoved: session => this.#wasRemoved(session),
    })
    return this.#recovering
  }

  async close(): Promise<void> {
    clearInterval(this.#folderTimer)
    await this.#turns.committed().catch(() => {}) // a failure is known by now
    for (const recording of this.#open.values()) await recording.abandon()
    this.#open.clear()
    await this.#register?.settle()
    await this.#journal.close()
    this.#disk.close()
    if (this.#options.packer === undefined) await this.#shop.packer.close()
  }

  #create(path: string, header: RecordingHeader): NewFile {
    try {
      return this.#files.create(path, header)
    } catch (error) {
      throw this.#fullDisk(error) ?? appendFailed(error)
    }
  }

  #file(recording: Recording, created: NewFile, sealer: Sealer | undefined): RecordingFile {
    const position = {
      link: created.link,
      chunks: 0,
      events: 0,
      bytes: 0,
      lastUs: 0,
      headerKeyId: created.keyId,
    }
    const protection: Protection = sealer === undefined ? { kind: 'clear' } : { kind: 'sealed', sealer }
    const heard: Heard = {
      onFailure: error => this.#turns.fail(error),
      onWritten: bytes => recording.wrote(bytes),
      onSealed: seal => this.#sealed(recording, created.link, seal),
    }
    const file = new RecordingFile(created.fd, position, this.#shop, heard, protection)
    file.head()
    return file
  }

  /** The note stays until the log of sessions has the seal: a start after a crash goes on from there. */
  #sealed({ session, path, openedAtMs }: Recording, header: Buffer, seal: Buffer): void {
    this.#open.delete(session)
    if (this.#register === undefined) return this.#finished(session, path)
    const file = join(this.#options.folder, path)
    this.#register.sealed(session, file, { header, seal, proofs: [], openedAtMs }).then(
      () => this.#finished(session, path),
      (cause: unknown) =>
        this.#options.log.error(
          { session, reason: reasonOf(cause) },
          'a recording has no proof of its place yet',
        ),
    )
  }

  /** Nothing will be added to the file: it may go where recordings are kept. */
  #finished(session: string, path: string): void {
    this.#notes.remove(session)
    this.#options.spool?.finished(path)
  }

  /** Asked for each journalled event of a recording that is not there; there are few of those, and looking takes its time. */
  #wasRemoved(session: string): boolean {
    const known = this.#removed.get(session)
    if (known !== undefined) return known
    const leaf = this.#options.sessionLog?.find(
      leaf => leaf.kind !== 'audit-log' && leaf.session === session && this.#allowsAbsence(leaf.kind),
      0,
    )
    this.#removed.set(session, leaf !== undefined)
    return leaf !== undefined
  }

  /** Where recordings go elsewhere, those that were sealed need not be here. */
  #allowsAbsence(leaf: Leaf['kind']): boolean {
    return leaf === 'tombstone' || (leaf === 'session-seal' && this.#options.spool !== undefined)
  }

  /** What an earlier process sealed, or this one for it. */
  async #enter(recovered: Recovered): Promise<void> {
    const { openedAtMs } = recovered
    if (this.#register !== undefined) {
      const file = join(this.#options.folder, recovered.path)
      cutTornProof(file)
      await this.#register.sealed(recovered.session, file, { ...anchorsOf(file), openedAtMs })
    }
    this.#options.spool?.finished(recovered.path)
  }

  /** The open segment goes on; there is none behind it. */
  #journalIsShort(error: unknown): void {
    const { room, log } = this.#options
    if (isNoRoom(error) && room !== undefined) return room.isShort(reasonOf(error))
    log.error({ reason: reasonOf(error) }, 'no room could be made for the next segment of the journal')
  }

  /** A disk that filled up since the room on it was last looked at. */
  #fullDisk(error: unknown): Fault | undefined {
    if (isNoRoom(error)) this.#options.room?.make()
    return this.#options.room?.shortage
  }

  /** What is open goes on in files that nobody finds any more, so it must not. */
  #checkFolders(): void {
    try {
      this.#watch(() => {
        for (const folder of this.#folders) folder.mustBeThere()
      })
    } catch (error) {
      this.#turns.fail(error)
    }
  }

  /** They can still be written to their end, and must end now. */
  #endAll(fault: Fault): void {
    for (const recording of this.#open.values()) recording.mustEnd(fault)
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = appendFailed(error)
    this.#options.log.error({ reason: reasonOf(error) }, 'the recorder has failed: all recorded sessions end')
    for (const recording of this.#open.values()) recording.fail(this.#failure)
  }
}

/** What one UTF-16 unit takes in UTF-8 at most. */
const maxUnitBytes = 3

type RecordingParts = {
  readonly session: string
  readonly path: string
  readonly number: number
  readonly openedAtMs: number
  readonly openedAtUs: number
  readonly clock: Clock
  readonly turns: Turns
  readonly backlog: TotalBacklog
  /** Of an encrypted recording. */
  readonly sealer: Sealer | undefined
  /** All events are in the file; the seal waits for this. More than once does no harm. */
  readonly beforeSeal: () => Promise<void>
}

/**
 * Proof that a session is being recorded: only an open recorder makes one, and without one there is no upstream.
 * What is recorded in a turn of the event loop is with the operating system before what is forwarded in it moves.
 */
class Recording implements Owner {
  readonly #issued = true
  readonly session: string
  /** Relative to the recordings folder. */
  readonly path: string
  readonly number: number
  readonly openedAtMs: number
  readonly #parts: RecordingParts
  readonly #file: RecordingFile
  readonly #listeners: ((fault: Fault) => void)[] = []
  readonly #backlog: Backlog
  /** Of this turn, one for each stream of a channel: a later one says all that those before it did. */
  readonly #progress = new Map<string, ProgressEvent>()
  readonly #watches = new Watches()
  #sequence = 0
  #recordedBytes = 0
  #lastUs = 0
  #failure: Fault | undefined
  #endsBecause: Fault | undefined
  #sealing: Promise<void> | undefined

  constructor(parts: RecordingParts, file: (recording: Recording) => RecordingFile) {
    this.session = parts.session
    this.path = parts.path
    this.number = parts.number
    this.openedAtMs = parts.openedAtMs
    this.#parts = parts
    this.#backlog = new Backlog(parts.backlog)
    this.#file = file(this)
  }

  static is(value: object): value is Recording {
    return #issued in value
  }

  /** Event bytes that are not in the recording's file yet. */
  get backlogBytes(): number {
    return this.#backlog.bytes
  }

  /** Event bytes that were recorded so far, before compression. */
  get recordedBytes(): number {
    return this.#recordedBytes
  }

  /** Counts the turns of the event loop: what is queued in different ones may move on at different times. */
  get turn(): number {
    return this.#parts.turns.count
  }

  /** Too much waits to be written, here or in all recordings together: stop reading until `whenDrained`. */
  get isBehind(): boolean {
    return this.#backlog.isTooLong
  }

  /**
   * Adds an event to this turn. Data is referred to until the end of the turn: do not change it until then.
   * After `seal`, and after a failure, nothing is recorded and nothing is forwarded.
   */
  record(event: RecordedEvent): void {
    if (this.#isOver) return
    if (event.type === 'progress') return this.#describe(event)
    this.#tellProgress()
    if (isData(event)) return this.#recordData(event)
    const json = jsonOf(event)
    if (event.type === 'pty' || event.type === 'resize') this.#watches.screen(event.channel, json)
    if (event.type === 'channel-close') this.#watches.screen(event.channel, undefined)
    this.#recordTold(json)
  }

  /** Begins to watch from here on; undefined if too many do, or if the recording is over. */
  watch(): LiveWatch | undefined {
    return this.#isOver ? undefined : this.#watches.begin(this.#now())
  }

  /** Queues what may happen only after everything recorded so far, in this turn too, is with the operating system. */
  forward(send: () => void): void {
    if (!this.#isOver) this.#parts.turns.send(send)
  }

  /** Hears once that nothing can be recorded any more, or nothing much: the session has to end and its user to read `fault.userText`. */
  onFailure(listener: (fault: Fault) => void): void {
    const failure = this.#failure ?? this.#endsBecause
    if (failure === undefined) this.#listeners.push(listener)
    else queueMicrotask(() => listener(failure))
  }

  /** Resolves as soon as the backlog is small enough to go on reading, at once if it is. Also after a failure. */
  whenDrained(): Promise<void> {
    return this.#backlog.whenDrained()
  }

  /**
   * Ends the recording: what is left is written, signed and handed to the disk. Calls after the first wait for it.
   * Rejects with a Fault if that fails; the gateway's next start then finishes it.
   */
  seal(reason: string): Promise<void> {
    this.#sealing ??= this.#seal(reason)
    return this.#sealing
  }

  // What follows is for the recorder.

  keep(entry: Entry<Owner>, slab: Buffer, segment: Segment): void {
    this.#file.add(entry, entry.near ?? slab, segment)
  }

  wrote(bytes: number): void {
    this.#backlog.wrote(bytes)
  }

  fail(fault: Fault): void {
    this.#failure = fault
    this.#backlog.giveUp()
    this.#watches.end({ reason: 'ended', text: 'The session has ended: its recording failed' })
    void this.#parts.beforeSeal() // there will be none
    this.mustEnd(fault)
  }

  /** Tells whoever listens, once; what is recorded until then is recorded. */
  mustEnd(fault: Fault): void {
    this.#endsBecause = fault
    for (const listener of this.#listeners.splice(0)) listener(fault)
  }

  async abandon(): Promise<void> {
    await this.#sealing?.catch(() => {})
    await this.#file.settle().catch(() => {}) // a failure is known by now
    await this.#file.reachDisk().catch(() => {}) // the journal keeps it then
    await this.#file.close()
    this.#parts.sealer?.forget()
    void this.#parts.beforeSeal()
  }

  get #isOver(): boolean {
    return this.#failure !== undefined || this.#sealing !== undefined
  }

  #recordData(event: DataEvent): void {
    const { data } = event
    const us = this.#now()
    for (let at = 0; at < data.length; at += maxDataBytes) {
      const part =
        data.length <= maxDataBytes ? event : { ...event, data: data.subarray(at, at + maxDataBytes) }
      this.#added(this.#addData(us, part))
    }
    if (!this.#watches.isEmpty) this.#show(dataLine(us, event))
  }

  /** At the end of the turn, or before whatever else is recorded. */
  #describe(event: ProgressEvent): void {
    if (this.#progress.size === 0) this.#parts.turns.atEnd(() => this.#tellProgress())
    this.#progress.set(`${event.channel} ${event.stream}`, event)
  }

  #tellProgress(): void {
    if (this.#progress.size === 0) return
    const events = [...this.#progress.values()]
    this.#progress.clear()
    for (const event of events) this.#recordTold(jsonOf(event))
  }

  #recordTold(json: string, isEnd = false): void {
    if (json.length * maxUnitBytes > maxEventBytes && Buffer.byteLength(json) > maxEventBytes)
      throw new TypeError(
        `an event of ${Buffer.byteLength(json)} bytes exceeds its limit of ${maxEventBytes}`,
      )
    this.#added(this.#addTold(json, isEnd))
    if (!this.#watches.isEmpty) this.#show(toldLine(this.#lastUs, json))
  }

  /** Watchers see what is with the operating system, no more. */
  #show(line: WatchLine): void {
    this.#parts.turns.send(() => this.#watches.push(line))
  }

  #addData(us: number, event: DataEvent): number {
    const { turns, sealer } = this.#parts
    const sequence = ++this.#sequence
    if (sealer === undefined) return turns.addData(this, sequence, us, event)
    const near = dataEventHead(event, us)
    const sealed = sealer.event(sequence, near, event.data)
    return turns.addSealed(this, { sequence, us, near, far: event.data, sealed, isEnd: false })
  }

  #addTold(json: string, isEnd: boolean): number {
    const { turns, sealer } = this.#parts
    const sequence = ++this.#sequence
    const us = this.#now()
    if (sealer === undefined) return turns.addTold(this, sequence, us, json)
    const near = toldEventBytes(json, us)
    const sealed = sealer.event(sequence, near)
    return turns.addSealed(this, { sequence, us, near, far: undefined, sealed, isEnd })
  }

  #added(bytes: number): void {
    this.#recordedBytes += bytes
    this.#backlog.add(bytes)
  }

  /** Never goes back, whatever the clock says. */
  #now(): number {
    this.#lastUs = Math.max(this.#lastUs, this.#parts.clock.monotonicUs() - this.#parts.openedAtUs)
    return this.#lastUs
  }

  async #seal(reason: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#tellProgress()
    this.#recordTold(jsonOf({ type: 'end', reason }), true)
    try {
      await this.#parts.turns.committed()
      await this.#file.settle()
      await this.#parts.beforeSeal()
      await this.#file.seal(reason, false)
    } catch (error) {
      throw this.#failure ?? appendFailed(error)
    } finally {
      this.#parts.sealer?.forget()
      void this.#parts.beforeSeal() // also where nothing can be sealed
      this.#watches.end({ reason: 'ended', text: `The session has ended: ${reason}` })
    }
  }
}

export type { Recording }
