import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameReader, frameType, maxSubpacketBytes, type Piece } from '../../../src/ssh/zmodem/frames.ts'
import { binaryHeader, hexHeader, subpacket } from './wire.ts'

const escape = 0x18

/** Outside bytes joined: how the stream was cut decides how many pieces they are. */
function joined(pieces: readonly Piece[]): unknown[] {
  const all: unknown[] = []
  let outside = ''
  const flush = (): void => {
    if (outside !== '') all.push({ outside })
    outside = ''
  }
  for (const piece of pieces) {
    if (piece.is === 'outside') outside += piece.bytes.toString('latin1')
    else {
      flush()
      all.push('bytes' in piece ? { [piece.is]: piece.bytes.toString('hex') } : piece)
    }
  }
  flush()
  return all
}

const read = (bytes: Buffer): unknown[] => joined(new FrameReader().take(bytes))

describe('no frame is', () => {
  test.each([
    ['text with stars', '** B00000000000000'],
    ['a header whose check sum is wrong', '**\x18B01000000000000\r\n'],
    ['capital digits, which no program sends', '**\x18B0100000023BE50\r\n'],
    ['an unknown form', '**\x18Dxyz'],
    ['a binary header cut by its end', '*\x18A\x00'],
  ])('%s', (_, text) => {
    const pieces = new FrameReader().take(Buffer.from(text, 'latin1'))
    expect(pieces.filter(({ is }) => is === 'header' || is === 'data')).toEqual([])
  })

  test('data that goes on for ever: it is given up at its limit, and the memory with it', () => {
    const reader = new FrameReader()
    const endless = Buffer.concat([binaryHeader(frameType.data), Buffer.alloc(20 * maxSubpacketBytes, 'a')])
    const pieces = reader.take(endless)
    expect(pieces.filter(({ is }) => is === 'broken')).toHaveLength(1)
  })
})

test('the first words of real programs are read', () => {
  expect(read(Buffer.from('rz\r**\x18B00000000000000\r\x8a\x11', 'latin1'))).toEqual([
    { outside: 'rz\r' },
    { is: 'header', type: frameType.receiveInvitation, position: 0 },
  ])
  expect(read(Buffer.from('rz waiting to receive.**\x18B0100000023be50\r\x8a\x11$ ', 'latin1'))).toEqual([
    { outside: 'rz waiting to receive.' },
    { is: 'header', type: frameType.receiverReady, position: 0x23000000 },
    { outside: '$ ' },
  ])
})

test('five escapes in a row cancel, wherever they stand, and cut through a frame', () => {
  const cancel = Buffer.alloc(5, escape)
  expect(read(Buffer.concat([Buffer.from('x'), cancel, Buffer.from('y')]))).toContainEqual({ is: 'cancel' })
  const within = Buffer.concat([binaryHeader(frameType.data, 7), Buffer.from('abc'), cancel])
  expect(read(within).at(-1)).toEqual({ is: 'cancel' })
  expect(
    read(Buffer.alloc(4, escape)).filter(piece => typeof piece === 'object' && 'is' in (piece as object)),
  ).toEqual([])
})

const streams = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('text' as const), bytes: fc.uint8Array({ maxLength: 30 }) }),
    fc.record({ kind: fc.constant('hex' as const), type: fc.nat(19), position: fc.nat() }),
    fc.record({
      kind: fc.constant('data' as const),
      bytes: fc.uint8Array({ maxLength: 300 }),
      position: fc.nat(),
    }),
  ),
  { maxLength: 6 },
)

function bytesOf(
  stream: readonly { kind: string; bytes?: Uint8Array; type?: number; position?: number }[],
): Buffer {
  return Buffer.concat(
    stream.map(({ kind, bytes, type = 0, position = 0 }) => {
      if (kind === 'text') return Buffer.from(bytes ?? [])
      if (kind === 'hex') return hexHeader(type, position)
      return Buffer.concat([binaryHeader(frameType.data, position), subpacket(Buffer.from(bytes ?? []))])
    }),
  )
}

test('how the stream was cut never shows', () => {
  fc.assert(
    fc.property(streams, fc.array(fc.nat(2000), { maxLength: 20 }), (stream, cuts) => {
      const bytes = bytesOf(stream)
      const at = [0, ...cuts.filter(cut => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]
      const reader = new FrameReader()
      const pieces = at
        .slice(1)
        .flatMap((end, i) => [...reader.take(Buffer.from(bytes.subarray(at[i], end)))])
      const strip = (all: unknown[]): unknown[] => all.filter(piece => !('outside' in (piece as object)))
      expect(strip(joined(pieces))).toEqual(strip(read(bytes)))
    }),
  )
})

test('content comes out as it went in, whatever its bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(0xffffffff), (content, position) => {
      const bytes = Buffer.from(content)
      const frame = Buffer.concat([
        binaryHeader(frameType.data, position),
        subpacket(bytes, 'i'),
        subpacket(bytes, 'h'),
      ])
      expect(read(frame)).toEqual([
        { is: 'header', type: frameType.data, position },
        { data: bytes.toString('hex') },
        { data: bytes.toString('hex') },
      ])
    }),
  )
})

test('a subpacket with a single bit changed is none', () => {
  const frame = Buffer.concat([
    binaryHeader(frameType.data),
    subpacket(Buffer.from('a secret of some length')),
  ])
  const begins = binaryHeader(frameType.data).length
  for (let at = begins; at < frame.length; at++) {
    const changed = Buffer.from(frame)
    changed[at] = (changed[at] ?? 0) ^ 0x04
    expect(new FrameReader().take(changed).filter(({ is }) => is === 'data')).toEqual([])
  }
})

test('no bytes make it throw, or keep more than a frame', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), chunks => {
      const reader = new FrameReader()
      for (const chunk of chunks) reader.take(Buffer.from(chunk))
      reader.end()
    }),
  )
})
