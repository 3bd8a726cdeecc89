/** What is tried when, and what is believed: against a bucket of the test's own. With a real one: test/e2e/storage-bucket.test.ts. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { delayAfterMs } from '../../../src/recorder/storage/back-off.ts'
import { type Bucket, BucketError } from '../../../src/recorder/storage/bucket.ts'
import { pathIn } from '../../../src/recorder/storage/local-store.ts'
import { noteFileOf } from '../../../src/recorder/storage/upload-note.ts'
import { partBytesOf } from '../../../src/recorder/storage/upload.ts'
import { type StorageEvent, Uploader } from '../../../src/recorder/storage/uploader.ts'

let folder: string
let events: StorageEvent[]
let bucket: MemoryBucket
let uploader: Uploader

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'))
  events = []
  bucket = new MemoryBucket()
  uploader = new Uploader({
    bucket,
    folder,
    prefix: 'p/',
    clock: systemClock,
    partBytes: 1000,
    legalHold: false,
    keepLocalMs: 0,
    spoolBytes: 1e9,
    heard: event => events.push(event),
    lookEveryMs: 5,
    delayMs: () => 10,
  })
})

afterEach(async () => {
  await uploader.close()
  rmSync(folder, { recursive: true })
})

/** One object a key; ETags are MD5s unless the bucket encrypts with a key of its own. */
class MemoryBucket implements Bucket {
  readonly objects = new Map<string, Buffer>()
  readonly tried: string[] = []
  isAway = false
  /** Keys that are refused. */
  readonly bad = new Set<string>()
  encrypts = false
  /** What it does to content on the way in. */
  spoil = (body: Buffer): Buffer => body
  atOnce = 0
  mostAtOnce = 0

  async put(key: string, body: Buffer): Promise<void> {
    this.tried.push(key)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    await sleep(5)
    this.atOnce--
    if (this.isAway) throw new BucketError('away', 'no answer')
    if (this.bad.has(key)) throw new BucketError('other', 'not this one')
    this.objects.set(key, this.spoil(Buffer.from(body)))
  }

  async head(key: string) {
    if (this.isAway) throw new BucketError('away', 'no answer')
    const content = this.objects.get(key)
    if (content === undefined) return undefined
    const etag = this.encrypts ? 'of-another-kind' : createHash('md5').update(content).digest('hex')
    return { bytes: content.length, etag, version: undefined, protection: { hold: false } }
  }

  async read(key: string): Promise<Readable> {
    return Readable.from([this.objects.get(key) ?? Buffer.alloc(0)])
  }

  uploads = async () => []
  versions = async () => []
  create = async () => 'upload'
  putPart = async () => ''
  parts = async () => []
  complete = async () => {}
  abort = async () => {}
  remove = async () => {}
  lock = async () => {}
  hold = async () => {}
  hasObjectLock = async () => false
  close = () => {}
  async *list() {}
}

