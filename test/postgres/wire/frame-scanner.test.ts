/** The frame scanner: what it refuses, that cuts never show, and that memory follows what came and not what was declared. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FrameScanner, type FrameSink, type Want } from '../../../src/postgres/wire/frame-scanner.ts'
import { frame } from '../../../src/postgres/wire/frame-writer.ts'
import { backend, type Direction, frontend } from '../../../src/postgres/wire/message-types.ts'

const limits = { maxMessageBytes: 100_000 }

type Seen = { type: number; body: string }

/** Keeps what it was told; parts are put together, so that both ways can be compared. */
class Collector implements FrameSink {
  readonly seen: Seen[] = []
  readonly begun: [number, number][] = []
  readonly #want: (type: number) => Want
  #parts: Buffer[] = []
  constructor(want: (type: number) => Want = () => 'body') {
    this.#want = want
  }
  begin(type: number, bodyBytes: number): Want {
    this.begun.push([type, bodyBytes])
    return this.#want(type)
  }
  body(type: number, body: Buffer): void {
    this.seen.push({ type, body: body.toString('hex') })
  }
  part(type: number, bytes: Buffer, last: boolean): void {
    this.#parts.push(Buffer.from(bytes))
    if (!last) return
    this.seen.push({ type, body: Buffer.concat(this.#parts).toString('hex') })
    this.#parts = []
  }
}

function scanAll(direction: Direction, chunks: readonly Buffer[], sink: FrameSink) {
  const scanner = new FrameScanner(direction, limits)
  let violation
  for (const chunk of chunks) violation = scanner.scan(chunk, sink)
  return { scanner, violation }
}

function header(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes[0] = type
  bytes.writeUInt32BE(length, 1)
  return bytes
}

/** The same bytes in other chunks. */
function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map(place => place % (bytes.length + 1)))].toSorted((a, b) => a - b)
  const edges = [0, ...places, bytes.length]
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
}

describe('refused', () => {
  test.each([
    [
      'a length that cannot hold itself',
      header(frontend.query, 3),
      'invalid length 3 of a message of type "Q"',
    ],
    ['a length of zero', header(frontend.query, 0), 'invalid length 0 of a message of type "Q"'],
    ['a negative length', header(frontend.query, 0xffff_fffe), 'invalid length -2 of a message of type "Q"'],
    ['2^31', header(frontend.query, 0x8000_0000), 'invalid length -2147483648 of a message of type "Q"'],
    ['the largest int32', header(frontend.query, 0x7fff_ffff), 'is too long'],
    [
      'a Query over our limit',
      header(frontend.query, limits.maxMessageBytes + 5),
      'is too long (at most 100004)',
    ],
    ['a Sync that is over 10000', header(frontend.sync, 10_001), 'is too long (at most 10000)'],
    ['a CopyData of 1 GiB', header(frontend.copyData, 0x4000_0000), 'is too long'],
    ['a password after sign-in', header(frontend.password, 9), 'invalid message type "p"'],
    ['an unknown letter', header(0x7a, 4), 'invalid message type "z"'],
    ['an unknown byte', header(0x16, 4), 'invalid message type 0x16'],
  ])('%s', (_, bytes, message) => {
    for (const chunks of [[bytes], cut(bytes, [1, 2, 3, 4])]) {
      const { violation } = scanAll('frontend', chunks, new Collector())
      expect(violation?.sqlstate).toBe('08P01')
      expect(violation?.message).toContain(message)
    }
  })

  test.each([
    ['ReadyForQuery', backend.readyForQuery],
    ['ParameterStatus', backend.parameterStatus],
    ['CommandComplete', backend.commandComplete],
    ['Authentication', backend.authentication],
  ])('a %s of a target that libpq would call out of sync', (_, type) => {
    const { violation } = scanAll('backend', [header(type, 30_001)], new Collector())
    expect(violation?.message).toContain('is too long (at most 30000)')
  })

  test('what a client says is nothing that a server says', () => {
    const { violation } = scanAll('backend', [header(frontend.query, 4)], new Collector())
    expect(violation?.message).toBe('invalid message type "Q"')
  })

  test('anything but a password while signing in, and a password over 65535 bytes', () => {
    expect(scanAll('frontend-sign-in', [header(frontend.query, 5)], new Collector()).violation).toBeDefined()
    expect(
      scanAll('frontend-sign-in', [header(frontend.password, 65_540)], new Collector()).violation,
    ).toBeDefined()
    expect(
      scanAll('frontend-sign-in', [header(frontend.password, 65_539)], new Collector()).violation,
    ).toBeUndefined()
  })

  test('a body that a sink wants whole and that is over the limit, while as parts it passes', () => {
    const bytes = header(backend.dataRow, limits.maxMessageBytes + 5)
    expect(scanAll('backend', [bytes], new Collector(() => 'body')).violation).toBeDefined()
    expect(scanAll('backend', [bytes], new Collector(() => 'parts')).violation).toBeUndefined()
    expect(scanAll('backend', [bytes], new Collector(() => 'skip')).violation).toBeUndefined()
  })

  test('everything after a violation, while what came before it counts', () => {
    const good = frame(frontend.query, Buffer.from('select 1\0'))
    const sink = new Collector()
    const { scanner, violation } = scanAll(
      'frontend',
      [Buffer.concat([good, header(0, 4), good]), good],
      sink,
    )
    expect(sink.seen).toHaveLength(1)
    expect(violation?.offset).toBe(good.length)
    expect(scanner.start).toBe(good.length)
  })
})

