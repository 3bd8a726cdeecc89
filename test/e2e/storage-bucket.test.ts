/** Recordings on their way into a real bucket, over a line that fails in every place. */
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Bucket } from '../../src/recorder/storage/bucket.ts'
import { bucketStore } from '../../src/recorder/storage/bucket-store.ts'
import { RecordingCache } from '../../src/recorder/storage/cache.ts'
import type { RecordingStore } from '../../src/recorder/storage/recording-store.ts'
import { openS3Bucket, type S3Access } from '../../src/recorder/storage/s3-bucket.ts'
import { noteFileOf } from '../../src/recorder/storage/upload-note.ts'
import { type StorageEvent, Uploader, type UploaderOptions } from '../../src/recorder/storage/uploader.ts'
import { FlakyProxy, type Mishap } from '../support/flaky-proxy.ts'
import { hasObjectStore, ObjectStore, objectStoreKeys, testWithObjectStore } from '../support/object-store.ts'
import { scratchFolder } from '../support/openssh.ts'

const MiB = 1024 * 1024
const partBytes = 5 * MiB
const day = '2026/11/22'

let objects: ObjectStore
let proxy: FlakyProxy
let scratch: ReturnType<typeof scratchFolder>
let folder: string
let bucketName: string
let events: StorageEvent[]
let made = 0
const opened: Storage[] = []

beforeAll(async () => {
  if (!hasObjectStore) return
  objects = await ObjectStore.start()
  proxy = await FlakyProxy.start(objects.port)
  scratch = scratchFolder()
  bucketName = await objects.bucket()
})

afterAll(async () => {
  await proxy?.stop()
  await objects?.stop()
  scratch?.remove()
})

afterEach(async () => {
  for (const one of opened.splice(0)) await close(one)
})

beforeEach(() => {
  events = []
  if (!hasObjectStore) return
  proxy.weather = () => undefined
  proxy.onAnswer = () => {}
  proxy.seen.length = 0
  folder = join(scratch.path, `recordings-${++made}`)
})

type Storage = { uploader: Uploader; bucket: Bucket; store: RecordingStore }

function accessTo(more: Partial<S3Access> = {}): S3Access {
  return {
    bucket: bucketName,
    region: 'us-east-1',
    endpoint: proxy.url,
    prefix: `gateway-${made}/`,
    pathStyle: true,
    credentials: objectStoreKeys,
    legalHold: false,
    encryption: 'bucket',
    partBytes,
    keepLocalMs: 0,
    backlog: { bytes: 1e9, ageMs: 1e9, spoolBytes: 1e12 },
    cacheBytes: 100 * MiB,
    ...more,
  }
}

async function storage(
  more: Partial<S3Access> = {},
  options: Partial<UploaderOptions> = {},
): Promise<Storage> {
  const access = accessTo(more)
  const bucket = await openS3Bucket(access, { answerMs: 3_000, bytesPerMs: 10_000 })
  const uploader = new Uploader({
    ...access,
    bucket,
    folder,
    clock: systemClock,
    spoolBytes: access.backlog.spoolBytes,
    heard: event => events.push(event),
    lookEveryMs: 20,
    delayMs: () => 20,
    ...options,
  })
  const cache = new RecordingCache(join(scratch.path, `cache-${made}`), access.cacheBytes)
  const opening = {
    uploader,
    bucket,
    store: bucketStore({ bucket, prefix: access.prefix, folder, cache, uploader }),
  }
  opened.push(opening)
  return opening
}

async function close({ uploader, bucket }: Storage): Promise<void> {
  await uploader.close()
  bucket.close()
}

/** A file in the place of a recording. What is in it is nobody's business here. */
function write(name: string, content: Buffer): string {
  const recording = `${day}/${name}.sallyport`
  mkdirSync(dirname(join(folder, recording)), { recursive: true })
  writeFileSync(join(folder, recording), content)
  return recording
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10)
}

const isStored = (name: string) => () =>
  events.some(event => event.kind === 'stored' && event.session === name)

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** There is exactly one version, it is what was written, and nothing is left under way. */
async function expectStoredOnce(name: string, content: Buffer, bucket = bucketName): Promise<void> {
  const key = `gateway-${made}/${day}/${name}.sallyport`
  const versions = (await objects.versions(bucket)).filter(version => version.key === key)
  expect(versions.map(({ bytes }) => bytes)).toEqual([content.length])
  expect(sha256(await objects.content(bucket, key))).toBe(sha256(content))
  expect(await objects.uploadsUnderWay(bucket)).toBe(0)
}

