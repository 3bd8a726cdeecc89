/** Attacks that other gateways fell for, and that no other file here is about. The numbers are those of our list of threats. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { messageNumber } from '../../src/ssh/messages.ts'
import { byte } from '../../src/wire.ts'
import { exec } from '../ssh/channel-messages.ts'
import { dial, HostileClient, mayGrowBytes, MemoryPeak } from '../support/hostile.ts'
import { startSshd, type Sshd, testWith } from '../support/openssh.ts'
import { type RawConfig, type SshRun, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd', 'sftp', 'scp')
let world: World
let other: Sshd
const at = (target = 'web1'): string => `${world.login}@${target}`

/** Two targets that prove themselves by what was learned, and one where files may be moved and nothing else. */
function configure(config: RawConfig, swapped = false): void {
  const [web1] = config['targets']
  const here = web1.address as string
  const there = `127.0.0.1:${other.port}`
  config['targets'].push(
    { ...web1, name: 'one', address: swapped ? there : here, hostKeys: 'first-use' },
    { ...web1, name: 'two', address: swapped ? here : there, hostKeys: 'first-use' },
    { ...web1, name: 'files', labels: { env: 'files' } },
  )
  const [{ logins }] = config['roles'].admin.allow
  config['roles'].files = {
    members: { groups: ['admins'] },
    allow: [{ targets: { name: 'files' }, logins, channels: ['sftp'] }],
  }
}

beforeAll(async () => {
  other = await startSshd()
  world = await World.start({ configure })
})
afterAll(async () => {
  await world?.stop()
  await other?.stop()
})

test('T13: output without end costs no memory', async () => {
  const say = async (bytes: number): Promise<void> => {
    const run = await world.ssh(at(), { command: [`yes | head -c ${bytes}`], input: '' })
    expect(run.stdout.length).toBe(bytes)
  }
  await say(100_000_000) // what a busy process needs at all
  const peak = new MemoryPeak(world)
  await say(300_000_000)
  // Garbage is collected when there is enough of it; what matters is that it is far from what went through.
  expect(peak.grownBytes).toBeLessThan(2 * mayGrowBytes)
})

test('T16: the first byte of the recording is the first byte on the wire, and the last one the last', async () => {
  const run = await world.ssh(at(), { command: ['printf first; sleep 0.1; printf last'], input: '' })
  expect(run.stdout.toString()).toBe('firstlast')
  expect(world.streamOf(await world.lastEnded(), 'output').toString()).toBe('firstlast')
})

describe('T26: what policy allows there is the same by every way in:', () => {
  const ways: [string, (args: readonly string[], command?: string) => Promise<SshRun>][] = [
    [
      'LOGIN@TARGET',
      (args, command) =>
        world.ssh(at('files'), {
          arguments: args,
          command: command === undefined ? [] : [command],
          input: '',
        }),
    ],
    [
      'ssh -J',
      (args, command) => {
        const last = command === undefined ? [] : [command]
        return world.runClient('ssh', ['-F', jumpConfig(), ...args, `${world.login}@files`, ...last], {
          input: '',
        })
      },
    ],
  ]
  for (const [name, run] of ways) {
    test(name, async () => {
      expect((await run([], 'id')).code).toBe(126)
      expect((await run(['-T'])).code).toBe(126)
      expect((await run(['-tt'])).code).toBe(126)
      expect((await run([], 'scp -t /tmp')).code).toBe(126)
      expect((await run([], 'rsync --server . /tmp')).code).toBe(126)
      expect((await run(['-s'], 'other')).code).toBe(126)
      expect((await run(['-W', '127.0.0.1:1'])).code).toBe(255)
      expect((await run(['-oExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', '-N'])).code).toBe(255)
      const sftp = await run(['-s'], 'sftp')
      expect([sftp.code, sftp.stdout.toString()]).toEqual([0, '']) // let in; its input ended at once
    })
  }

  function jumpConfig(): string {
    const file = join(world.folder, 'jump-config')
    const common = [
      'IdentityAgent none',
      'IdentityFile none',
      'StrictHostKeyChecking no',
      'UserKnownHostsFile /dev/null',
    ]
    const gateway = ['HostName 127.0.0.1', `Port ${world.sshPort}`, 'User somebody']
    writeFileSync(
      file,
      ['Host gateway', ...gateway, 'Host files', 'ProxyJump gateway', 'Host *', ...common].join('\n'),
    )
    return file
  }
})

