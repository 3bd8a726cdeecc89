/** Retention of recordings that are in a real bucket: holds there, locks that refuse, and removal of every version. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectLegalHoldCommand } from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { hasObjectStore, ObjectStore, objectStoreKeys, testWithObjectStore } from '../support/object-store.ts'
import { type RawConfig, World } from '../support/world.ts'

const day = 86_400_000
let objects: ObjectStore
let world: World | undefined

beforeAll(async () => {
  if (hasObjectStore) objects = await ObjectStore.start()
}, 120_000)
afterAll(async () => objects?.stop())
afterEach(async () => {
  await world?.stop()
  world = undefined
})

/** A gateway whose only session has gone into the bucket, 401 days later. */
async function stored(bucket: string, more: object): Promise<{ here: World; id: string }> {
  const here = await World.start({
    gateway: ['test/support/aged-gateway.ts'],
    configure: (config: RawConfig) => {
      const folder = config['gateway'].data as string
      const secret = (name: string, text: string): string => {
        writeFileSync(`${folder}-${name}`, text, { mode: 0o600 })
        return `file:${folder}-${name}`
      }
      const credentials = {
        accessKeyId: secret('key-id', objectStoreKeys.accessKeyId),
        secretAccessKey: secret('key', objectStoreKeys.secretAccessKey),
      }
      const s3 = { bucket, endpoint: objects.url, pathStyle: true, credentials, keepLocal: 'none', ...more }
      config['recording'] = { retention: '400d', store: { s3 } }
    },
  })
  world = here
  expect((await here.ssh(`${here.login}@web1`, { command: ['echo kept'] })).code).toBe(0)
  const { id } = await here.lastEnded()
  const isAway = (): boolean =>
    !readdirSync(here.recordings, { recursive: true, encoding: 'utf8' }).some(name =>
      name.endsWith('.sallyport'),
    )
  await here.until(
    async () => isAway() && (await objects.versions(bucket)).some(({ key }) => key.includes(id)),
  )
  await here.killGateway('SIGTERM')
  writeFileSync(here.faultFile, JSON.stringify({ aheadMs: 401 * day }))
  await here.startGateway()
  return { here, id }
}

async function retention(here: World, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await here.sallyport('retention', ...args, '--json')
  expect(stderr).toBe('')
  return JSON.parse(stdout.toString()) as Record<string, unknown>
}

async function verified(here: World): Promise<unknown[]> {
  await here.killGateway('SIGTERM')
  const { stdout } = await here.sallyport(
    'verify',
    join(here.data, 'log'),
    join(here.data, 'audit'),
    '--json',
  )
  return JSON.parse(stdout.toString()) as unknown[]
}

testWithObjectStore(
  'what the bucket has locked is refused with the day, and nothing says that it is gone',
  async () => {
    const bucket = await objects.bucket({ objectLock: true })
    const { here, id } = await stored(bucket, { objectLock: { mode: 'governance', days: 30 } })
    const run = await retention(here, 'run')
    const problem = expect.stringMatching(/the bucket keeps it until \d{4}-\d\d-\d\dT/)
    expect(run).toMatchObject({ purged: [], pending: [], refused: [{ session: id, problem }] })
    expect((await here.sallyport('retention', 'run')).code).toBe(1)
    expect((await objects.versions(bucket)).filter(({ key }) => key.includes(id))).toHaveLength(1)
    expect(JSON.stringify(await verified(here))).not.toContain('"removed"')
  },
  120_000,
)

testWithObjectStore(
  'a hold is on the object too until it is released, and then every version goes',
  async () => {
    const bucket = await objects.bucket({ objectLock: true })
    const { here, id } = await stored(bucket, {})
    const key = (await objects.versions(bucket)).find(one => one.key.includes(id))?.key ?? ''
    const status = async () =>
      (await objects.client.send(new GetObjectLegalHoldCommand({ Bucket: bucket, Key: key }))).LegalHold
        ?.Status
    await retention(here, 'hold', '--session', id, '--why', 'dispute', '--case', 'C-1')
    expect(await status()).toBe('ON')
    expect(await retention(here, 'run')).toMatchObject({ purgedCount: 0, refused: [] })
    await retention(here, 'release', '--case', 'C-1', '--why', 'settled')
    expect(await status()).toBe('OFF')
    expect(await retention(here, 'run')).toMatchObject({ purged: [id], refused: [] })
    expect((await objects.versions(bucket)).filter(one => one.key.includes(id))).toEqual([])
    expect(JSON.stringify(await verified(here))).toContain('purged by policy')
  },
  120_000,
)