testWithObjectStore(
  'a bucket that is not there, a wrong secret and no bucket at all are told apart, and nothing is lost',
  async () => {
    const content = randomBytes(1000)
    const told: string[] = []
    for (const wrong of [
      { bucket: 'not-there' },
      { credentials: { ...objectStoreKeys, secretAccessKey: 'wrong' } },
      { endpoint: 'http://127.0.0.1:1' },
    ]) {
      const one = await storage(wrong)
      one.uploader.opened(write('lost', content))
      one.uploader.finished(`${day}/lost.sallyport`)
      await until(() => events.some(event => event.kind === 'failing'))
      told.push(...events.flatMap(event => (event.kind === 'failing' ? [event.reason] : [])))
      expect(one.uploader.state()).toMatchObject({ isUp: false, waiting: 1, waitingBytes: 1000 })
      await close(one)
      events.length = 0
      expect(readFileSync(join(folder, `${day}/lost.sallyport`))).toEqual(content)
    }
    expect(told).toEqual([
      expect.stringContaining('NoSuchBucket'),
      expect.stringContaining('SignatureDoesNotMatch'),
      expect.stringContaining('no answer'),
    ])
    expect(told.join()).not.toContain('wrong')
    const right = await storage()
    right.uploader.finished(`${day}/lost.sallyport`)
    await until(isStored('lost'))
    await expectStoredOnce('lost', content)
  },
)

testWithObjectStore(
  'what another has put under the name of a recording is left as it is, and the others go on',
  async () => {
    const one = await storage()
    const recording = write('taken', randomBytes(3000))
    await one.bucket.put(`gateway-${made}/${recording}`, Buffer.from('somebody else'), { hold: false })
    one.uploader.finished(recording)
    await until(() => events.some(event => event.kind === 'stuck'))
    one.uploader.opened(write('other', randomBytes(10)))
    one.uploader.finished(`${day}/other.sallyport`)
    await until(isStored('other'))
    expect(existsSync(join(folder, recording))).toBe(true)
    expect((await objects.content(bucketName, `gateway-${made}/${recording}`)).toString()).toBe(
      'somebody else',
    )
    await close(one)
  },
)

testWithObjectStore(
  'a short recording is one object, and its local copy goes when its time is over',
  async () => {
    const content = randomBytes(4321)
    const one = await storage({ keepLocalMs: 300 })
    const recording = write('short', content)
    one.uploader.opened(recording)
    one.uploader.finished(recording)
    await until(isStored('short'))
    expect(existsSync(join(folder, recording))).toBe(true)
    await until(() => !existsSync(join(folder, recording)))
    expect(existsSync(noteFileOf(join(folder, recording)))).toBe(false)
    await expectStoredOnce('short', content)
    const stored = events.find(event => event.kind === 'stored')
    expect(stored?.kind === 'stored' ? stored.object : {}).toMatchObject({
      bytes: 4321,
      sha256: sha256(content),
    })
    await close(one)
  },
)

testWithObjectStore('a long recording goes up while it grows', async () => {
  const pieces = [randomBytes(6 * MiB), randomBytes(5 * MiB), randomBytes(100)]
  const one = await storage()
  const recording = write('long', pieces[0] ?? Buffer.alloc(0))
  one.uploader.opened(recording)
  await until(() => one.uploader.state().waitingBytes === MiB)
  appendFileSync(join(folder, recording), pieces[1] ?? '')
  await until(() => one.uploader.state().waitingBytes === MiB)
  expect(events.some(event => event.kind === 'stored')).toBe(false)
  appendFileSync(join(folder, recording), pieces[2] ?? '')
  one.uploader.finished(recording)
  await until(isStored('long'))
  await expectStoredOnce('long', Buffer.concat(pieces))
})

const phases: Record<string, RegExp> = {
  create: /^POST \S*\?uploads/,
  'the first part': /^PUT \S*partNumber=1&/,
  'the second part': /^PUT \S*partNumber=2&/,
  complete: /^POST \S*\?uploadId=/,
  'the look at it': /^HEAD /,
}
const mishaps: readonly Mishap[] = ['refuse', 'cut', 'hang', 'lose']

for (const [phase, pattern] of Object.entries(phases))
  testWithObjectStore(`a line that fails at ${phase} loses nothing and doubles nothing`, async () => {
    const content = randomBytes(partBytes + 70_000)
    for (const mishap of mishaps) {
      const name = `${mishap}-${phase.replaceAll(' ', '-')}`
      let left = mishap === 'hang' ? 1 : 2
      proxy.weather = request => (pattern.test(request) && left-- > 0 ? mishap : undefined)
      const one = await storage()
      const recording = write(name, content)
      one.uploader.opened(recording)
      one.uploader.finished(recording)
      await until(isStored(name))
      expect(left).toBeLessThan(2)
      await expectStoredOnce(name, content)
      await close(one)
    }
  })

