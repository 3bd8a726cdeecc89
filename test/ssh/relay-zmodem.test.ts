/** A terminal through which files are not to pass: what each end hears, and that their windows stay true. */
import { expect, test } from 'vitest'
import { cancelSequence, frameType } from '../../src/ssh/zmodem/frames.ts'
import { adjust, close, confirm, data, eof, open, pty, shell, success } from './channel-messages.ts'
import { FakeGround, policyOf, inEachWorld, RelayWorld } from './fakes.ts'
import { hexHeader } from './zmodem/wire.ts'

const [atClient, at, atTarget] = [7, 0, 42]
const window = 100_000

let ground: FakeGround
let world: RelayWorld
inEachWorld(
  next => (world = next),
  () => {
    ground = new FakeGround()
    ground.policy = policyOf({ channels: ['shell'], zmodem: 'deny' })
    return ground
  },
)

/** A shell in a terminal, with a window of that size each way. */
function openTerminal(bytes = window): void {
  world.fromClient(open(atClient, { window: bytes }))
  world.fromTarget(confirm(at, atTarget, { window: bytes }))
  world.fromClient(pty(at), shell(at))
  world.fromTarget(success(at), success(at))
  world.client.take()
  world.target.take()
}

const offer = hexHeader(frameType.receiveInvitation)
const answer = hexHeader(frameType.receiverReady)
const sentence = Buffer.concat([
  cancelSequence,
  Buffer.from('\r\nsallyport: Policy does not allow files to be moved through a terminal here.\r\n'),
])

function refuseOne(): void {
  world.fromTarget(data(at, offer))
  world.client.take()
  world.fromClient(data(at, Buffer.concat([Buffer.from('ls'), answer])))
}

test('the answer does not reach the target; both ends hear a cancel, and the client why', () => {
  openTerminal()
  refuseOne()
  expect(world.target.take()).toMatchObject([
    { type: 'data', recipient: atTarget, data: Buffer.from('ls') },
    { type: 'data', recipient: atTarget, data: cancelSequence },
  ])
  expect(world.client.take()).toMatchObject([
    { type: 'window-adjust', recipient: atClient, bytes: answer.length },
    { type: 'data', recipient: atClient, data: sentence },
  ])
  expect(world.recording.events('request-refused')).toMatchObject([{ channel: at, request: 'zmodem' }])
  expect(world.recording.events('input-count')).toMatchObject([{ bytes: 2 }])
})

test('what the ends grant next pays for our bytes first, so that neither is told of room that is not there', () => {
  openTerminal()
  refuseOne()
  world.client.take()
  world.target.take()
  world.fromClient(adjust(at, 50))
  world.fromTarget(adjust(at, 5))
  expect([...world.client.take(), ...world.target.take()]).toEqual([])
  world.fromClient(adjust(at, sentence.length))
  expect(world.target.take()).toEqual([{ type: 'window-adjust', recipient: atTarget, bytes: 50 }])
  world.fromTarget(adjust(at, 100))
  expect(world.client.take()).toEqual([
    { type: 'window-adjust', recipient: atClient, bytes: 105 - cancelSequence.length },
  ])
})

test('where windows are small nothing of ours is sent, and the answer is dropped all the same', () => {
  openTerminal(1000)
  refuseOne()
  expect(world.target.take()).toMatchObject([{ type: 'data', data: Buffer.from('ls') }])
  expect(world.client.take()).toMatchObject([{ type: 'window-adjust', bytes: answer.length }])
})

test('a client that the target has nothing more to say to hears nothing of ours either', () => {
  openTerminal()
  world.fromTarget(data(at, offer), eof(at))
  world.client.take()
  world.fromClient(data(at, answer))
  expect(world.client.take()).toMatchObject([{ type: 'window-adjust' }])
  expect(world.target.take()).toMatchObject([{ type: 'data', data: cancelSequence }])
  world.fromTarget(close(at))
  world.client.take()
  world.fromClient(data(at, answer))
  expect(world.target.take()).toEqual([])
})

test('whoever tries again and again ends the session, and not the memory or the disk', () => {
  openTerminal(0x7fff_ffff)
  world.fromTarget(data(at, offer))
  for (let n = 0; n < 20_000 && world.endReason === undefined; n++) {
    world.fromClient(data(at, answer))
    world.client.take()
    world.target.take()
  }
  expect(world.endReason).toContain('Too many requests had to be refused')
})

test('policy that changes holds for the next transfer', () => {
  openTerminal()
  ground.policy = policyOf({ channels: ['shell'] })
  world.session.decideAgain()
  refuseOne()
  expect(world.target.take()).toMatchObject([
    { type: 'data', data: Buffer.concat([Buffer.from('ls'), answer]) },
  ])
  expect(world.recording.events('request-refused')).toEqual([])
})
