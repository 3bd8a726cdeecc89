import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEvents, EventProblem, type RecordedEvent } from '../../src/recorder/event.ts'
import {
  FormatProblem,
  chunkHead,
  codec,
  frameHead,
  maxInflatedBytes,
  readChunkHead,
  readFrameHead,
} from '../../src/recorder/format.ts'
import { minPackedBytes, Packer, unpack } from '../../src/recorder/pack.ts'
import { newBench, newFolder, newGrant, output, readBack, startRecorder } from './support.ts'

const specification = readFileSync(new URL('../../recordings/README.md', import.meta.url), 'utf8')

describe('codecs', () => {
  test('noise is refused as an event, never with another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), noise => {
        try {
          for (const { event } of decodeEvents(Buffer.from(noise), 1))
            expect(typeof event.type).toBe('string')
        } catch (error) {
          expect(error).toBeInstanceOf(EventProblem)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('an event whose length leads out of its chunk is refused', () => {
    expect(() => [...decodeEvents(Buffer.from('000000ff0100000000000000000000', 'hex'), 1)]).toThrow(
      'leads out of its chunk',
    )
    expect(() => [...decodeEvents(Buffer.from('0000000610', 'hex'), 1)]).toThrow(EventProblem)
    expect(() => [...decodeEvents(Buffer.from('0000000810000000000000ff', 'hex'), 1)]).toThrow(
      'not valid JSON',
    )
  })

  test('a data event told as text is refused: one meaning, one spelling', () => {
    const json = Buffer.from('{"type":"output","channel":0}')
    const head = Buffer.alloc(11)
    head.writeUInt32BE(7 + json.length)
    head[4] = 16
    expect(() => [...decodeEvents(Buffer.concat([head, json]), 1)]).toThrow(EventProblem)
  })

  test('heads of frames and chunks read back as they were written', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
    const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.integer({ min: 0, max: 4096 }),
        (link, length) => {
          const head = frameHead('head', length, Buffer.from(link))
          expect(readFrameHead(head, 3, 100)).toEqual({
            kind: 'head',
            bodyBytes: length,
            link: Buffer.from(link),
          })
        },
      ),
    )
    fc.assert(
      fc.property(u32, u48, u48, u48, (number, firstSequence, firstUs, lastUs) => {
        const fields = {
          number,
          codec: 1,
          cipher: 0,
          firstSequence,
          events: 7,
          inflatedBytes: maxInflatedBytes,
          firstUs,
          lastUs,
        }
        expect(readChunkHead(chunkHead(fields), 0, 0)).toEqual(fields)
        expect(() =>
          readChunkHead(chunkHead({ ...fields, inflatedBytes: maxInflatedBytes + 1 }), 0, 0),
        ).toThrow(FormatProblem)
      }),
    )
  })

  test('short chunks are stored as they are, long ones compressed, and both read back', async () => {
    const packer = new Packer()
    for (const [bytes, stored] of [
      [minPackedBytes - 1, codec.none],
      [minPackedBytes, codec.zstd],
    ] as const) {
      const buffer = Buffer.allocUnsafeSlow(4096).fill('a')
      const before = Buffer.from(buffer.subarray(0, bytes))
      const packed = await packer.pack(buffer, bytes, false)
      expect(packed.codec).toBe(stored)
      expect(unpack(packed, bytes).equals(before)).toBe(true)
    }
    await packer.close()
  })

  test('whatever is recorded is read back, in order, with its bytes', async () => {
    const packer = new Packer()
    const data = fc.uint8Array({ maxLength: 100_000 }).map(bytes => Buffer.from(bytes))
    const channel = fc.integer({ min: 0, max: 0xffff_ffff })
    const event: fc.Arbitrary<RecordedEvent> = fc.oneof(
      fc.record({
        type: fc.constantFrom('output' as const, 'error-output' as const, 'input' as const),
        channel,
        data,
      }),
      fc.record({
        type: fc.constant('exec' as const),
        channel,
        command: data.map(bytes => bytes.subarray(0, 100)),
      }),
      fc.record({ type: fc.constant('typed' as const), channel, text: fc.string({ unit: 'binary' }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 30 }), async events => {
        const bench = newBench()
        const recorder = startRecorder(bench, { packer })
        const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
        for (const said of events) recording.record(said)
        await recording.seal('over')
        await recorder.close()
        expect(
          joined(
            readBack(join(bench.folder, recording.path))
              .slice(0, -1)
              .map(({ said }) => said),
          ),
        ).toEqual(joined(events.map(asRead)))
      }),
      { numRuns: 25 },
    )
    await packer.close()
  })
})

/** As a reader gives it back. */
function asRead(event: RecordedEvent): unknown {
  if ('data' in event) return { ...event, data: event.data.toString('hex') }
  if (event.type !== 'exec') return JSON.parse(JSON.stringify(event)) as unknown
  const { type, channel, command } = event
  const text = command.toString()
  return Buffer.from(text).equals(command)
    ? { type, channel, command: text }
    : { type, channel, commandBase64: command.toString('base64') }
}

/** With the pieces of long data put together; empty data says nothing. */
function joined(events: readonly unknown[]): unknown[] {
  const all: { type: string; channel: number; data?: string }[] = []
  for (const event of events as { type: string; channel: number; data?: string }[]) {
    const last = all.at(-1)
    const isMore =
      event.data !== undefined &&
      last?.data !== undefined &&
      last.type === event.type &&
      last.channel === event.channel
    if (isMore) last.data = `${last.data}${event.data}`
    else if (event.data !== '') all.push({ ...event })
  }
  return all
}

describe('the specification', () => {
  test('gives the limits that the program has', () => {
    const number = (value: number) => value.toLocaleString('en-US')
    expect(specification).toContain(`at most ${number(maxInflatedBytes)}`)
    expect(specification).toContain(`${number(40 + maxInflatedBytes + 1024)} bytes`)
    expect(specification).toContain(
      `max_output_size=${maxInflatedBytes.toLocaleString('en-US').replaceAll(',', '_')}`,
    )
  })

  // The system's Python has what the system's packages bring, whatever stands before it on the PATH.
  const needed = 'import cryptography\ntry:\n import compression.zstd\nexcept ImportError:\n import zstandard'
  const python = ['python3', '/usr/bin/python3'].find(name => spawnSync(name, ['-c', needed]).status === 0)
  const mustRun = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
  test.skipIf(python === undefined && !mustRun)(
    "its reader reads and proves what we write (needs Python's cryptography and zstandard)",
    async () => {
      const bench = newBench()
      const recorder = startRecorder(bench)
      const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
      for (let i = 0; i < 20; i++) recording.record(output(Buffer.alloc(30_000, i)))
      recording.record(output('the last words'))
      await recording.seal('over')
      await recorder.close()
      const folder = newFolder()
      writeFileSync(join(folder, 'reader.py'), /```python\n([\s\S]*?)```/.exec(specification)?.[1] ?? '')
      writeFileSync(join(folder, 'key.pem'), bench.signer.publicKeyPem)
      const run = (file: string) =>
        execFileSync(python ?? 'python3', [join(folder, 'reader.py'), file, join(folder, 'key.pem')], {
          encoding: 'utf8',
          stdio: 'pipe',
          maxBuffer: 64 * 1024 * 1024,
        })
      const file = join(bench.folder, recording.path)
      expect(run(file)).toContain("b'the last words'")
      const bytes = readFileSync(file)
      bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1
      writeFileSync(file, bytes)
      expect(() => run(file)).toThrow()
    },
  )
})