testWithObjectStore(
  'a line that fails while a short recording is sent loses nothing and doubles nothing',
  async () => {
    for (const mishap of mishaps) {
      const content = randomBytes(70_000)
      let left = mishap === 'hang' ? 1 : 2
      proxy.weather = request => (request.startsWith('PUT ') && left-- > 0 ? mishap : undefined)
      const one = await storage()
      one.uploader.opened(write(`short-${mishap}`, content))
      one.uploader.finished(`${day}/short-${mishap}.sallyport`)
      await until(isStored(`short-${mishap}`))
      await expectStoredOnce(`short-${mishap}`, content)
      await close(one)
    }
  },
)

for (const [phase, pattern] of Object.entries(phases))
  testWithObjectStore(`another process goes on where one was stopped at ${phase}`, async () => {
    const content = randomBytes(2 * partBytes + 10)
    for (const when of ['before', 'after'] as const) {
      const name = `stopped-${when}-${phase.replaceAll(' ', '-')}`
      let isReached = false
      const reach = (request: string) => (isReached ||= pattern.test(request))
      proxy.weather = request => (isReached || (when === 'before' && reach(request)) ? 'refuse' : undefined)
      proxy.onAnswer = request =>
        void (when === 'after' && reach(request) && (proxy.weather = () => 'refuse'))
      const one = await storage({}, { delayMs: () => 60_000 })
      const recording = write(name, content)
      one.uploader.opened(recording)
      one.uploader.finished(recording)
      await until(() => isReached)
      await close(one)
      proxy.weather = () => undefined
      proxy.onAnswer = () => {}
      const other = await storage()
      other.uploader.finished(recording)
      await until(isStored(name))
      await expectStoredOnce(name, content)
      await close(other)
    }
  })

testWithObjectStore('parts that are no longer those of the file are sent again', async () => {
  const content = randomBytes(2 * partBytes)
  const one = await storage()
  const recording = write('torn', content)
  one.uploader.opened(recording)
  await until(() => one.uploader.state().spoolBytes > 0 && one.uploader.state().waitingBytes === 0)
  await close(one)
  truncateSync(join(folder, recording), 2 * partBytes - 7)
  const other = await storage()
  proxy.seen.length = 0
  other.uploader.finished(recording)
  await until(isStored('torn'))
  expect(proxy.seen.filter(request => phases['the first part']?.test(request))).toEqual([])
  await expectStoredOnce('torn', content.subarray(0, -7))
})

testWithObjectStore('what recovery wrote again is sent again, although it was up', async () => {
  const content = randomBytes(2 * partBytes + 20)
  const one = await storage()
  const recording = write('rewritten', content)
  one.uploader.opened(recording)
  await until(() => one.uploader.state().waitingBytes === 20)
  randomBytes(100).copy(content, partBytes + 300)
  writeFileSync(join(folder, recording), content)
  one.uploader.finished(recording)
  await until(isStored('rewritten'))
  await expectStoredOnce('rewritten', content)
})

testWithObjectStore('an upload that the bucket has removed begins anew', async () => {
  const content = randomBytes(partBytes + 5)
  const one = await storage()
  const recording = write('removed', content)
  one.uploader.opened(recording)
  await until(() => one.uploader.state().waitingBytes === 5)
  const key = `gateway-${made}/${recording}`
  for (const upload of await one.bucket.uploads(key)) await one.bucket.abort(key, upload)
  one.uploader.finished(recording)
  await until(isStored('removed'))
  await expectStoredOnce('removed', content)
})

for (const mode of ['compliance', 'governance'] as const)
  testWithObjectStore(
    `what is locked for ${mode} cannot be removed until then, also what was sent in parts`,
    async () => {
      const locked = await objects.bucket({ objectLock: true })
      const one = await storage({ bucket: locked, objectLock: { mode, days: 3 } })
      const long = write('locked', randomBytes(partBytes + 1))
      const short = write('locked-short', randomBytes(10))
      for (const recording of [long, short]) one.uploader.finished(recording)
      await until(() => isStored('locked')() && isStored('locked-short')())
      for (const { key, version } of await objects.versions(locked)) {
        const facts = await one.bucket.head(key)
        expect(facts?.protection.lock?.mode).toBe(mode)
        expect(facts?.protection.lock?.untilMs).toBeGreaterThan(Date.now() + 2.9 * 86_400_000)
        await expect(objects.deleteVersion(locked, key, version)).rejects.toThrow(/AccessDenied|object lock/)
      }
      await expect(one.store.remove(long)).rejects.toMatchObject({
        code: 'RECORDING_LOCKED',
        userText: expect.stringMatching(/until 2\d{3}-/),
      })
      expect(await objects.versions(locked)).toHaveLength(2)
    },
  )

