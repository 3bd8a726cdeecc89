/** What lies on disk: opened first, closed last. */
import { mkdirSync } from 'node:fs'
import { appendAsking } from '../../audit/append.ts'
import { openAuditLog, type SigningAuditLog } from '../../audit/audit-log.ts'
import { openSessionLog, type SessionLog, type SessionLogView } from '../../audit/tree/session-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { type Authorities, openAuthorities } from '../../credentials/authority.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { AppendSync, Watch } from '../../model.ts'
import { publisherTo } from '../../notify/checkpoint-place.ts'
import { SealedReadings } from '../../recorder/encryption/sealed-reading.ts'
import { openRecorder, type Recorder } from '../../recorder/recorder.ts'
import { Room } from '../../recorder/room.ts'
import type { Spool } from '../../recorder/storage/spool.ts'
import type { RecordingStorage } from '../../recorder/storage/storage.ts'
import { startWatchdog } from '../../recorder/watchdog.ts'
import { type Engine, proveEngine } from '../../ssh/engine.ts'
import { type DataLock, lockData } from '../../store/lock.ts'
import { openStore } from '../../store/sqlite-store.ts'
import type { Store } from '../../store/store.ts'
import { foldersOf } from '../folders.ts'
import { startStorage } from '../storage.ts'

export type Ground = {
  readonly engine: Engine
  readonly lock: DataLock
  readonly store: Store
  readonly authorities: Authorities
  readonly audit: SigningAuditLog
  readonly sessionLog: SessionLog & SessionLogView
  readonly recorder: Recorder
  /** Another one, on the journal of a process that is gone. */
  readonly recorderIn: (journalFolder: string) => Recorder
  /** Where whoever reads encrypted recordings before their seal is told of them. */
  readonly reading: SealedReadings
  readonly storage: RecordingStorage
  readonly room: Room
}

/** Run in reverse order when the gateway closes. */
export type Closers = (() => Promise<void> | void)[]

export type GroundParts = {
  readonly config: () => Config
  readonly clock: Clock
  readonly log: Log
  /** How journal and audit log append, if not in the usual way. */
  readonly append: AppendSync | undefined
}

/** Throws Fault DATA_FOLDER_IN_USE, KEY_UNUSABLE, STORE_UNUSABLE and whatever the disk says; what was opened is in `closers` by then. */
export async function openGround(parts: GroundParts, closers: Closers): Promise<Ground> {
  const { clock, log } = parts
  const config = parts.config()
  const folders = foldersOf(config)
  const engine = proveEngine()
  const lock = lockData(config.gateway.data)
  closers.push(() => lock.release())
  const watchdog = startWatchdog(log, config.recording.appendTimeoutMs)
  closers.push(() => watchdog.stop())
  const room = openRoom(config, log)
  closers.push(() => room.close())
  const { watch } = watchdog
  const store = await openStore(config.gateway.data, undefined, { watch, makeRoom: room.make })
  closers.push(() => store.close())
  const authorities = openAuthorities(folders.keys)
  const append = watchdog.guard(parts.append ?? appendAsking(room.make))
  const logs = openLogs(config, { authorities, clock, log, append, watch }, closers)
  const storage = startStorage(config, { audit: logs.audit, log })
  closers.push(() => storage.close())
  const recorders = openRecorders(parts, { ...logs, authorities, storage, room, append, watch }, closers)
  return { engine, lock, store, authorities, ...logs, ...recorders, storage, room }
}

type Guarded = {
  readonly authorities: Authorities
  readonly append: AppendSync
  readonly watch: Watch
}

function openLogs(
  config: Config,
  { authorities, clock, log, append, watch }: Guarded & { readonly clock: Clock; readonly log: Log },
  closers: Closers,
): Pick<Ground, 'audit' | 'sessionLog'> {
  const folders = foldersOf(config)
  const signer = authorities['log-checkpoints']
  const sessionLog = openSessionLog({
    folder: folders.sessionLog,
    origin: config.gateway.name,
    publishers: config.log.publish.map(place => publisherTo(place, clock)),
    signer,
    alsoSigning: () => authorities.ring.alsoSigning('log-checkpoints'),
    clock,
    log,
    append,
    watch,
  })
  closers.push(() => sessionLog.close())
  const audit = openAuditLog({
    folder: folders.audit,
    signer,
    clock,
    log,
    append,
    onCheckpoint: (upTo, sha256) => void sessionLog.add({ kind: 'audit-log', upTo, sha256 }),
  })
  closers.push(() => audit.close())
  return { audit, sessionLog }
}

type ForRecorders = Guarded & Pick<Ground, 'sessionLog' | 'storage' | 'room'>

function openRecorders(
  { config, clock, log }: GroundParts,
  { authorities, sessionLog, storage, room, append, watch }: ForRecorders,
  closers: Closers,
): Pick<Ground, 'recorder' | 'recorderIn' | 'reading'> {
  const { gateway, recording } = config()
  const reading = new SealedReadings()
  const common = {
    folder: recording.folder,
    signer: authorities['recording-heads'],
    gateway: gateway.name,
    clock,
    log,
    sessionLog,
    append,
    watch,
    sync: recording.sync,
    appendTimeoutMs: recording.appendTimeoutMs,
    encryptTo: () => config().recording.encryptTo,
    reading,
  }
  const spool = recording.s3 === undefined ? {} : { spool: storage }
  const recorder = openRecorder({
    ...common,
    journalFolder: foldersOf(config()).journal,
    room,
    ...spool,
  })
  closers.push(() => recorder.close())
  // They record nothing: what asks for room, and hears that there is none, is the one above.
  const silent = recording.s3 === undefined ? {} : { spool: withoutHearing(storage) }
  const recorderIn = (journalFolder: string): Recorder =>
    openRecorder({ ...common, journalFolder, ...silent })
  return { recorder, recorderIn, reading }
}

function withoutHearing({ opened, finished, refusal }: RecordingStorage): Spool {
  return { opened, finished, refusal, onFull: () => {} }
}

/** Recordings may lie on another disk than the rest. */
function openRoom({ gateway, recording }: Config, log: Log): Room {
  const folders = [gateway.data, recording.folder]
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 })
  return new Room({ folders, bytes: recording.reserveBytes, log })
}

/** What earlier gateways have not stored; the listeners need not wait for it. */
export function takeUp(storage: RecordingStorage, log: Log): void {
  storage.takeUp().catch((cause: unknown) => {
    log.error({ cause: reasonOf(cause) }, 'what waits to be stored was not looked through')
  })
}
