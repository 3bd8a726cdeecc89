/** A gateway whose recordings are kept in a real bucket: killed in every phase, cut off for long, and read from there. */
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { SessionRow } from '../../src/model.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { FlakyProxy } from '../support/flaky-proxy.ts'
import { hasObjectStore, ObjectStore, objectStoreKeys, testWithObjectStore } from '../support/object-store.ts'
import { type RawConfig, World } from '../support/world.ts'

const testMs = 90_000
const longCommand = ['head -c 11000000 /dev/urandom | base64 -w0 | head -c 11000000']

let objects: ObjectStore
let proxy: FlakyProxy
let bucket: string
let world: World

beforeAll(async () => {
  if (!hasObjectStore) return
  process.env['SALLYPORT_TEST_S3_ID'] = objectStoreKeys.accessKeyId
  process.env['SALLYPORT_TEST_S3_SECRET'] = objectStoreKeys.secretAccessKey
  objects = await ObjectStore.start()
  bucket = await objects.bucket()
  proxy = await FlakyProxy.start(objects.port)
  world = await World.start({ configure: config => void (config['recording'] = { store: store() }) })
})

afterAll(async () => {
  await world?.stop()
  await proxy?.stop()
  await objects?.stop()
})

beforeEach(() => {
  if (!hasObjectStore) return
  proxy.weather = () => undefined
  proxy.onAnswer = () => {}
  proxy.seen.length = 0
})

function store(more: RawConfig = {}): RawConfig {
  return {
    s3: {
      bucket,
      endpoint: proxy.url,
      prefix: 'bastion/',
      pathStyle: true,
      credentials: {
        accessKeyId: 'env:SALLYPORT_TEST_S3_ID',
        secretAccessKey: 'env:SALLYPORT_TEST_S3_SECRET',
      },
      partSize: '5MiB',
      keepLocal: 'none',
      ...more,
    },
  }
}

const at = () => `${world.login}@web1`
const audited = (kind: string, session?: string) =>
  world
    .audit()
    .filter(entry => entry['kind'] === kind && (session === undefined || entry['session'] === session))