testWithObjectStore('a hold is set and lifted, also before there is anything to hold', async () => {
  const held = await objects.bucket({ objectLock: true })
  const one = await storage({ bucket: held })
  const recording = write('held', randomBytes(100))
  one.uploader.opened(recording)
  await one.store.hold(recording, true)
  one.uploader.finished(recording)
  await until(isStored('held'))
  await expect(one.store.remove(recording)).rejects.toMatchObject({ code: 'RECORDING_LOCKED' })
  await one.store.hold(recording, false)
  await one.store.remove(recording)
  expect(await objects.versions(held)).toEqual([])
  expect(existsSync(join(folder, recording))).toBe(false)
  await expect(one.store.fetch(recording)).rejects.toMatchObject({ code: 'RECORDING_NOT_FOUND' })
})

testWithObjectStore('what is removed while it goes up is gone from everywhere', async () => {
  const one = await storage()
  const recording = write('dropped', randomBytes(partBytes + 9))
  one.uploader.opened(recording)
  await until(() => one.uploader.state().waitingBytes === 9)
  await one.store.remove(recording)
  expect(await objects.uploadsUnderWay(bucketName)).toBe(0)
  expect(existsSync(noteFileOf(join(folder, recording)))).toBe(false)
})

testWithObjectStore('a copy is fetched over a line that breaks, into a cache that stays small', async () => {
  const one = await storage({ cacheBytes: 30 * MiB })
  const contents = new Map<string, Buffer>()
  for (const name of ['a', 'b', 'c']) {
    const content = randomBytes(17 * MiB)
    contents.set(write(name, content), content)
  }
  for (const recording of contents.keys()) one.uploader.finished(recording)
  await until(() => [...contents.keys()].every(recording => !existsSync(join(folder, recording))))
  let left = 2
  proxy.weather = request => (request.startsWith('GET ') && left-- > 0 ? 'lose' : undefined)
  const paths: string[] = []
  for (const [recording, content] of contents) {
    const { path, release } = await one.store.fetch(recording)
    expect(sha256(readFileSync(path))).toBe(sha256(content))
    paths.push(path)
    release()
  }
  expect(paths.map(path => existsSync(path))).toEqual([false, false, true])
})

testWithObjectStore('what somebody hid with a delete marker is still found', async () => {
  const versioned = await objects.bucket({ objectLock: true })
  const one = await storage({ bucket: versioned })
  const content = randomBytes(500)
  const recording = write('hidden', content)
  one.uploader.finished(recording)
  await until(() => !existsSync(join(folder, recording)))
  await objects.deleteVersion(versioned, `gateway-${made}/${recording}`)
  const { path, release } = await one.store.fetch(recording)
  expect(readFileSync(path)).toEqual(content)
  release()
})

testWithObjectStore('after hours without a bucket everything that waited is stored once', async () => {
  const clock = { nowMs: () => Date.now() + hours * 3_600_000, monotonicUs: systemClock.monotonicUs }
  let hours = 0
  proxy.weather = () => 'refuse'
  const one = await storage({}, { clock, delayMs: () => 1_800_000 })
  const contents = new Map<string, Buffer>()
  for (let index = 0; index < 8; index++) {
    const content = randomBytes(index === 3 ? 3 * partBytes : 2000)
    const recording = write(`waits-${index}`, content)
    contents.set(recording, content)
    one.uploader.opened(recording)
    one.uploader.finished(recording)
    hours++
    await sleep(60)
  }
  expect(one.uploader.state()).toMatchObject({ waiting: 8, isUp: false })
  expect(one.uploader.state().oldestMs).toBeGreaterThanOrEqual(8 * 3_600_000)
  expect(events.filter(event => event.kind === 'failing')).toHaveLength(1)
  proxy.weather = () => undefined
  const passing = setInterval(() => hours++, 100)
  await until(() => events.filter(event => event.kind === 'stored').length === 8)
  clearInterval(passing)
  expect(events.filter(event => event.kind === 'recovered')).toHaveLength(1)
  for (const [recording, content] of contents) await expectStoredOnce(recording.slice(11, -10), content)
})
