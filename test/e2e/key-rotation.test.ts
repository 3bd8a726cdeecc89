/** Keys of a running gateway change: real sshd, real ssh, and what an auditor can prove before, between and after. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createPublicKey } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { publicKeyBlob, publicKeyLine } from '../../src/credentials/ssh-key.ts'
import type { KeyChange } from '../../src/credentials/key-ring.ts'
import type { ListedKey } from '../../src/credentials/key-list.ts'
import { isolatedSshOptions, testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd', 'ssh-keygen')

let world: World
let keysFolder: string
beforeAll(async () => {
  world = await World.start({ configure: config => void (config['gateway'].keys = 'data/keys') })
  keysFolder = join(world.data, 'keys')
})
afterAll(() => world?.stop())

async function keys<T>(...args: readonly string[]): Promise<T> {
  const run = await world.sallyport('keys', ...args, '--json')
  expect(run.code, run.stderr).toBe(0)
  return JSON.parse(run.stdout.toString()) as T
}

const listed = () => keys<readonly ListedKey[]>('list')
const change = (...args: readonly string[]) => keys<readonly KeyChange[]>(...args)
const inState = async (purpose: string, state: string) =>
  (await listed()).find(key => key.purpose === purpose && key.state === state)

function lineOf(key: ListedKey | undefined): string {
  return publicKeyLine(publicKeyBlob(createPublicKey(key?.publicKey ?? '')), 'targets')
}

const userCa = () => join(world.sshd?.folder ?? '', 'user_ca')
/** What sshd trusts from its next connection on. */
const targetTrusts = (...trusted: readonly (ListedKey | undefined)[]) =>
  writeFileSync(userCa(), trusted.map(key => `${lineOf(key)}\n`).join(''))

async function session(text: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const run = await world.ssh(`${world.login}@web1`, { command: [`echo ${text}`] })
  return { ...run, stdout: run.stdout.toString() }
}

/** The key ids of the authorities that sshd says it accepted certificates of. */
const acceptedBy = () =>
  [...(world.sshd?.log() ?? '').matchAll(/ CA ED25519 (SHA256:\S+)/g)].map(([, id]) => id)

const auditOf = (kind: string) => world.audit().filter(line => line['kind'] === kind)

async function verify(...args: readonly string[]) {
  const run = await world.sallyport('verify', ...args)
  return { code: run.code, text: run.stdout.toString() + run.stderr }
}

async function expectProven(...args: readonly string[]): Promise<string> {
  const { code, text } = await verify(...args)
  expect(code, text).toBe(0)
  return text
}

async function lastRecording(): Promise<string> {
  const row = await world.lastEnded()
  return world.fileOf(row)
}

function exported(name: string): string {
  const file = join(world.folder, name)
  cpSync(join(keysFolder, 'keys.json'), file)
  return file
}