function metricsText(): Promise<string> {
  const options = {
    socketPath: join(world.data, 'admin.sock'),
    path: '/metrics',
    headers: { host: 'admin' },
    agent: false,
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(options, answer => void textOf(answer).then(resolve, reject))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

async function restart(recording: RawConfig = { store: store() }): Promise<void> {
  await world.killGateway('SIGTERM')
  world.writeConfig(config => void (config['recording'] = recording))
  await world.startGateway()
}

/** Once it is in the bucket and not in the folder any more. */
async function stored(row: SessionRow): Promise<void> {
  await world.until(() => audited('recording-stored', row.id).length > 0 && !existsSync(world.fileOf(row)))
}

/** One object, which proves itself by the gateway's key and its place in the log of sessions. */
async function expectProven(row: SessionRow): Promise<void> {
  const key = `bastion/${row.recording}`
  expect((await objects.versions(bucket)).filter(version => version.key === key)).toHaveLength(1)
  const copy = join(world.folder, `${row.id}.sallyport`)
  writeFileSync(copy, await objects.content(bucket, key))
  const result = verifyRecording(copy, [world.authorities['recording-heads'].publicKeyPem])
  expect(result).toMatchObject({ ok: true })
  expect(await objects.uploadsUnderWay(bucket)).toBe(0)
}

testWithObjectStore(
  'a bucket that does not take anything stops nothing by itself, and "check" says what it lacks',
  async () => {
    const wrong = join(world.folder, 'wrong.yaml')
    process.env['SALLYPORT_TEST_S3_WRONG'] = 'not the secret'
    const credentials = {
      accessKeyId: 'env:SALLYPORT_TEST_S3_ID',
      secretAccessKey: 'env:SALLYPORT_TEST_S3_WRONG',
    }
    const said: string[] = []
    for (const more of [
      { credentials },
      { bucket: 'nowhere' },
      { objectLock: { mode: 'compliance', days: 1 } },
      {},
    ]) {
      world.writeConfig(config => void (config['recording'] = { store: store(more) }))
      const { stdout } = await world.sallyport('check', '--config', world.configFile)
      said.push(
        stdout
          .toString()
          .split('\n')
          .find(line => line.includes('bucket ')) ?? '',
      )
    }
    expect(existsSync(wrong)).toBe(false)
    expect(said).toEqual([
      expect.stringMatching(/^FAILED .*SignatureDoesNotMatch.*s3:PutObject/),
      expect.stringMatching(/^FAILED .*NoSuchBucket/),
      expect.stringMatching(/^FAILED .*object lock fails: the bucket has none/),
      expect.stringMatching(/^ok .*can be written, read, listed/),
    ])
    expect(said.join()).not.toContain('not the secret')
  },
  testMs,
)

testWithObjectStore(
  'a recording is in the bucket, and is read from there by every way',
  async () => {
    await world.ssh(at(), { command: ['echo kept elsewhere'] })
    const row = await world.lastEnded()
    await stored(row)
    await expectProven(row)
    const exported = await world.sallyport('export', row.id, '--format', 'text')
    expect(exported.stdout.toString()).toContain('kept elsewhere')
    expect((await world.sallyport('play', row.id, '--list')).stdout.toString()).toContain(
      'echo kept elsewhere',
    )
    const offline = await world.sallyport('verify', world.data)
    expect([offline.code, offline.stdout.toString()]).toEqual([
      0,
      expect.stringContaining('are in the bucket'),
    ])
    const online = await world.sallyport('verify', world.data, '--store', world.configFile)
    expect([online.code, online.stdout.toString()]).toEqual([
      0,
      expect.stringMatching(
        new RegExp(
          `ok +s3://${bucket}/bastion/${row.recording}[\\s\\S]*(All \\d+ recordings|The one recording)`,
        ),
      ),
    ])
    await world.killGateway('SIGTERM')
    const withoutGateway = await world.sallyport('export', row.id, '--format', 'text')
    expect(withoutGateway.stdout.toString()).toContain('kept elsewhere')
    await world.startGateway()
  },
  testMs,
)

testWithObjectStore(
  'a recording that somebody replaced or removed in the bucket is noticed',
  async () => {
    await world.ssh(at(), { command: ['echo one'] })
    const one = await world.lastEnded()
    await stored(one)
    await world.ssh(at(), { command: ['echo two'] })
    const two = await world.lastEnded()
    await stored(two)
    const content = await objects.content(bucket, `bastion/${one.recording}`)
    await objects.put(bucket, `bastion/${two.recording}`, content)
    await objects.deleteVersion(bucket, `bastion/${one.recording}`)
    const { code, stdout } = await world.sallyport('verify', world.data, '--store', world.configFile)
    expect(code).toBe(1)
    expect(stdout.toString()).toMatch(new RegExp(`FAILED +${one.id}.*is missing`))
    expect(stdout.toString()).toMatch(new RegExp(`FAILED +s3://\\S*${two.id}.*was replaced`))
    await objects.put(bucket, `bastion/${one.recording}`, content)
    await objects.deleteVersion(bucket, `bastion/${two.recording}`)
  },
  testMs,
)

type Instant = { readonly pattern: RegExp; readonly when: 'before' | 'after' }
const instants: Record<string, Instant> = {
  'before the upload is begun': { pattern: /^POST \S*\?uploads/, when: 'before' },
  'before it knows that it was begun': { pattern: /^POST \S*\?uploads/, when: 'after' },
  'in a part': { pattern: /^PUT \S*partNumber=1&/, when: 'before' },
  'between parts': { pattern: /^PUT \S*partNumber=1&/, when: 'after' },
  'before the object is completed': { pattern: /^POST \S*\?uploadId=/, when: 'before' },
  'before it knows that it was completed': { pattern: /^POST \S*\?uploadId=/, when: 'after' },
  'before the local copy is removed': { pattern: /^HEAD /, when: 'after' },
}

for (const [name, { pattern, when }] of Object.entries(instants))
  testWithObjectStore(
    `killed ${name}, it goes on where it was`,
    async () => {
      let isKilled = false
      const kill = () => {
        isKilled = true
        void world.killGateway('SIGKILL')
      }
      proxy.weather = request => {
        if (!isKilled && when === 'before' && pattern.test(request)) kill()
        return isKilled ? 'refuse' : undefined
      }
      proxy.onAnswer = request => {
        if (!isKilled && when === 'after' && pattern.test(request)) kill()
      }
      await world.ssh(at(), { command: longCommand })
      await world.until(() => isKilled && world.gatewayEnded)
      proxy.weather = () => undefined
      await world.startGateway()
      const row = await world.lastEnded()
      await stored(row)
      await expectProven(row)
    },
    testMs,
  )

testWithObjectStore(
  'a session that a crash ended goes on in the same upload',
  async () => {
    const running = world.ssh(at(), { command: [`${longCommand[0]}; sleep 60`] })
    await world.until(() => proxy.seen.some(request => request.includes('partNumber=1&')))
    await world.killGateway('SIGKILL')
    await running
    await world.startGateway()
    const row = await world.lastEnded()
    await stored(row)
    await expectProven(row)
    expect(proxy.seen.filter(request => /^POST \S*\?uploads/.test(request))).toHaveLength(1)
  },
  testMs,
)

testWithObjectStore(
  'an encrypted recording goes the same way, and the bucket holds nothing that can be read',
  async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = join(world.folder, 'auditor.pub.jwk')
    writeFileSync(file, JSON.stringify(publicKey.export({ format: 'jwk' })))
    await restart({ store: store(), encryptTo: [`file:${file}`] })
    await world.ssh(at(), { command: ['echo not-for-the-bucket; head -c 7000000 /dev/urandom'] })
    const row = await world.lastEnded()
    await stored(row)
    await expectProven(row)
    expect((await objects.content(bucket, `bastion/${row.recording}`)).includes('not-for-the-bucket')).toBe(
      false,
    )
  },
  testMs,
)

testWithObjectStore(
  'while too much waits, new sessions are refused with a sentence; live ones go on until there is no room',
  async () => {
    await restart({ store: store({ backlog: { size: '1MiB', spool: '6MiB' } }) })
    const live = await world.terminal(at())
    live.type('echo on$((1))line\r')
    await live.waitFor(/on1line/)
    proxy.weather = () => 'refuse'
    await world.ssh(at(), { command: ['head -c 2000000 /dev/urandom'] })
    await world.until(() => audited('storage-failing').length > 0)
    const refused = await world.ssh(at(), { command: ['true'] })
    expect(refused.stderr).toContain('Recordings cannot be stored at the moment and too many wait')
    expect(refused.code).not.toBe(0)
    live.type('echo still$((1))here\r')
    await live.waitFor(/still1here/)
    live.type('head -c 12000000 /dev/urandom | base64\r')
    await live.waitFor(/there is no room for more, so this session ends/)
    await live.exit()
    proxy.weather = () => undefined
    await world.until(() => audited('storage-recovered').length > 0)
    await world.until(() =>
      readdirSync(world.recordings, { recursive: true }).every(name => !String(name).endsWith('.sallyport')),
    )
    const again = await world.ssh(at(), { command: ['echo again'] })
    expect(again.stdout.toString()).toBe('again\n')
    const metrics = await metricsText()
    expect(metrics).toMatch(/sallyport_storage_up 1/)
    expect(metrics).toMatch(/sallyport_storage_failed_attempts [1-9]/)
  },
  testMs,
)
