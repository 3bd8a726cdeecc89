/** The thread that stores recordings: hashing, signing and the S3 client stay off the loop that relays sessions. */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../clock.ts'
import { Fault, reasonOf } from '../../errors.ts'
import { bucketStore } from './bucket-store.ts'
import { RecordingCache } from './cache.ts'
import { openS3Bucket } from './s3-bucket.ts'
import type { Answer, FromStorage, StorageQuestion, StorageStart, ToStorage } from './storage-messages.ts'
import { Uploader } from './uploader.ts'

const { access, folder, cacheFolder } = workerData as StorageStart
const port = parentPort
if (port === null) throw new Error('the storage thread is a thread')
const say = (message: FromStorage) => port.postMessage(message)

const bucket = await openS3Bucket(access)
const uploader = new Uploader({
  ...access,
  bucket,
  folder,
  clock: systemClock,
  spoolBytes: access.backlog.spoolBytes,
  heard: event => say({ kind: 'event', event }),
})
const cache = new RecordingCache(cacheFolder, access.cacheBytes)
const store = bucketStore({ bucket, prefix: access.prefix, folder, cache, uploader })
const releases = new Map<number, () => void>()
let lastTicket = 0

port.on('message', (message: ToStorage) => {
  switch (message.kind) {
    case 'opened':
      return uploader.opened(message.recording, message.isFresh)
    case 'finished':
      return uploader.finished(message.recording)
    case 'release':
      releases.get(message.ticket)?.()
      return void releases.delete(message.ticket)
    case 'ask':
      return void reply(message.id, message.question)
  }
})

async function reply(id: number, question: StorageQuestion): Promise<void> {
  try {
    say({ kind: 'answer', id, answer: await answerTo(question) })
  } catch (error) {
    const fault = error instanceof Fault ? error : undefined
    const userText = fault?.userText ?? 'The storage of recordings failed. Tell the operator.'
    say({ kind: 'failed', id, code: fault?.code, userText, log: reasonOf(error) })
  }
}

async function answerTo(question: StorageQuestion): Promise<Answer> {
  switch (question.kind) {
    case 'take-up':
      await uploader.takeUp()
      return {}
    case 'fetch':
      return fetch(question.recording)
    case 'remove':
      await store.remove(question.recording)
      return {}
    case 'may-remove':
      await store.mayRemove(question.recording)
      return {}
    case 'hold':
      await store.hold(question.recording, question.on)
      return {}
    case 'close':
      await uploader.close()
      bucket.close()
      setImmediate(() => port?.close())
      return {}
  }
}

async function fetch(recording: string): Promise<Answer> {
  const { path, release } = await store.fetch(recording)
  const ticket = ++lastTicket
  releases.set(ticket, release)
  return { path, ticket }
}
