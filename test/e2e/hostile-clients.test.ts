/** Clients that do not want in, but to break something: the gateway stays up, stays small, and lets the others in. */
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { encodeServiceRequest, messageNumber } from '../../src/ssh/messages.ts'
import { commandOf } from '../../src/recorder/event.ts'
import { byte, string } from '../../src/wire.ts'
import { adjust, data, exec, open, pty } from '../ssh/channel-messages.ts'
import { keyExchangeInit, plainPacket } from '../ssh/peer.ts'
import { dial, HostileClient, mayGrowBytes, MemoryPeak } from '../support/hostile.ts'
import { testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
const perSource = 8
let world: World
const at = (): string => `${world.login}@web1`

/** A target that is never heard of: whatever is decided about it takes its time. */
const silent = createServer(socket => void socket.on('error', () => {}))
const portOf = (server: Server): number => (server.address() as AddressInfo).port

beforeAll(async () => {
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  world = await World.start({
    configure: config => {
      config['ssh'].limits = {
        firstRequestTimeout: '3s',
        maxUnauthenticatedPerSource: perSource,
        maxUnauthenticatedConnections: 3 * perSource,
        maxWaitingSignInsPerSource: perSource,
        keyExchangeTimeout: '2s',
      }
      config['targets'].push({
        ...config['targets'][0],
        name: 'silent',
        address: `127.0.0.1:${portOf(silent)}`,
      })
      config['targets'].push({ ...config['targets'][0], name: 'narrow', labels: { env: 'narrow' } })
      config['roles'].narrow = {
        members: { groups: ['admins'] },
        allow: [
          { targets: { name: 'narrow' }, logins: config['roles'].admin.allow[0].logins, exec: ['cat'] },
        ],
      }
    },
  })
})
afterAll(async () => {
  await world?.stop()
  silent.close()
})

async function expectServed(): Promise<void> {
  const run = await world.ssh(at(), { command: ['echo still here'] })
  expect(run.stdout.toString()).toBe('still here\n')
}

describe('before sign-in', () => {
  test('messages that only servers send, and those of the connection, end the connection and nothing else', async () => {
    for (const number of [51, 52, 53, 60, 80, 90, 94, 98, 192]) {
      const client = await HostileClient.connect(world)
      client.send(encodeServiceRequest('ssh-userauth'))
      client.send(byte(number), Buffer.alloc(20))
      await client.gone()
      expect(client.messages.map(message => message[0])).not.toContain(messageNumber.authSuccess)
    }
    await expectServed()
  })

  test('the same while it is decided: no session stays open, no lease stays behind', async () => {
    for (const number of [51, 52, 53, 60, 61, 90]) {
      const client = await HostileClient.connect(world)
      const code = await world.codeFor(await client.ask(`${world.login}@silent`))
      client.answer(code)
      client.send(byte(number), Buffer.alloc(20))
      await client.gone()
      expect(client.messages.map(message => message[0])).not.toContain(messageNumber.authSuccess)
    }
    await world.until(async () => (await world.sessions()).every(row => row.state === 'ended'))
    const kinds = world.audit().map(entry => entry['kind'])
    const count = (kind: string): number => kinds.filter(one => one === kind).length
    expect(count('credential-removed')).toBe(count('credential-minted'))
    expect(count('session-close')).toBe(count('session-open'))
    await expectServed()
  })

  test('a client that leaves while it is decided leaves nothing behind', async () => {
    const client = await HostileClient.connect(world)
    client.answer(await world.codeFor(await client.ask(at())))
    client.socket.destroy()
    await world.until(async () => (await world.sessions()).every(row => row.state === 'ended'))
    await expectServed()
  })

  test('compression is not to be had, so there is nothing to inflate', async () => {
    const socket = await dial(world.sshPort)
    socket.write('SSH-2.0-hostile\r\n')
    socket.write(
      plainPacket(keyExchangeInit({ compression: 'zlib,zlib@openssh.com', hostKey: 'ssh-ed25519' })),
    )
    socket.resume()
    await new Promise(resolve => socket.once('close', resolve))
  })

  test('garbage, giant lengths and endless identification lines cost nothing', async () => {
    const peak = new MemoryPeak(world)
    for (const bytes of [
      Buffer.alloc(1 << 20, 'x'),
      Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(1 << 20, 0xff)]),
      Buffer.alloc(1 << 20),
    ]) {
      const socket = await dial(world.sshPort)
      socket.write(bytes)
      socket.resume()
      await new Promise(resolve => socket.once('close', resolve))
    }
    expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
  })

  test('silent connections are limited by source, time out, and keep nobody else out', async () => {
    const silent = await Promise.all(
      Array.from({ length: perSource * 4 }, () => dial(world.sshPort, '127.0.0.2')),
    )
    let closed = 0
    for (const socket of silent) socket.resume().once('close', () => closed++)
    await expectServed()
    await world.until(() => closed === silent.length)
    const client = await HostileClient.connect(world, '127.0.0.2')
    client.socket.destroy()
  })

  test('sign-ins that wait are limited by source, and keep nobody else out', async () => {
    const waiting = await Promise.all(
      Array.from({ length: perSource }, async () => {
        const client = await HostileClient.connect(world, '127.0.0.3')
        await client.ask(at())
        return client
      }),
    )
    const late = await dial(world.sshPort, '127.0.0.3')
    const said = await new Promise(resolve => late.once('data', resolve))
    expect(String(said)).toContain('Too many connections from your address')
    await expectServed()
    for (const client of waiting) client.socket.destroy()
  })

  test('all places taken by a few sources do not keep another one out', async () => {
    const sources = [4, 5, 6, 7].flatMap(last => Array.from({ length: perSource }, () => `127.0.0.${last}`))
    const silent = await Promise.all(sources.map(source => dial(world.sshPort, source)))
    await expectServed()
    for (const socket of silent) socket.destroy()
  })

  test('many tries on one connection are cut off', async () => {
    const client = await HostileClient.connect(world)
    client.send(encodeServiceRequest('ssh-userauth'))
    for (let n = 0; n < 1000; n++)
      client.send(byte(50), string(at()), string('ssh-connection'), string('password'), byte(0), string('x'))
    await client.gone()
    expect(client.messages.filter(message => message[0] === messageNumber.authFailure).length).toBeLessThan(
      10,
    )
  })
})

