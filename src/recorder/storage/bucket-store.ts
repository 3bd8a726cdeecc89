/** Recordings in a bucket, with those that still are in the recordings folder. */
import { Fault } from '../../errors.ts'
import { type Bucket, BucketError, type ObjectFacts } from './bucket.ts'
import type { RecordingCache } from './cache.ts'
import { localStore, notFound, pathIn, removeLocal } from './local-store.ts'
import type { FetchedRecording, RecordingStore } from './recording-store.ts'
import type { Uploader } from './uploader.ts'

export type BucketStoreParts = {
  readonly bucket: Bucket
  readonly prefix: string
  readonly folder: string
  readonly cache: RecordingCache
  /** Of the gateway that writes to the folder; commands that only read have none. */
  readonly uploader?: Uploader
}

export function bucketStore({ bucket, prefix, folder, cache, uploader }: BucketStoreParts): RecordingStore {
  const keyOf = (recording: string) => {
    pathIn(folder, recording)
    return `${prefix}${recording}`
  }
  const local = async (recording: string): Promise<FetchedRecording | undefined> => {
    if (uploader !== undefined) return uploader.pin(recording)
    return localStore(folder)
      .fetch(recording)
      .catch(() => undefined)
  }
  return {
    fetch: async recording => {
      const key = keyOf(recording)
      return (await local(recording)) ?? faulty(() => fetchFrom(bucket, key, recording, cache))
    },
    remove: async recording => {
      const key = keyOf(recording)
      await faulty(async () => {
        await mustBeFree(bucket, key, recording)
        await uploader?.drop(recording)
        for (const { version } of await bucket.versions(key)) await bucket.remove(key, realVersion(version))
      })
      cache.remove(recording)
      removeLocal(folder, recording)
    },
    mayRemove: recording => faulty(() => mustBeFree(bucket, keyOf(recording), recording)),
    hold: async (recording, on) => {
      const key = keyOf(recording)
      await faulty(async () => {
        if ((await bucket.hasObjectLock()) === false || uploader?.keepHold(recording, on) === true) return
        await holdObject(bucket, key, on)
      })
    },
  }
}

/** Somebody who deletes without a version hides the object and does not remove it: what is hidden is still ours to read. */
async function fetchFrom(
  bucket: Bucket,
  key: string,
  recording: string,
  cache: RecordingCache,
): Promise<FetchedRecording> {
  const facts = (await bucket.head(key)) ?? (await hidden(bucket, key))
  if (facts === undefined) throw notFound(recording)
  return cache.fetch(bucket, key, facts)
}

async function hidden(bucket: Bucket, key: string): Promise<ObjectFacts | undefined> {
  const newest = (await bucket.versions(key)).find(({ isMarker }) => !isMarker)
  return newest === undefined || newest.version === 'null' ? undefined : bucket.head(key, newest.version)
}

/** What is not there needs no hold. */
async function holdObject(bucket: Bucket, key: string, on: boolean): Promise<void> {
  try {
    await bucket.hold(key, on)
  } catch (error) {
    if (!(error instanceof BucketError && error.problem === 'no-object')) throw error
  }
}

/** No version of it may be locked. All of them go, since a delete without a version only hides. */
async function mustBeFree(bucket: Bucket, key: string, recording: string): Promise<void> {
  for (const { version, isMarker } of await bucket.versions(key)) {
    if (isMarker) continue
    const { lock, hold } = (await bucket.head(key, realVersion(version)))?.protection ?? {}
    if (hold === true) throw locked(recording, 'a legal hold is on it')
    if (lock !== undefined && lock.untilMs > Date.now())
      throw locked(recording, `the bucket keeps it until ${new Date(lock.untilMs).toISOString()}`)
  }
}

/** Buckets without versions call the only one `null`. */
function realVersion(version: string): string | undefined {
  return version === 'null' ? undefined : version
}

function locked(recording: string, why: string): Fault {
  return new Fault('RECORDING_LOCKED', `The recording ${recording} cannot be removed: ${why}.`)
}

async function faulty<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof BucketError ? faultOf(error) : error
  }
}

export function faultOf(error: BucketError): Fault {
  const options = { log: `storage: ${error.message}`, cause: error }
  if (error.problem === 'locked')
    return new Fault('RECORDING_LOCKED', 'The bucket keeps this recording from being removed.', options)
  const said =
    error.problem === 'away'
      ? 'The storage of recordings does not answer. Try again in a moment.'
      : 'The storage of recordings refuses. The operator finds out more with "sallyport check".'
  return new Fault('RECORDING_STORE_UNAVAILABLE', said, options)
}
