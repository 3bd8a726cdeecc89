import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as fc from 'fast-check'
import { crc32, zstdCompressSync } from 'node:zlib'
import { frameHead, frameHeadBytes, preambleBytes } from '../../src/recorder/format.ts'
import { linkOf } from '../../src/chain.ts'
import { Packer } from '../../src/recorder/pack.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { isSignedBy, signedFrame } from '../../src/recorder/signed.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import {
  type Bench,
  newBench,
  newFolder,
  newGrant,
  newSigner,
  output,
  startRecorder,
  turn,
} from './support.ts'

const packer = new Packer()
afterAll(() => packer.close())

/** A small sealed recording with several chunks and heads between. */
async function sealedRecording(bench: Bench, session = 'one'): Promise<Buffer> {
  const recorder = startRecorder(bench, { packer })
  const recording = recorder.open(newGrant(), { session, protocol: 'ssh' })
  recording.record({ type: 'exec', channel: 0, command: Buffer.from('make') })
  for (let i = 0; i < 5; i++) {
    recording.record(output(Buffer.alloc(30_000, `${session}${i}`)))
    bench.clock.advance(10)
  }
  await turn()
  await recording.seal('over')
  await recorder.close()
  return readFileSync(join(bench.folder, recording.path))
}

let bench: Bench
let whole: Buffer
let scratch: string
beforeAll(async () => {
  bench = newBench()
  whole = await sealedRecording(bench)
  scratch = join(newFolder(), 'x.sallyport')
})

function verified(bytes: Buffer, key: string | undefined = bench.signer.publicKeyPem) {
  writeFileSync(scratch, bytes)
  return verifyRecording(scratch, key)
}

const bits = [1, 8, 128]

/** Where each frame begins, and where the file ends. */
function frameOffsets(bytes: Buffer): number[] {
  const offsets = [preambleBytes]
  for (let at = preambleBytes; at < bytes.length; )
    offsets.push((at += frameHeadBytes + bytes.readUInt32BE(at)))
  return offsets
}

function frame(bytes: Buffer, index: number): Buffer {
  const offsets = frameOffsets(bytes)
  return bytes.subarray(offsets[index], offsets[index + 1])
}

