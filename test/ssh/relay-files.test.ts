/** SFTP and copying commands through the relay: what goes on, what ends, and what the recording hears first. */
import { describe, expect, test } from 'vitest'
import { string } from '../../src/wire.ts'
import { close, confirm, data, eof, exec, open, pty, request, success } from './channel-messages.ts'
import { FakeGround, policyOf, inEachWorld, RelayWorld } from './fakes.ts'
import * as sftp from './sftp/wire.ts'

const [atClient, at, atTarget] = [7, 0, 42]

let ground: FakeGround
let world: RelayWorld
inEachWorld(
  next => (world = next),
  () => {
    ground = new FakeGround()
    ground.policy = policyOf({ channels: ['shell', 'exec', 'sftp'] })
    return ground
  },
)

const subsystem = (name: string): Buffer => request(at, 'subsystem', true, string(name))

function openChannel(window = 100_000): void {
  world.fromClient(open(atClient, { window }))
  world.fromTarget(confirm(at, atTarget))
  world.forgetSent()
}

function openSftp(window?: number): void {
  openChannel(window)
  world.fromClient(subsystem('sftp'))
  world.fromTarget(success(at))
  world.forgetSent()
}

const types = (side: 'client' | 'target'): string[] => world[side].take().map(({ type }) => type)
const problem = data(at, Buffer.from('00000000', 'hex'))

describe('a subsystem', () => {
  test('is refused with a sentence and 126 if policy does not allow sftp', async () => {
    ground.policy = policyOf({ channels: ['shell', 'exec'] })
    const narrow = await RelayWorld.start({}, ground)
    narrow.fromClient(open(atClient))
    narrow.fromTarget(confirm(at, atTarget))
    narrow.client.take()
    narrow.target.take()
    narrow.fromClient(subsystem('sftp'))
    expect(narrow.target.take()).toEqual([{ type: 'close', recipient: atTarget }])
    expect(narrow.client.take()).toContainEqual(
      expect.objectContaining({
        data: Buffer.from('sallyport: Policy does not allow sftp here, only shell, exec.\r\n'),
      }),
    )
    expect(narrow.recording.events('subsystem')).toEqual([{ type: 'subsystem', channel: at, name: 'sftp' }])
  })

  test('other than sftp is refused whatever policy allows', () => {
    openChannel()
    world.fromClient(subsystem('netconf'))
    expect(types('target')).toEqual(['close'])
    expect(world.recording.events('subsystem')).toEqual([{ type: 'subsystem', channel: at, name: 'netconf' }])
    expect(world.recording.events('request-refused').length).toBe(1)
  })

  test('is refused on a channel that runs something', () => {
    openChannel()
    world.fromClient(exec(at, 'true'), subsystem('sftp'), subsystem('netconf'))
    world.fromTarget(success(at))
    expect(world.target.take().length).toBe(1)
    expect(types('client')).toEqual(['channel-success', 'channel-failure', 'channel-failure'])
  })

  test('goes on as it came if policy allows it, and ends with the right to it', () => {
    openSftp()
    expect(world.recording.events('subsystem')).toEqual([{ type: 'subsystem', channel: at, name: 'sftp' }])
    ground.policy = policyOf({ channels: ['shell', 'exec'] })
    world.session.decideAgain()
    expect(world.session.ended).toBe(true)
  })
})