describe('signed in', () => {
  test('a client with a window of 2 GiB that stops reading holds back its own target, and the gateway stays small', async () => {
    const client = await HostileClient.signedIn(world, at())
    const channel = await client.openChannel(0x7fff_ffff)
    client.send(exec(channel, 'cat /dev/zero'))
    await client.until(messageNumber.data)
    const peak = new MemoryPeak(world)
    client.socket.pause()
    await sleep(4000)
    expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
    client.socket.destroy()
    await expectServed()
  })

  test('a client that begins new keys and never finishes is dropped, and costs little until then', async () => {
    const client = await HostileClient.signedIn(world, at())
    const channel = await client.openChannel(0x7fff_ffff)
    client.send(exec(channel, 'cat /dev/zero'))
    await client.until(messageNumber.data)
    const peak = new MemoryPeak(world)
    client.protocol.rekey()
    client.listening = false
    await client.gone()
    expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
    await expectServed()
  })

  test('a hundred thousand channels are too many: it is refused one by one, and then ended', async () => {
    const client = await HostileClient.signedIn(world, at())
    const peak = new MemoryPeak(world)
    for (let n = 0; n < 100_000 && !client.socket.destroyed; n++) {
      client.send(open(n, { type: 'x'.repeat(64) }))
      if (n % 1000 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await client.gone()
    expect((await world.lastEnded()).endReason).toContain('Too many requests had to be refused')
    expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
    await expectServed()
  })

  test('more data than the window allows ends the session', async () => {
    const client = await HostileClient.signedIn(world, at())
    const channel = await client.openChannel()
    client.send(exec(channel, 'sleep 60'))
    const peak = new MemoryPeak(world)
    for (let n = 0; n < 2000 && !client.socket.destroyed; n++) {
      client.send(data(channel, Buffer.alloc(32_000)))
      await new Promise(resolve => setImmediate(resolve))
    }
    await client.gone()
    expect(client.goodbyes[0]?.text).toContain('window')
    expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
  })

  test('windows that grow for ever end the session', async () => {
    const client = await HostileClient.signedIn(world, at())
    const channel = await client.openChannel()
    client.send(adjust(channel, 0xffff_ffff))
    await client.gone()
    expect((await world.lastEnded()).endReason).toContain('window grew too large')
  })

  test('a terminal that is asked for too late hides nothing of what a command reads', async () => {
    const client = await HostileClient.signedIn(world, at())
    const channel = await client.openChannel()
    client.send(exec(channel, 'bash'))
    await client.until(messageNumber.windowAdjust) // sshd grants nothing before something runs
    client.send(pty(channel))
    client.send(data(channel, 'echo hidden\nexit\n'))
    await client.until(messageNumber.close)
    client.socket.destroy()
    expect(world.streamOf(await world.lastEnded(), 'input').toString()).toBe('echo hidden\nexit\n')
  })

  test('a terminal that the target refuses hides nothing either', async () => {
    const client = await HostileClient.signedIn(world, `${world.login}@narrow`)
    const channel = await client.openChannel()
    client.send(pty(channel)) // our certificate for such a grant permits none
    client.send(exec(channel, 'cat'))
    await client.until(messageNumber.windowAdjust)
    client.send(data(channel, 'not typed\n'))
    expect((await client.until(messageNumber.data)).toString()).toContain('not typed')
    client.socket.destroy()
    expect(world.streamOf(await world.lastEnded(), 'input').toString()).toBe('not typed\n')
  })
})

test('from a number on, chance turns strangers away, until one of those before has gone', async () => {
  const early = await World.start({
    configure: config => {
      config['ssh'].limits = { randomDropFrom: 2, randomDropPercent: 100 }
    },
  })
  try {
    const first = await Promise.all(['127.0.0.8', '127.0.0.9'].map(source => dial(early.sshPort, source)))
    const late = await dial(early.sshPort, '127.0.0.10')
    const said = await new Promise(resolve => late.once('data', resolve))
    expect(String(said)).toContain('The gateway is busy')
    for (const socket of first) socket.destroy()
    const run = await early.ssh(`${early.login}@web1`, { command: ['echo in'] })
    expect(run.stdout.toString()).toBe('in\n')
  } finally {
    await early.stop()
  }
})

test('a command that is not UTF-8 runs byte for byte, and is recorded so', async () => {
  const bytes = Buffer.from([0xff, 0xfe, 0xe9, 0xc3])
  const command = Buffer.concat([Buffer.from("echo '"), bytes, Buffer.from("' | od -An -tx1")])
  // Node passes no such bytes to a program, but ssh takes its command from a file too.
  const config = join(world.folder, 'ssh_config')
  writeFileSync(config, Buffer.concat([Buffer.from('RemoteCommand '), command, Buffer.from('\n')]))
  const run = await world.ssh(at(), { arguments: ['-F', config] })
  expect(run.stdout.toString()).toContain('ff fe e9 c3')
  const recorded = world.eventsOf(await world.lastEnded()).flatMap(({ event }) => commandOf(event) ?? [])
  expect(recorded).toEqual([command])
})

test('stopping tells those who are in, seals their recordings and ends', async () => {
  const client = await HostileClient.signedIn(world, at())
  const channel = await client.openChannel()
  client.send(exec(channel, 'sleep 60'))
  await client.until(messageNumber.channelSuccess)
  await world.killGateway('SIGTERM')
  expect(client.goodbyes[0]?.text).toContain('The gateway is stopping')
  await world.startGateway()
  expect(await world.lastEnded()).toMatchObject({ state: 'ended', endReason: 'the gateway stops' })
})