describe('a recording that was changed does not verify', () => {
  test('flipping any bit of any byte is noticed, in the record where it is or the one that names it', () => {
    const offsets = frameOffsets(whole)
    const isNearHead = (at: number) => offsets.some(offset => at >= offset && at < offset + 48)
    const flips = Array.from(whole.keys(), at =>
      isNearHead(at) ? bits.map(bit => ({ at, bit })) : [{ at, bit: 1 << (at % 8) }],
    )
    for (const { at, bit } of flips.flat()) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ bit
      const result = verified(bytes)
      expect(result.ok, `byte ${at}`).toBe(false)
      if (result.ok) continue
      const record = offsets.findLastIndex(offset => offset <= at)
      expect([record - 1, record, record + 1], `byte ${at}: ${result.reason}`).toContain(result.record)
    }
  })

  test('the record and offset that it names are right', () => {
    const offsets = frameOffsets(whole)
    const bytes = Buffer.from(whole)
    const at = (offsets[2] ?? 0) + frameHeadBytes + 45 // inside a chunk's payload
    bytes[at] = (bytes[at] ?? 0) ^ 1
    expect(verified(bytes)).toMatchObject({ ok: false, record: 2, offset: offsets[2] })
  })

  test('records taken out, doubled, exchanged or moved are noticed', () => {
    const count = frameOffsets(whole).length - 1
    const frames = Array.from({ length: count }, (_, i) => frame(whole, i))
    const start = whole.subarray(0, preambleBytes)
    for (let i = 0; i < count - 1; i++) {
      expect(verified(Buffer.concat([start, ...frames.toSpliced(i, 1)])).ok, `without ${i}`).toBe(false)
      expect(
        verified(Buffer.concat([start, ...frames.toSpliced(i, 0, frames[i] as Buffer)])).ok,
        `${i} twice`,
      ).toBe(false)
      const exchanged = frames.with(i, frames[i + 1] as Buffer).with(i + 1, frames[i] as Buffer)
      expect(verified(Buffer.concat([start, ...exchanged])).ok, `${i} and ${i + 1} exchanged`).toBe(false)
    }
  })

  test('records of another recording by the same key are noticed', async () => {
    const other = await sealedRecording(newBenchLike(bench), 'two')
    const start = whole.subarray(0, preambleBytes)
    for (let i = 0; i < frameOffsets(whole).length - 1; i++) {
      const frames = Array.from({ length: frameOffsets(whole).length - 1 }, (_, at) =>
        frame(at === i ? other : whole, at),
      )
      expect(verified(Buffer.concat([start, ...frames])).ok, `record ${i}`).toBe(false)
    }
  })

  test('a file that was cut anywhere is not called sealed', () => {
    const cuts = fc.integer({ min: 0, max: whole.length - 1 })
    fc.assert(
      fc.property(cuts, length => {
        const result = verified(whole.subarray(0, length))
        expect(result.ok && result.sealed).toBe(false)
        if (result.ok) expect(result.notes.join()).toContain('Not sealed')
      }),
    )
  })

  test('bytes after the seal are noticed', () => {
    expect(verified(Buffer.concat([whole, Buffer.from('x')]))).toMatchObject({
      ok: false,
      offset: whole.length,
    })
    expect(verified(Buffer.concat([whole, frame(whole, 1)])).ok).toBe(false)
  })

  test('a seal by another key is refused, and so is the right one when another is trusted', async () => {
    const last = frameOffsets(whole).at(-2) ?? 0
    const link = whole.subarray(last + 8, last + frameHeadBytes)
    const text = JSON.parse(whole.subarray(last + frameHeadBytes, -64).toString())
    const forged = await signedFrame('seal', text, link, newSigner())
    expect(verified(Buffer.concat([whole.subarray(0, last), forged])).ok).toBe(false)
    expect(verified(whole, newSigner().publicKeyPem)).toMatchObject({
      ok: false,
      record: 1,
      reason: expect.stringMatching(
        /^it is signed with another key than those given, SHA256:\S+; with that key all/,
      ),
    })
    expect(verified(whole, 'no key at all').ok).toBe(false)
  })

  test('with another key given, what was changed is what is told', () => {
    const touched = Buffer.from(whole)
    const place = (frameOffsets(whole).at(-2) ?? 0) + frameHeadBytes + 2
    touched.writeUInt8(touched.readUInt8(place) ^ 1, place)
    const { reason } = verified(touched, newSigner().publicKeyPem) as { reason: string }
    expect(reason).not.toContain('another key')
    const cut = verified(Buffer.concat([whole, Buffer.from('x')]), newSigner().publicKeyPem)
    expect(cut).toMatchObject({ ok: false, reason: '1 bytes stand after the seal' })
  })

  test('a seal that counts wrongly is refused although its signature is right', async () => {
    const last = frameOffsets(whole).at(-2) ?? 0
    const link = whole.subarray(last + 8, last + frameHeadBytes)
    const text = JSON.parse(whole.subarray(last + frameHeadBytes, -64).toString())
    for (const wrong of [{ events: text.events + 1 }, { chunks: 0 }, { bytes: 1 }, { durationUs: 0 }]) {
      const forged = await signedFrame('seal', { ...text, ...wrong }, link, bench.signer)
      expect(verified(Buffer.concat([whole.subarray(0, last), forged])).ok, JSON.stringify(wrong)).toBe(false)
    }
  })

  test('a signature of one kind does not stand for the other', async () => {
    const text = { chunks: 0, events: 0, bytes: 0, at: '2026-11-21T14:00:00.000Z' }
    const head = await signedFrame('head', text, Buffer.alloc(32), bench.signer)
    expect(isSignedBy('head', head, bench.signer.publicKeyPem)).toBe(true)
    expect(isSignedBy('seal', head, bench.signer.publicKeyPem)).toBe(false)
  })
})

