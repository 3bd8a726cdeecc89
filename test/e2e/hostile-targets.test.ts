/** Targets that were taken over: they get one credential at most, harm nobody else, and what they said before counts. */
import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest'
import {
  encodeAuthSuccess,
  encodeBanner,
  encodeGlobalRequest,
  encodeServiceAccept,
  messageNumber,
} from '../../src/ssh/messages.ts'
import type { Transport } from '../../src/ssh/transport.ts'
import { byte, string } from '../../src/wire.ts'
import { adjust, close, data, eof, exec, open, request, stderr } from '../ssh/channel-messages.ts'
import { HostileClient, HostileTarget, mayGrowBytes, MemoryPeak, newHostKey } from '../support/hostile.ts'
import { testWith } from '../support/openssh.ts'
import { type SshRun, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World
let evil: HostileTarget
let auditedBefore: number

beforeAll(async () => {
  evil = await HostileTarget.start()
  world = await World.start({
    configure: config => {
      config['ssh'].limits = { upstreamTimeout: '2s' }
      const address = `127.0.0.1:${evil.port}`
      for (const name of ['evil', 'swapped'])
        config['targets'].push({
          name,
          protocol: 'ssh',
          address,
          labels: { env: 'test' },
          hostKeys: 'first-use',
        })
    },
  })
})
afterAll(async () => {
  await world?.stop()
  evil?.stop()
})
beforeEach(() => {
  auditedBefore = world.audit().length
})
afterEach(async () => {
  evil.behaviour = {}
  evil.messages.length = 0
  const run = await world.ssh(`${world.login}@web1`, { command: ['echo still here'] })
  expect(run.stdout.toString()).toBe('still here\n')
  await world.until(async () => (await world.sessions()).every(row => row.state === 'ended'))
})

const visit = (target = 'evil'): Promise<SshRun> =>
  world.ssh(`${world.login}@${target}`, { command: ['anything'] })
const audited = (kind: string): number =>
  world
    .audit()
    .slice(auditedBefore)
    .filter(entry => entry['kind'] === kind).length

/** Everything that was opened for a session is closed again. */
async function expectNothingLeft(): Promise<void> {
  await world.until(async () => (await world.sessions()).every(row => row.state === 'ended'))
  expect(audited('session-close')).toBe(audited('session-open'))
  expect(audited('credential-removed')).toBe(audited('credential-minted'))
}

describe('a target gets no credential that', () => {
  test('lets us in unasked', async () => {
    evil.behaviour = { onReady: transport => transport.send(encodeAuthSuccess()) }
    expect((await visit()).code).toBe(255)
    expect(audited('credential-minted')).toBe(0)
    await expectNothingLeft()
  })

  test('says nothing at all, and the client is told in time', async () => {
    evil.behaviour = { onSocket: () => true }
    const run = await visit()
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('did not let us in in time')
    await expectNothingLeft()
  })

  test('stops answering after the key exchange', async () => {
    evil.behaviour = { onMessage: () => true }
    expect((await visit()).stderr).toContain('did not let us in in time')
    expect(audited('credential-minted')).toBe(0)
    await expectNothingLeft()
  })

  test('shows another host key than it did', async () => {
    onExec((channel, transport) => transport.send(close(channel)))
    await visit('swapped')
    const before = evil.hostKey
    evil.hostKey = newHostKey()
    const minted = audited('credential-minted')
    const run = await visit('swapped')
    evil.hostKey = before
    expect(run.code).toBe(255)
    expect(run.stderr.match(/SHA256:\S+/g)?.length).toBeGreaterThanOrEqual(2)
    expect(audited('credential-minted')).toBe(minted)
  })

  test('sends garbage, giant packets and endless lines instead of SSH', async () => {
    for (const bytes of [
      Buffer.alloc(1 << 20, 'x'),
      Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(1 << 20, 0xff)]),
    ]) {
      evil.behaviour = { onSocket: socket => (socket.write(bytes), true) }
      expect((await visit()).code).toBe(255)
    }
    expect(audited('credential-minted')).toBe(0)
    await expectNothingLeft()
  })

  test('is reached when its client has left already', async () => {
    let reached: Socket | undefined
    evil.behaviour = { onSocket: socket => ((reached = socket), false), onMessage: () => true }
    const client = await HostileClient.connect(world)
    client.answer(await world.codeFor(await client.ask(`${world.login}@evil`)))
    await world.until(() => evil.messages.some(message => message[0] === messageNumber.serviceRequest))
    client.socket.destroy()
    await world.until(() => reached?.destroyed === true)
    await expectNothingLeft()
    expect(audited('credential-minted')).toBe(0)
  })
})

describe('a target gets one credential that', () => {
  test('accepts the service twice', async () => {
    evil.behaviour = {
      onMessage: (payload, transport) => {
        if (payload[0] !== messageNumber.serviceRequest) return false
        for (let n = 0; n < 3; n++) transport.send(encodeServiceAccept('ssh-userauth'))
        return true
      },
    }
    expect((await visit()).code).toBe(255)
    await expectNothingLeft()
    expect(audited('credential-minted')).toBeLessThanOrEqual(1)
  })

  test('sends banners without end, and their text reaches nobody', async () => {
    evil.behaviour = {
      onMessage: (payload, transport) => {
        if (payload[0] !== messageNumber.authRequest) return false
        for (let n = 0; n < 5000; n++) transport.send(encodeBanner(`\x1b[2Jpwned ${'x'.repeat(1000)}`))
        return true
      },
    }
    const peak = new MemoryPeak(world)
    const run = await visit()
    expect(run.code).toBe(255)
    expect(run.stderr).not.toContain('pwned')
    expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
    await expectNothingLeft()
  })

  test('hangs up in the middle of the sign-in, with words of its own', async () => {
    evil.behaviour = {
      onMessage: (payload, transport) => {
        if (payload[0] !== messageNumber.authRequest) return false
        transport.disconnect(2, '\x1b]0;pwned\x07 bye')
        return true
      },
    }
    const run = await visit()
    expect(run.code).toBe(255)
    expect(run.stderr).not.toContain('\x1b')
    await expectNothingLeft()
  })
})