const anyFrame = fc
  .record({
    type: fc.constantFrom(frontend.query, frontend.parse, frontend.copyData, frontend.bind, frontend.sync),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.uint8Array({ minLength: 9000, maxLength: 9500, size: 'max' }),
    ),
  })
  .map(({ type, body }) => ({ type, body: Buffer.from(body) }))
const wants = fc.func(fc.constantFrom<Want>('body', 'parts', 'skip'))

describe('promised', () => {
  test('how the bytes were cut never shows', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.nat()), wants, (frames, cuts, want) => {
        const bytes = Buffer.concat(frames.map(({ type, body }) => frame(type, body)))
        const [whole, pieces] = [new Collector(want), new Collector(want)]
        scanAll('frontend', [bytes], whole)
        const { scanner } = scanAll('frontend', cut(bytes, cuts), pieces)
        expect(pieces.begun).toEqual(frames.map(({ type, body }) => [type, body.length]))
        expect(pieces).toEqual(whole)
        expect(pieces.seen).toEqual(
          frames
            .filter(({ type }) => want(type) !== 'skip')
            .map(({ type, body }) => ({ type, body: body.toString('hex') })),
        )
        expect(scanner.atBoundary).toBe(true)
      }),
    )
  })

  test('one byte at a time gives the same frames', () => {
    const bytes = Buffer.concat([
      frame(frontend.parse, Buffer.from('s\0select $1\0\0\0')),
      frame(frontend.sync),
      frame(frontend.query, Buffer.from('\0')),
    ])
    const [whole, single] = [new Collector(), new Collector()]
    scanAll('frontend', [bytes], whole)
    scanAll('frontend', cut(bytes, Array.from(bytes.keys())), single)
    expect(single.seen).toEqual(whole.seen)
  })

  test('start, end and frame tell where each frame lies', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 8 }), fc.array(fc.nat()), (frames, cuts) => {
        const made = frames.map(({ type, body }) => frame(type, body))
        const bytes = Buffer.concat(made)
        const found: Buffer[] = []
        let before = 0
        const places: [number, number][] = []
        const scanner = new FrameScanner('frontend', limits)
        const sink: FrameSink = {
          begin: () => 'body',
          part: () => {},
          body: () => {
            found.push(Buffer.from(scanner.frame))
            places.push([before + scanner.start, before + scanner.end])
          },
        }
        for (const chunk of cut(bytes, cuts)) {
          scanner.scan(chunk, sink)
          const complete = before + scanner.start
          expect(complete).toBe(places.at(-1)?.[1] ?? 0)
          before += chunk.length
        }
        expect(Buffer.concat(found).equals(bytes)).toBe(true)
        expect(places.map(([start, end]) => bytes.subarray(start, end).toString('hex'))).toEqual(
          made.map(part => part.toString('hex')),
        )
      }),
    )
  })

  test('a sink that stops gets the rest when it asks', () => {
    const one = frame(frontend.query, Buffer.from('a\0'))
    const bytes = Buffer.concat([one, one, one])
    const scanner = new FrameScanner('frontend', limits)
    let count = 0
    const sink: FrameSink = {
      begin: () => 'body',
      part: () => {},
      body: () => {
        count++
        scanner.stop()
      },
    }
    let rest = bytes
    const left: number[] = []
    while (rest.length > 0) {
      scanner.scan(rest, sink)
      rest = rest.subarray(scanner.offset)
      left.push(rest.length)
    }
    expect({ count, left }).toEqual({ count: 3, left: [2 * one.length, one.length, 0] })
  })

  test('a declared length takes no memory until the bytes come', () => {
    const scanner = new FrameScanner('frontend', { maxMessageBytes: 1 << 29 })
    const before = process.memoryUsage().arrayBuffers
    scanner.scan(Buffer.concat([header(frontend.query, 1 << 29), Buffer.alloc(10)]), new Collector())
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
  })

  test('what is only forwarded is neither kept nor shown', () => {
    const sink = new Collector(() => 'skip')
    const scanner = new FrameScanner('frontend', limits)
    scanner.scan(header(frontend.copyData, 0x3000_0004), sink)
    const chunk = Buffer.alloc(1 << 16)
    for (let i = 0; i < 0x3000_0000 / chunk.length; i++) scanner.scan(chunk, sink)
    expect(scanner.atBoundary).toBe(true)
    expect(sink.seen).toEqual([])
  })

  test('bodies of the largest CopyData in parts add up', () => {
    let sum = 0
    let last = 0
    const scanner = new FrameScanner('frontend', limits)
    const sink: FrameSink = {
      begin: () => 'parts',
      body: () => {},
      part: (_, bytes, isLast) => {
        sum += bytes.length
        if (isLast) last++
      },
    }
    scanner.scan(header(frontend.copyData, 200_004), sink)
    for (let i = 0; i < 20; i++) scanner.scan(Buffer.alloc(10_000), sink)
    expect({ sum, last }).toEqual({ sum: 200_000, last: 1 })
  })
})