function write(name: string, content = randomBytes(100)): string {
  const recording = `2026/11/22/${name}.sallyport`
  mkdirSync(dirname(join(folder, recording)), { recursive: true })
  writeFileSync(join(folder, recording), content)
  return recording
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

const kinds = (kind: StorageEvent['kind']) => events.filter(event => event.kind === kind)

test('a path that leads out of the folder is no recording', () => {
  expect(() => pathIn('/recordings', '../etc/passwd')).toThrow(TypeError)
  expect(() => pathIn('/recordings', '2026/../../x.sallyport')).toThrow(TypeError)
})

test('content that came out otherwise is noticed, also where checksums say nothing, and the local copy stays', async () => {
  for (const encrypts of [false, true]) {
    bucket.encrypts = encrypts
    bucket.spoil = body => Buffer.concat([body.subarray(1), Buffer.from('x')])
    const recording = write(`spoiled-${String(encrypts)}`)
    uploader.finished(recording)
    await until(() => kinds('stuck').length === (encrypts ? 2 : 1))
    expect(existsSync(join(folder, recording))).toBe(true)
  }
  expect(kinds('stored')).toEqual([])
})

test('where checksums say nothing, content is read back, and believed then', async () => {
  bucket.encrypts = true
  const recording = write('read-back')
  const content = readFileSync(join(folder, recording))
  uploader.finished(recording)
  await until(() => kinds('stored').length === 1)
  expect(bucket.objects.get(`p/${recording}`)).toEqual(content)
})

test('one that cannot be stored does not keep the others', async () => {
  const bad = write('bad')
  bucket.bad.add(`p/${bad}`)
  uploader.finished(bad)
  for (let index = 0; index < 20; index++) uploader.finished(write(`good-${index}`))
  await until(() => kinds('stored').length === 20)
  expect(kinds('failing')).toEqual([])
  await until(() => kinds('stuck').length === 1)
  bucket.bad.clear()
  await until(() => kinds('stored').length === 21)
})

test('while the bucket is away one of them tries, and all go when it is back', async () => {
  bucket.isAway = true
  for (let index = 0; index < 10; index++) uploader.opened(write(`waits-${index}`))
  for (let index = 0; index < 10; index++) uploader.finished(`2026/11/22/waits-${index}.sallyport`)
  await until(() => uploader.state().failedAttempts > 5)
  bucket.mostAtOnce = 0
  await until(() => uploader.state().failedAttempts > 10)
  expect(bucket.mostAtOnce).toBeLessThanOrEqual(1)
  expect(uploader.state()).toMatchObject({ waiting: 10, waitingBytes: 1000, isUp: false })
  bucket.isAway = false
  await until(() => kinds('stored').length === 10)
  expect([kinds('failing').length, kinds('recovered').length]).toEqual([1, 1])
  await until(() => uploader.state().spoolBytes === 0)
})

test('what was there before there was a bucket goes up after what is new, and refuses nobody', async () => {
  bucket.isAway = true
  for (let index = 0; index < 3; index++) uploader.finished(write(`old-${index}`))
  const fresh = write('new')
  uploader.opened(fresh)
  uploader.finished(fresh)
  await until(() => uploader.state().failedAttempts > 2)
  expect(uploader.state()).toMatchObject({ waiting: 1, waitingBytes: 100 })
  bucket.tried.length = 0
  bucket.isAway = false
  await until(() => kinds('stored').length === 4)
  expect(bucket.tried[0]).toBe(`p/${fresh}`)
})

test('what somebody reads stays, and goes when they are done', async () => {
  const recording = write('read')
  uploader.finished(recording)
  const pinned = uploader.pin(recording)
  const twice = uploader.pin(recording)
  await until(() => kinds('stored').length === 1)
  pinned?.release()
  pinned?.release()
  await sleep(50)
  expect(existsSync(join(folder, recording))).toBe(true)
  twice?.release()
  await until(() => !existsSync(join(folder, recording)))
  expect(existsSync(noteFileOf(join(folder, recording)))).toBe(false)
})

test('a recording that goes from the folder before it was stored is told of', async () => {
  bucket.isAway = true
  const recording = write('vanishes')
  uploader.opened(recording)
  await until(() => uploader.state().spoolBytes === 100)
  rmSync(join(folder, recording))
  await until(() => kinds('vanished').length === 1)
  expect(uploader.state().spoolBytes).toBe(0)
})

test('pauses grow up to a minute, and never are the same for all', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, random) => {
        const delayMs = delayAfterMs(failures, random)
        const most = Math.min(60_000, 500 * 2 ** Math.min(failures - 1, 20))
        expect(delayMs).toBeGreaterThanOrEqual(most / 2)
        expect(delayMs).toBeLessThanOrEqual(most)
      },
    ),
  )
  expect(delayAfterMs(5, 0)).not.toBe(delayAfterMs(5, 1))
})

test('10,000 parts are enough for the largest object that S3 takes, and none is smaller than the one before', () => {
  let total = 0
  for (let number = 1; number <= 10_000; number++) {
    const bytes = partBytesOf(number, 5 * 1024 * 1024)
    expect(bytes).toBeGreaterThanOrEqual(partBytesOf(Math.max(1, number - 1), 5 * 1024 * 1024))
    total += bytes
  }
  expect(total).toBeGreaterThan(5 * 1024 ** 4)
})
