/** Where recordings are kept, for a gateway and for commands: what is said of it, and how it is opened. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { AuditEvent, AuditLog } from '../audit/audit-log.ts'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { printProblems } from '../config/problem.ts'
import { Fault } from '../errors.ts'
import type { Log } from '../log.ts'
import { openStorage, type RecordingStorage, type StorageOptions } from '../recorder/storage/storage.ts'
import type { Bucket } from '../recorder/storage/bucket.ts'
import { bucketStore } from '../recorder/storage/bucket-store.ts'
import { RecordingCache } from '../recorder/storage/cache.ts'
import { localStore } from '../recorder/storage/local-store.ts'
import type { RecordingStore } from '../recorder/storage/recording-store.ts'
import { probeBucket } from '../recorder/storage/probe-bucket.ts'
import { accessOf, openS3Bucket } from '../recorder/storage/s3-bucket.ts'
import { note } from './audit-note.ts'
import { foldersOf } from './folders.ts'
import type { ProbeResult } from './probe.ts'

type Heard = Parameters<StorageOptions['heard']>[0]

/** The storage of a running gateway. Its failures stop nothing by themselves: what waits does, in `refusal` and `onFull`. */
export function startStorage(
  { gateway, recording }: Config,
  { audit, log }: { audit: AuditLog; log: Log },
): RecordingStorage {
  const { folder, s3 } = recording
  const tell = (event: Heard) => {
    sayInLog(event, log)
    const entry = entryOf(event)
    if (entry !== undefined) note({ audit, log }, entry)
  }
  return openStorage({
    folder,
    cacheFolder: foldersOf({ gateway }).recordingCache,
    ...(s3 === undefined ? {} : { s3 }),
    heard: tell,
  })
}

/** For commands that run without a gateway: from the folder, or with the gateway's secrets from the bucket. */
export class CommandStore {
  readonly #config: Config
  readonly #releases: (() => void)[] = []
  #opened: Promise<{ store: RecordingStore; close: () => void }> | undefined

  constructor(config: Config) {
    this.#config = config
  }

  /** The path of the recording, until `close`. Rejects as `RecordingStore.fetch`. */
  async fetch(recording: string): Promise<string> {
    const { folder, s3 } = this.#config.recording
    const store =
      s3 === undefined || existsSync(join(folder, recording)) ? localStore(folder) : await this.#bucket()
    const { path, release } = await store.fetch(recording)
    this.#releases.push(release)
    return path
  }

  close(): void {
    for (const release of this.#releases) release()
    this.#opened?.then(({ close }) => close()).catch(() => {}) // whoever fetched has heard why
  }

  async #bucket(): Promise<RecordingStore> {
    this.#opened ??= openBucket(this.#config, foldersOf(this.#config).recordingCache)
    return (await this.#opened).store
  }
}

/**
 * The bucket of a configuration, without a gateway: reads, removes and holds. Reads the file again, since commands that only look
 * begin without its secrets. Throws a Fault CONFIG_INVALID that names those that are missing.
 */
export async function openBucket(
  config: Config,
  cacheFolder: string,
  { onlyStored = false } = {},
): Promise<{ store: RecordingStore; bucket: Bucket; close: () => void }> {
  const loaded = loadConfig(config.file)
  if (!loaded.ok) throw new Fault('CONFIG_INVALID', printProblems(loaded.problems))
  const { folder, s3 } = loaded.config.recording
  if (s3 === undefined) throw new Fault('CONFIG_INVALID', 'The configuration names no bucket.')
  const bucket = await openS3Bucket(accessOf(s3))
  const cache = new RecordingCache(cacheFolder, s3.cacheBytes)
  // An empty folder has no recording that would be taken instead.
  const store = bucketStore({
    bucket,
    prefix: s3.prefix,
    folder: onlyStored ? join(cacheFolder, 'none') : folder,
    cache,
  })
  return { store, bucket, close: () => bucket.close() }
}

/**
 * Each recording of the bucket that is not `here` (file names), one after the other: its copy is there until the next one is asked
 * for. Not the gateway's cache: what is verified comes from the bucket now.
 */
export async function* storedRecordings(
  configFile: string,
  here: ReadonlySet<string>,
): AsyncGenerator<{ name: string; path: string }> {
  const loaded = loadConfig(configFile)
  if (!loaded.ok) throw new Fault('CONFIG_INVALID', printProblems(loaded.problems))
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-verify-'))
  const { bucket, store, close } = await openBucket(loaded.config, folder, { onlyStored: true })
  const { bucket: bucketName, prefix = '' } = loaded.config.recording.s3 ?? {}
  try {
    for await (const { key } of bucket.list(prefix)) {
      const recording = key.slice(prefix.length)
      if (!recordingPattern.test(recording) || here.has(basename(recording))) continue
      const { path, release } = await store.fetch(recording)
      yield { name: `s3://${bucketName ?? ''}/${key}`, path }
      release()
      rmSync(path, { force: true })
    }
  } finally {
    close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const recordingPattern = /^\d{4}\/\d{2}\/\d{2}\/[A-Za-z0-9_-]{1,64}\.sallyport$/

/** Writes, reads, lists and removes an object of its own in the bucket, if one is configured. Never rejects. */
export async function probeStorage({ recording: { s3 } }: Config): Promise<readonly ProbeResult[]> {
  if (s3 === undefined) return []
  const bucket = await openS3Bucket(accessOf(s3))
  const what = `bucket ${s3.bucket}`
  return (await probeBucket(bucket, s3)).map(finding => ({ what, ...finding }))
}

function sayInLog(event: Heard, log: Log): void {
  switch (event.kind) {
    case 'stored':
      return log.debug({ session: event.session, bytes: event.object.bytes }, 'a recording is stored')
    case 'failing':
      return log.error({ reason: event.reason }, 'recordings cannot be stored')
    case 'recovered':
      return log.warn({ afterMs: event.afterMs, waiting: event.waiting }, 'recordings can be stored again')
    case 'stuck':
      return log.error({ session: event.session, reason: event.reason }, 'a recording cannot be stored')
    case 'vanished':
      return log.error({ session: event.session }, 'a recording went from its folder before it was stored')
    case 'broken':
      return log.error({ reason: event.reason }, 'the storage thread failed, and is started again')
    case 'state':
      return
  }
}

function entryOf(event: Heard): AuditEvent | undefined {
  switch (event.kind) {
    case 'stored': {
      const { bytes, sha256, etag, version = '' } = event.object
      return {
        kind: 'recording-stored',
        session: event.session,
        key: event.key,
        bytes,
        sha256,
        etag,
        version,
      }
    }
    case 'failing':
      return { kind: 'storage-failing', reason: event.reason }
    case 'recovered':
      return { kind: 'storage-recovered', afterMs: event.afterMs, waiting: event.waiting }
    case 'stuck':
      return { kind: 'storage-failing', session: event.session, reason: event.reason }
    case 'vanished':
      return { kind: 'storage-failing', session: event.session, reason: 'its local copy is gone' }
    default:
      return undefined
  }
}
