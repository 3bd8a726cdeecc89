/** What each attack on the gateway's memory may cost: more of those in hostile-clients.test.ts and hostile-targets.test.ts. */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { encodeGlobalRequest, encodeServiceRequest, messageNumber } from '../../src/ssh/messages.ts'
import { byte, string } from '../../src/wire.ts'
import { data, env, exec, open, pty, request, resize, shell } from '../ssh/channel-messages.ts'
import { dial, HostileClient, mayGrowBytes, MemoryPeak } from '../support/hostile.ts'
import { testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World
let peak: MemoryPeak
const at = (): string => `${world.login}@web1`

beforeAll(async () => {
  world = await World.start({
    logLevel: 'info',
    configure: config => {
      config['ssh'].limits = { maxUnauthenticatedPerSource: 50, maxWaitingSignInsPerSource: 50 }
    },
  })
  await expectServed() // what the first session loads is no growth
})
afterAll(() => world?.stop())
afterEach(async () => {
  expect(peak.grownBytes).toBeLessThan(mayGrowBytes)
  await expectServed()
  await world.until(async () => (await world.sessions()).every(row => row.state !== 'open'))
})

async function expectServed(): Promise<void> {
  const run = await world.ssh(at(), { command: ['echo still here'] })
  expect(run.stdout.toString()).toBe('still here\n')
}

/** A client that is signed in, with a channel; the clock of the peak starts then. */
async function withChannel(windowBytes?: number): Promise<{ client: HostileClient; channel: number }> {
  const client = await HostileClient.signedIn(world, at())
  const channel = await client.openChannel(windowBytes)
  peak = new MemoryPeak(world)
  return { client, channel }
}

/** Sends until so many messages went out or the connection is over, as fast as the socket takes them. */
async function flood(
  client: HostileClient,
  count: number,
  message: (n: number) => Uint8Array,
): Promise<void> {
  for (let n = 0; n < count && !client.socket.destroyed; n++) {
    client.send(message(n))
    if (client.socket.writableLength > 1 << 20) await drained(client.socket)
    else if (n % 200 === 0) await new Promise(resolve => setImmediate(resolve))
  }
}

async function drained(socket: Socket): Promise<void> {
  const over = Promise.withResolvers<void>()
  for (const event of ['drain', 'close']) socket.once(event, over.resolve)
  await Promise.race([over.promise, sleep(5000)])
  for (const event of ['drain', 'close']) socket.off(event, over.resolve)
}

test('A2: packets that would inflate to gigabytes are only packets', async () => {
  const client = await HostileClient.connect(world)
  peak = new MemoryPeak(world)
  await flood(client, 400, () => Buffer.alloc(30_000)) // message 0, and no compression was agreed on
  client.socket.destroy()
})

test('A7: a thousand connections that say nothing, or only their name', async () => {
  peak = new MemoryPeak(world)
  const sockets: Socket[] = []
  for (let n = 0; n < 1000; n++) {
    const socket = await dial(world.sshPort, `127.0.1.${n % 250}`)
    socket.resume()
    if (n % 2 === 0) socket.write('SSH-2.0-hostile\r\n')
    sockets.push(socket)
  }
  await sleep(500)
  for (const socket of sockets) socket.destroy()
})

test('A7: tens of thousands of passwords on one connection', async () => {
  const client = await HostileClient.connect(world)
  peak = new MemoryPeak(world)
  client.send(encodeServiceRequest('ssh-userauth'))
  const guess = Buffer.concat([
    byte(messageNumber.authRequest),
    string(at()),
    string('ssh-connection'),
    string('password'),
    byte(0),
    string('x'.repeat(1000)),
  ])
  await flood(client, 30_000, () => guess)
  await client.gone()
})

test('user names without end: each opens a sign-in that the one before gives up', async () => {
  const client = await HostileClient.connect(world)
  peak = new MemoryPeak(world)
  client.send(encodeServiceRequest('ssh-userauth'))
  const ask = (n: number): Buffer =>
    Buffer.concat([
      byte(messageNumber.authRequest),
      string(`${'x'.repeat(30_000)}${n}`),
      string('ssh-connection'),
      string('keyboard-interactive'),
      string(''),
      string(''),
    ])
  await flood(client, 2000, ask)
  client.socket.destroy()
})

test('A6: new keys asked for again and again', async () => {
  const { client } = await withChannel()
  const gone = client.gone()
  for (let n = 1; n < 100 && !client.socket.destroyed; n++) {
    client.protocol.rekey()
    await Promise.race([client.exchanged(n + 1), gone])
  }
  await gone
})

test('A5: twenty clients with open windows that stop reading', async () => {
  const clients: HostileClient[] = []
  for (let n = 0; n < 20; n++) {
    const { client, channel } = await withChannel(0x7fff_ffff)
    clients.push(client)
    client.send(exec(channel, 'sleep 3; cat /dev/zero'))
    client.socket.pause()
  }
  peak = new MemoryPeak(world)
  await sleep(6000)
  for (const client of clients) client.socket.destroy()
})

test('replies that nobody reads', async () => {
  const { client } = await withChannel()
  client.socket.pause()
  client.listening = false
  const ask = encodeGlobalRequest('keepalive@openssh.com', true, Buffer.alloc(0))
  await Promise.race([flood(client, 2_000_000, () => ask), sleep(4000)])
  client.socket.destroy()
})

test('requests that are recorded at length: variables, sizes, unknown ones', async () => {
  const { client, channel } = await withChannel()
  await flood(client, 1000, () => env(channel, 'LANG', 'x'.repeat(30_000)))
  await flood(client, 1000, () => request(channel, 'x'.repeat(1000), false, Buffer.alloc(30_000)))
  await flood(client, 100_000, n => resize(channel, n % 1000, 24))
  client.socket.destroy()
})

test('typing that is never shown, without an end of line', async () => {
  const { client, channel } = await withChannel(0x7fff_ffff)
  client.send(pty(channel))
  client.send(shell(channel))
  await client.until(messageNumber.data)
  client.send(data(channel, 'stty raw -echo; cat >/dev/null\r'))
  await client.until(messageNumber.windowAdjust)
  await sleep(500)
  for (let n = 0; n < 300; n++) {
    client.send(data(channel, Buffer.alloc(5000, 'x')))
    await sleep(2)
  }
  client.socket.destroy()
})

test('terminals as large as they may be, with all of their cells in use', async () => {
  const { client } = await withChannel()
  for (let n = 1; n <= 40; n++) client.send(open(n, { window: 0x7fff_ffff }))
  await sleep(1000)
  for (let channel = 1; channel <= 40; channel++) {
    client.send(pty(channel, { columns: 1000, rows: 1000 }))
    client.send(exec(channel, "yes 'all of the cells of the screen are in use' | head -c 3000000"))
  }
  await sleep(3000)
  client.socket.destroy()
  await world.lastEnded()
  await sleep(3000) // its index is built
})