describe('SFTP', () => {
  test('passes on byte for byte and is described, not kept', () => {
    openSftp()
    world.fromClient(data(at, sftp.init()))
    world.fromTarget(data(at, sftp.version()))
    world.fromClient(data(at, sftp.onPath(13, 5, '/f')))
    expect(world.target.take()).toEqual([
      { type: 'data', recipient: atTarget, data: sftp.init() },
      { type: 'data', recipient: atTarget, data: sftp.onPath(13, 5, '/f') },
    ])
    expect(world.client.take()).toEqual([{ type: 'data', recipient: atClient, data: sftp.version() }])
    expect(world.recording.events('file-request')).toEqual([
      expect.objectContaining({ operation: 'remove', path: '/f' }),
    ])
    expect([...world.recording.events('input'), ...world.recording.events('output')]).toEqual([])
  })

  test('is described also where a terminal was asked for first', () => {
    openChannel()
    world.fromClient(pty(at), subsystem('sftp'), data(at, sftp.init()))
    world.fromTarget(success(at))
    expect(world.recording.events('file-protocol').length).toBe(1)
    expect(world.recording.events('input-count')).toEqual([])
  })

  test('that a client breaks ends both ends of the channel, and nothing of the message goes on', () => {
    openSftp()
    world.fromClient(data(at, Buffer.concat([sftp.init(), Buffer.from('00000000', 'hex')])))
    expect(types('target')).toEqual(['close'])
    const [said, closed] = world.client.take()
    expect(said).toMatchObject({ type: 'extended-data', code: 1 })
    expect(JSON.stringify(said?.type === 'extended-data' ? said.data.toString() : '')).toContain(
      'a packet is empty',
    )
    expect(closed).toEqual({ type: 'close', recipient: atClient })
    expect(world.recording.events('file-problem')).toEqual([
      { type: 'file-problem', channel: at, from: 'client', reason: 'a packet is empty' },
    ])
    expect(world.session.ended).toBe(false)
  })

  test('that is broken off hears no more from either side, until both have closed', () => {
    openSftp()
    world.fromClient(problem)
    world.forgetSent()
    world.fromClient(data(at, sftp.init()))
    world.fromTarget(data(at, sftp.version()), eof(at), close(at))
    world.fromClient(close(at))
    expect([...world.client.take(), ...world.target.take()]).toEqual([])
    expect(world.recording.events('channel-close').length).toBe(1)
  })

  test('that is broken after one side has closed gets no second close', () => {
    openSftp()
    world.fromTarget(close(at))
    world.fromClient(problem)
    expect(types('client')).toEqual(['close'])
    expect(types('target')).toEqual(['close'])
    world.fromClient(close(at))
    expect(world.recording.events('channel-close').length).toBe(1)
  })

  test('that is broken by the client after the target’s end of file gets no text after it', () => {
    openSftp()
    world.fromTarget(eof(at))
    world.fromClient(problem)
    expect(types('client')).toEqual(['end-of-file', 'close'])
  })

  test('that is broken says as much as the client’s window has room for', () => {
    openSftp(10)
    world.fromTarget(problem)
    expect(world.client.take()[0]).toMatchObject({ type: 'extended-data', data: Buffer.from('sallyp') })
  })

  test('leaves open files described when the channel or the session ends', () => {
    openSftp()
    world.fromClient(data(at, Buffer.concat([sftp.init(), sftp.open(1, '/f', 2)])))
    world.fromTarget(data(at, Buffer.concat([sftp.version(), sftp.handle(1, 'h')])))
    world.fromClient(data(at, sftp.write(2, 'h', 0, Buffer.from('abc'))))
    world.session.end({ reason: 'over', userText: '' })
    world.recording.commit()
    expect(world.recording.events('file-close')).toEqual([
      expect.objectContaining({ status: 'not closed', written: expect.objectContaining({ bytes: 3 }) }),
    ])
  })
})

test('a command that copies is kept as any command, and told by files besides', () => {
  openChannel()
  world.fromClient(exec(at, 'scp -t /x'))
  world.fromTarget(success(at), data(at, '\0'))
  world.fromClient(data(at, 'C0644 2 a\n'))
  world.fromTarget(data(at, '\0'))
  world.fromClient(data(at, 'hi\0'))
  world.fromTarget(data(at, '\0'), close(at))
  world.fromClient(close(at))
  expect(world.recording.events('input').map(event => event.data.toString())).toEqual(['C0644 2 a\n', 'hi\0'])
  expect(world.recording.events('file-close')).toEqual([expect.objectContaining({ path: 'a', status: 'ok' })])
  expect(world.recording.events('transfer')).toEqual([
    expect.objectContaining({ program: 'scp', outputBytes: 3 }),
  ])
})

test('SFTP without the subsystem is told by files too, and ends nothing where it is none', () => {
  openChannel()
  world.fromClient(exec(at, 'sudo /usr/lib/openssh/sftp-server'))
  world.fromTarget(success(at))
  world.fromClient(
    data(at, Buffer.concat([sftp.init(), sftp.onPath(13, 5, '/f')])),
    problem,
    data(at, 'more'),
  )
  expect(world.recording.events('file-request')).toEqual([expect.objectContaining({ path: '/f' })])
  expect(world.recording.events('file-problem').length).toBe(1)
  expect(world.target.take().filter(({ type }) => type === 'data').length).toBe(3)
  expect(world.recording.events('input').length).toBe(3)
})

test('a rule for certain commands lets no sftp through', async () => {
  ground.policy = policyOf({ channels: ['exec', 'sftp'], exec: ['true'] })
  const narrow = await RelayWorld.start({}, ground)
  narrow.fromClient(open(atClient))
  narrow.fromTarget(confirm(at, atTarget))
  narrow.target.take()
  narrow.fromClient(subsystem('sftp'))
  expect(narrow.target.take()).toEqual([{ type: 'close', recipient: atTarget }])
})