describe('hostile files', () => {
  test('what is no recording is refused with a sentence', () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('hello'),
      Buffer.alloc(100),
      Buffer.from('{"version": 2}\n'),
    ]) {
      expect(verified(bytes)).toMatchObject({
        ok: false,
        reason: expect.stringContaining('not a Sallyport recording'),
      })
    }
    expect(verifyRecording('/nowhere', undefined)).toMatchObject({ ok: false })
  })

  test('another format version says to use a newer program', () => {
    const bytes = Buffer.from(whole)
    bytes.writeUInt32BE(2, 8)
    expect(verified(bytes)).toMatchObject({ ok: false, reason: expect.stringContaining('use a newer one') })
  })

  test('a length of 4 GiB is refused before anything is allocated', () => {
    const bytes = Buffer.from(whole)
    const offset = frameOffsets(whole)[2] ?? 0
    frameHead('chunk', 0xffff_ffff, linkOf(frame(whole, 1))).copy(bytes, offset)
    expect(verified(bytes)).toMatchObject({
      ok: false,
      record: 2,
      reason: expect.stringContaining('exceeds its limit'),
    })
  })

  test('unknown kinds, flags, codecs and ciphers are refused and say what to do', () => {
    const offset = frameOffsets(whole)[2] ?? 0
    for (const [at, value] of [
      [4, 9],
      [5, 1],
      [frameHeadBytes + 4, 7],
      [frameHeadBytes + 5, 3],
      [frameHeadBytes + 6, 1],
    ] as const) {
      const bytes = Buffer.from(whole)
      bytes[offset + at] = value
      bytes.writeUInt16BE(
        crc32(bytes.subarray(offset + 8, offset + 40), crc32(bytes.subarray(offset, offset + 6))) & 0xffff,
        offset + 6,
      )
      expect(verified(bytes), `field ${at}`).toMatchObject({
        ok: false,
        record: 2,
        reason: expect.stringContaining('newer version'),
      })
    }
  })

  test('a chunk that inflates to more than it says is refused', () => {
    const bomb = zstdCompressSync(Buffer.alloc(200 * 1024 * 1024))
    const original = frame(whole, 2)
    const body = Buffer.concat([original.subarray(frameHeadBytes, frameHeadBytes + 40), bomb])
    const start = whole.subarray(0, frameOffsets(whole)[2])
    const head = frameHead('chunk', body.length, linkOf(frame(whole, 1)))
    const before = process.memoryUsage().rss
    expect(verified(Buffer.concat([start, head, body]))).toMatchObject({ ok: false, record: 2 })
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })

  test('random bytes never do more than not verify', () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(bytes, fc.nat(whole.length), (noise, at) => {
        const changed = Buffer.concat([whole.subarray(0, at), noise, whole.subarray(at + noise.length)])
        const result = verified(changed)
        if (!changed.equals(whole)) expect(result.ok && result.sealed).toBe(false)
      }),
    )
  })
})

describe('a whole recording', () => {
  test('verifies with the key that signed it', () => {
    expect(verified(whole)).toEqual({
      ok: true,
      kind: 'recording',
      session: 'one',
      records: frameOffsets(whole).length - 1,
      sealed: true,
      signedBy: [bench.signer.keyId],
      notes: [],
    })
    expect(verifyRecording(scratch, [newSigner().publicKeyPem, bench.signer.publicKeyPem])).toMatchObject({
      ok: true,
    })
  })

  test('without a key says that it took the word of the recording', () => {
    writeFileSync(scratch, whole)
    const result = verifyRecording(scratch)
    expect(result).toMatchObject({
      ok: true,
      sealed: true,
      notes: [expect.stringContaining('give the public key')],
    })
  })

  test('a proof of nothing after the seal is refused, and does not keep anybody from reading', () => {
    const body = Buffer.from('{}')
    const seal = frame(whole, frameOffsets(whole).length - 2)
    const bytes = Buffer.concat([whole, frameHead('proof', body.length, linkOf(seal)), body])
    expect(verified(bytes)).toMatchObject({ ok: false, reason: 'the proof is not written as it should be' })
    const reader = readRecording(scratch)
    expect([...reader.events()]).toHaveLength(7)
    expect(reader.end?.kind).toBe('sealed')
    reader.close()
  })
})

function newBenchLike(like: Bench): Bench {
  return { ...newBench(), signer: like.signer, clock: like.clock }
}