/** Does something once the command is asked for. */
function onExec(act: (channel: number, transport: Transport, socket: Socket) => void): void {
  evil.behaviour = {
    onMessage: (payload, transport, socket) => {
      if (payload[0] !== messageNumber.channelRequest || payload.toString('latin1', 9, 13) !== 'exec')
        return false
      const channel = payload.readUInt32BE(1)
      transport.send(Buffer.concat([byte(messageNumber.channelSuccess), payload.subarray(1, 5)]))
      // The gateway's number of its first channel is 0, whoever is asked.
      act(channel, transport, socket)
      return true
    },
  }
}

describe('the session ends when its target', () => {
  const attacks: [string, (channel: number, transport: Transport) => void][] = [
    [
      'sends more than the window',
      (channel, transport) => {
        for (let n = 0; n < 200; n++) transport.send(data(channel, Buffer.alloc(32_000)))
      },
    ],
    [
      'sends larger packets than were agreed',
      (channel, transport) => transport.send(data(channel, Buffer.alloc(34_000))),
    ],
    ['speaks on a channel that is not there', (_, transport) => transport.send(data(77, 'x'))],
    [
      'goes on after the end of file',
      (channel, transport) => [eof(channel), data(channel, 'x')].forEach(message => transport.send(message)),
    ],
    [
      'goes on after the close',
      (channel, transport) =>
        [close(channel), stderr(channel, 'x')].forEach(message => transport.send(message)),
    ],
    ['lets a window grow for ever', (channel, transport) => transport.send(adjust(channel, 0xffff_ffff))],
    [
      'sends a malformed message',
      (_, transport) => transport.send(Buffer.concat([byte(messageNumber.data), string('x')])),
    ],
  ]
  for (const [name, attack] of attacks) {
    test(name, async () => {
      onExec(attack)
      const peak = new MemoryPeak(world)
      expect((await visit()).code).toBe(255)
      expect((await world.lastEnded()).endReason).toContain('protocol error from the target')
      expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
      await expectNothingLeft()
    })
  }
})

test('a target that opens channels is refused each of them, floods included, and the session goes on', async () => {
  onExec((channel, transport) => {
    for (let n = 0; n < 5_000; n++)
      transport.send(open(n, { type: n % 2 === 0 ? 'forwarded-tcpip' : 'auth-agent@openssh.com' }))
    for (let n = 0; n < 5_000; n++) transport.send(encodeGlobalRequest('nonsense', true, Buffer.alloc(100)))
    transport.send(data(channel, 'done'))
    transport.send(request(channel, 'exit-status', false, Buffer.alloc(4)))
    transport.send(close(channel))
  })
  const peak = new MemoryPeak(world)
  const run = await visit()
  expect(run.stdout.toString()).toBe('done')
  expect(run.code).toBe(0)
  const refused = (): number =>
    evil.messages.filter(message => message[0] === messageNumber.openFailure).length
  await world.until(() => refused() === 5_000)
  expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
})

test('of a target that dies in the middle, everything that it said before reaches the client and the recording', async () => {
  const said = randomBytes(1_500_000)
  onExec((channel, transport, socket) => {
    for (let from = 0; from < said.length; from += 30_000)
      transport.send(data(channel, said.subarray(from, from + 30_000)))
    process.nextTick(() => socket.end())
  })
  // OpenSSH's client drops what it has not written yet when a connection ends; this one does not.
  const client = await HostileClient.signedIn(world, `${world.login}@evil`)
  client.send(exec(await client.openChannel(), 'anything'))
  await client.gone()
  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  const heard = client.messages
    .filter(message => message[0] === messageNumber.data)
    .map(message => message.subarray(9))
  expect(sha256(Buffer.concat(heard))).toBe(sha256(said))
  const row = await world.lastEnded()
  expect(sha256(world.streamOf(row, 'output'))).toBe(sha256(said))
  expect(row.endReason).toBe('the target closed the connection')
})

test('a target that does not read holds back its own client, and the gateway stays small', async () => {
  let held: Transport | undefined
  evil.behaviour = {
    onMessage: (payload, transport, socket) => {
      if (payload[0] === messageNumber.data) {
        held = transport
        socket.pause()
        transport.pauseReading()
      }
      return false
    },
  }
  const client = await HostileClient.signedIn(world, `${world.login}@evil`)
  const channel = await client.openChannel()
  client.send(exec(channel, 'anything'))
  const peak = new MemoryPeak(world)
  for (let sent = 0; sent < 1_900_000; sent += 30_000) client.send(data(channel, Buffer.alloc(30_000)))
  await world.until(() => held !== undefined)
  expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
  client.socket.destroy()
  await expectNothingLeft()
})