describe('keys of a running gateway', () => {
  test('that cannot be changed stay, with a sentence, and the asking is in the audit log', async () => {
    const run = await world.sallyport('keys', 'activate', 'targets')
    expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('targets has no key that waits')])
    expect(auditOf('authority-change').at(-1)).toMatchObject({
      change: 'activate',
      refused: expect.any(String),
    })
    expect((await world.sallyport('keys', 'rotate', 'nothing')).stderr).toContain(
      'There is no purpose "nothing"',
    )
  })

  test('the help says how a rotation goes', async () => {
    const { stdout } = await world.sallyport('keys', '--help')
    for (const text of ['rotate targets --overlap', 'keys activate', 'keys revoke', 'keys export'])
      expect(stdout.toString()).toContain(text)
  })

  test('targets: the old key signs while the next one is announced, check tells who does not trust it, then it signs', async () => {
    const old = await inState('targets', 'current')
    expect((await session('before')).stdout).toBe('before\n')
    const announced = await change('rotate', 'targets', '--overlap', '7d')
    expect(announced).toMatchObject([{ change: 'announced', purpose: 'targets' }])
    const next = await inState('targets', 'next')

    expect((await session('waiting')).stdout).toBe('waiting\n')
    expect(acceptedBy().at(-1)).toBe(old?.keyId)
    const checked = (await world.sallyport('check')).stdout.toString()
    expect(checked).toContain('FAILED  ')
    expect(checked).toMatch(new RegExp(`FAILED  ${world.login}@web1 with the next key of targets`))

    const shown = (await world.sallyport('keys', 'show')).stdout.toString()
    expect(shown).toContain(lineOf(old).split(' ')[1])
    expect(shown).toContain(lineOf(next).split(' ')[1])
    targetTrusts(old, next)
    expect((await world.sallyport('check')).stdout.toString()).not.toContain('FAILED')

    await change('activate', 'targets')
    expect((await session('after')).stdout).toBe('after\n')
    expect(acceptedBy().at(-1)).toBe(next?.keyId)
    targetTrusts(next)
    expect((await session('alone')).stdout).toBe('alone\n')
  })

  test('targets: a revoked key is not used again, although targets still trust it', async () => {
    const stolen = await inState('targets', 'current')
    await change('revoke', stolen?.keyId ?? '', '--why', 'a backup was lost')
    expect(existsSync(join(keysFolder, 'targets.former.pem'))).toBe(false)
    const refused = await session('no')
    expect(refused.code).not.toBe(0)
    const before = acceptedBy().length
    const heir = await inState('targets', 'current')
    appendFileSync(userCa(), `${lineOf(heir)}\n`)
    expect((await session('again')).stdout).toBe('again\n')
    expect(acceptedBy().slice(before)).toEqual(expect.arrayContaining([heir?.keyId]))
    expect(acceptedBy().slice(before)).not.toContain(stolen?.keyId)
    expect(auditOf('authority-key').at(-2)).toMatchObject({
      change: 'revoked',
      keyId: stolen?.keyId,
      why: 'a backup was lost',
    })
  })

  test('the host key: users see the old one until the next one is activated, without a restart', async () => {
    const scan = async (key: ListedKey | undefined) => {
      const knownHosts = join(world.folder, 'known_hosts')
      writeFileSync(
        knownHosts,
        `[127.0.0.1]:${world.sshPort} ${lineOf(key).split(' ').slice(0, 2).join(' ')}\n`,
      )
      const options = isolatedSshOptions(world.sshPort, { knownHosts })
      return (
        await world.runClient('ssh', [...options, '-l', `${world.login}@web1`, '127.0.0.1', 'echo in'], {})
      ).code
    }
    await change('rotate', 'gateway-host')
    const [old, next] = [await inState('gateway-host', 'current'), await inState('gateway-host', 'next')]
    expect([await scan(old), await scan(next)]).toEqual([0, 255])
    await change('activate', 'gateway-host')
    expect([await scan(old), await scan(next)]).toEqual([255, 0])
  })

  test('auditors: recordings and logs of before and after a rotation verify with one list, and with one old key and the list', async () => {
    const pinned = join(world.folder, 'pinned.pem')
    const checkpointKey = await inState('log-checkpoints', 'current')
    writeFileSync(pinned, checkpointKey?.publicKey ?? '')
    await session('one')
    const before = await lastRecording()
    for (const purpose of ['recording-heads', 'log-checkpoints', 'recording-heads'])
      await change('rotate', purpose)
    await session('two')
    const after = await lastRecording()
    await world.killGateway('SIGTERM')
    const list = exported('keys-after.json')
    await expectProven(world.data, '--key', list)
    await expectProven(world.data, '--key', pinned, list)
    const alone = await verify(before, after, '--key', pinned)
    expect(alone.code).toBe(1)
    expect(alone.text).toContain('it is signed with another key than those given')
    // Both keys sign checkpoints for a while: whoever knows the old one alone can still follow the log.
    await expectProven(join(world.data, 'log'), '--key', pinned)
    await world.startGateway()
  })

  test('auditors: what a revoked key signed before is told and proven by the log, what it signed alone is refused', async () => {
    const stolen = await inState('recording-heads', 'current')
    await session('sealed while it was good')
    const good = await lastRecording()
    await world.until(() => readFileSync(good, 'latin1').includes('"of":"session-seal"'))
    const thiefs = join(world.folder, 'thief')
    mkdirSync(thiefs)
    cpSync(join(keysFolder, 'recording-heads.pem'), join(thiefs, 'stolen.pem'))
    await change('revoke', stolen?.keyId ?? '', '--why', 'found on a laptop')
    await session('by the heir')
    const later = await lastRecording()
    await world.killGateway('SIGTERM')
    const list = exported('keys-revoked.json')
    const text = await expectProven(world.data, '--key', list)
    expect(text).toContain('Signed by a key that was revoked later')
    expect(text).toContain('found on a laptop')
    await expectProven(later, '--key', list)
    // Without its proofs, nothing says that it is older than the theft.
    const bare = join(thiefs, 'bare.sallyport')
    const bytes = readFileSync(good)
    writeFileSync(bare, bytes.subarray(0, bytes.indexOf('{"of":"session-open"') - 40))
    const refused = await verify(bare, '--key', list)
    expect([refused.code, refused.text]).toEqual([1, expect.stringContaining('signed by a revoked key')])
    expect(refused.text).toContain('found on a laptop')
    await world.startGateway()
  })

  test('without a running gateway the same commands work, and the next start goes on with the new keys', async () => {
    await world.killGateway('SIGTERM')
    const [made] = await change('rotate', 'recording-heads')
    expect(made).toMatchObject({ change: 'activated', purpose: 'recording-heads' })
    await world.startGateway()
    await session('next')
    const header = readFileSync(await lastRecording(), 'latin1')
    expect(header).toContain(made?.keyId)
    await world.killGateway('SIGTERM')
    await expectProven(world.data, '--key', exported('keys-last.json'))
    await world.startGateway()
  })

  test('every change is in the audit log, with who asked', () => {
    const asked = auditOf('authority-change').filter(line => line['refused'] === undefined)
    expect(asked.every(line => String(line['by']).startsWith('local user'))).toBe(true)
    const changes = auditOf('authority-key').map(line => String(line['change']))
    expect(changes.filter(text => text === 'revoked')).toHaveLength(2)
    expect(new Set(changes)).toEqual(new Set(['announced', 'activated', 'revoked']))
  })

  test('only the keys that are needed are left in the folder', () => {
    const left = readdirSync(keysFolder).filter(name => /\.(next|former)\.pem$/.test(name))
    expect(left).toEqual(['log-checkpoints.former.pem'])
  })
})