test('T28: two targets that change places are both refused, each by the key that was learned for it', async () => {
  for (const target of ['one', 'two']) await world.ssh(at(target), { command: ['true'], input: '' })
  const learned = world.audit().filter(entry => entry['kind'] === 'host-key-learned')
  expect(learned.map(entry => entry['target'])).toEqual(['one', 'two'])
  const reloads = (): number => world.audit().filter(entry => entry['kind'] === 'reload').length
  const before = reloads()
  world.writeConfig(config => configure(config, true))
  world.reload()
  await world.until(() => reloads() > before)
  const minted = (): number => world.audit().filter(entry => entry['kind'] === 'credential-minted').length
  const mintedBefore = minted()
  for (const target of ['one', 'two']) {
    const run = await world.ssh(at(target), { command: ['true'], input: '' })
    expect(run.code).toBe(255)
    expect(run.stderr.match(/SHA256:\S+/g)?.length).toBeGreaterThanOrEqual(2)
  }
  expect(minted()).toBe(mintedBefore)
})

test('T29: messages of a key exchange and of sign-in out of their time let nobody in', async () => {
  for (const number of [30, 31, 32, 40, 49, 62, 79, 81, 91, 99, 100, 255]) {
    const client = await HostileClient.connect(world)
    client.send(byte(number), Buffer.alloc(40))
    client.send(byte(messageNumber.channelOpen), Buffer.alloc(40))
    await client.gone()
    expect(client.messages.map(message => message[0])).not.toContain(messageNumber.authSuccess)
  }
})

test('T34: a stranger’s connection costs the gateway less than 15 ms of CPU', async () => {
  const connections = 15
  const some = async (): Promise<void> => {
    for (let n = 0; n < connections; n++)
      (await HostileClient.connect(world, `127.0.1.${n + 1}`)).socket.destroy()
  }
  await some()
  const before = cpuMs()
  await some()
  expect((cpuMs() - before) / connections).toBeLessThan(15)
})

/** proc(5): user and system time of the gateway, in hundredths of a second. */
function cpuMs(): number {
  const fields = readFileSync(`/proc/${world.gatewayPid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

test('T35: a PROXY header is a protocol error and no address', async () => {
  const headers = [
    Buffer.from('PROXY TCP4 203.0.113.77 127.0.0.1 1 22\r\n'),
    Buffer.concat([
      Buffer.from('\r\n\r\n\0\r\nQUIT\n'),
      Buffer.from('2111000ccb00714d7f00000100010016', 'hex'),
    ]),
  ]
  for (const header of headers) {
    const socket = await dial(world.sshPort)
    socket.write(Buffer.concat([header, Buffer.from('SSH-2.0-x\r\n')]))
    socket.resume()
    await new Promise(resolve => socket.once('close', resolve))
  }
  expect(JSON.stringify(world.audit()) + world.log).not.toContain('203.0.113.77')
})

test('T36: whatever people type, an entry is one line, and no byte in it acts on a terminal', async () => {
  const nasty = '\n{"kind":"forged"}\r\n\u001b]0;title\u0007\u0000\u202e\u0085\u2028'
  const socket = await dial(world.sshPort)
  socket.write(`SSH-2.0-${nasty}\r\n`)
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
  for (const user of [nasty, `${nasty}@web1`, `${world.login}@${nasty}`]) {
    const client = await HostileClient.connect(world)
    client.answer(await world.codeFor(await client.ask(user)))
    const isDecided = (): boolean =>
      client.socket.destroyed || client.messages.some(message => message[0] === messageNumber.authSuccess)
    await world.until(isDecided) // one that names no target gets the picker
    client.socket.destroy()
  }
  const client = await HostileClient.signedIn(world, at())
  client.send(exec(await client.openChannel(), `echo '${nasty.replace('\0', '')}'`))
  await client.until(messageNumber.close)
  client.socket.destroy()
  await world.lastEnded()
  const folder = join(world.data, 'audit')
  const audit = readdirSync(folder)
    .filter(name => name.endsWith('.ndjson'))
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('')
  for (const text of [audit, world.log]) {
    expect(text).not.toMatch(/[\0-\x09\x0b-\x1f\x7f]/)
    for (const line of text.split('\n').filter(one => one !== '')) {
      expect(JSON.parse(line)).toBeTypeOf('object')
      expect(line).not.toMatch(/^\{"kind":"forged"/)
    }
  }
  const shown = await world.sallyport('sessions', 'list')
  expect(shown.stdout.toString()).not.toMatch(/[\0-\x08\x0b-\x1f\x7f\u0085\u2028\u202e]/)
})
