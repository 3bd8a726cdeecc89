/** New keys in the middle of a session, whoever asks for them, change nothing of what passes. */
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, expect } from 'vitest'
import { testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World | undefined
afterEach(async () => {
  await world?.stop()
  world = undefined
})

const input = randomBytes(50_000_000)
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
const count = (text: string, what: RegExp): number => [...text.matchAll(new RegExp(what, 'g'))].length

/** 50 MB to the target and back, through whatever key exchanges there are. */
async function echo(here: World, extra: readonly string[]) {
  const run = await here.ssh(`${here.login}@web1`, {
    command: ['cat'],
    input,
    extra: ['LogLevel=DEBUG1', ...extra],
  })
  expect(run.code).toBe(0)
  expect(sha256(run.stdout)).toBe(sha256(input))
  const log = here.sshd?.log() ?? ''
  return { client: count(run.stderr, /KEXINIT received/), target: count(log, /KEXINIT received/), run }
}

test('asked for by the client and the target, every mebibyte', async () => {
  world = await World.start({ sshdConfig: 'LogLevel DEBUG1\nRekeyLimit 1M' })
  const { client, target } = await echo(world, ['RekeyLimit=1M'])
  expect(client).toBeGreaterThan(30)
  expect(target).toBeGreaterThan(30)
})

test('asked for by us on both legs, every mebibyte', async () => {
  world = await World.start({
    sshdConfig: 'LogLevel DEBUG1',
    configure: config => (config['ssh'].limits = { rekeyAfterSize: '1MiB' }),
  })
  const { client, target } = await echo(world, [])
  expect(client).toBeGreaterThan(30)
  expect(target).toBeGreaterThan(30)
})

test('asked for by everybody at once, with a MAC and with ChaCha20', async () => {
  world = await World.start({
    sshdConfig: 'LogLevel DEBUG1\nRekeyLimit 1M\nCiphers aes256-ctr',
    configure: config => (config['ssh'].limits = { rekeyAfterSize: '1MiB' }),
  })
  const { client, target } = await echo(world, ['RekeyLimit=1M', 'Ciphers=chacha20-poly1305@openssh.com'])
  expect(client).toBeGreaterThan(30)
  expect(target).toBeGreaterThan(30)
})

test('asked for by us when their time is over, while nothing else is said', async () => {
  world = await World.start({
    sshdConfig: 'LogLevel DEBUG1',
    configure: config => (config['ssh'].limits = { rekeyAfterTime: '1s' }),
  })
  const run = await world.ssh(`${world.login}@web1`, {
    command: ['sleep 4; echo done'],
    extra: ['LogLevel=DEBUG1'],
  })
  expect(run.stdout.toString()).toBe('done\n')
  expect(count(run.stderr, /KEXINIT received/)).toBeGreaterThan(2)
  expect(count(world.sshd?.log() ?? '', /KEXINIT received/)).toBeGreaterThan(2)
})
