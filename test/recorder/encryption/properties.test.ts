import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { measureSealed, sealedIn, sealedRecord } from '../../../src/recorder/encryption/sealed-events.ts'
import { unlock } from '../../../src/recorder/encryption/auditor-key.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import { Packer } from '../../../src/recorder/pack.ts'
import { verifyRecording } from '../../../src/recorder/verify.ts'
import { newBench, newFolder, newGrant, startRecorder, turn } from '../support.ts'
import { newAuditor, readWith } from './support.ts'

const auditor = newAuditor()
const packer = new Packer()
afterAll(() => packer.close())

/** Around the lengths at which events are copied, referred to, or split. */
const length = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(985, 1000, 1008, 1009, 1024, 1025, 32_767, 32_768, 32_769),
  fc.integer({ min: 0, max: 80_000 }),
)
const event: fc.Arbitrary<RecordedEvent> = fc.oneof(
  length.map(bytes => ({ type: 'output' as const, channel: 0, data: Buffer.alloc(bytes, bytes % 251) })),
  length.map(characters => ({ type: 'typed' as const, channel: 0, text: 'ü'.repeat(characters) })),
  fc.nat().map(bytes => ({ type: 'input-count' as const, channel: 0, bytes })),
)
/** Turns of the event loop, with what is recorded in each. */
const turns = fc.array(fc.array(event, { maxLength: 4 }), { minLength: 1, maxLength: 6 })

/** What was recorded, whatever the pieces: an auditor hears the same of a gateway that was killed after any turn as of one that was not. */
test('whatever is recorded is read back with the key, and what a crash leaves is its beginning', async () => {
  await fc.assert(
    fc.asyncProperty(turns, fc.nat({ max: 6 }), async (said, killedAfter) => {
      const bench = newBench()
      const recorder = startRecorder(bench, { packer, encryptTo: () => [auditor.publicKey] })
      const recording = recorder.open(
        newGrant(),
        { session: 'one', protocol: 'ssh' },
        await recorder.newKey(),
      )
      const copy = newFolder()
      for (const [number, events] of said.entries()) {
        for (const one of events) recording.record(one)
        await turn()
        if (number === killedAfter) cpSync(join(bench.folder, '..'), copy, { recursive: true })
      }
      await recording.seal('over')
      await recorder.close()
      const whole = await readWith(join(bench.folder, recording.path), auditor)
      if (killedAfter < said.length) {
        const killed = { ...bench, folder: join(copy, 'recordings'), journalFolder: join(copy, 'journal') }
        const next = startRecorder(killed, { packer })
        await next.recover()
        await next.close()
        const file = join(killed.folder, recording.path)
        const left = await readWith(file, auditor)
        expect(left).toEqual(whole.slice(0, left.length))
        expect(textOf(left)).toBe(textOf(expectedOf(said.slice(0, killedAfter + 1))))
        const keys = await unlock(file, [auditor.privateKey])
        expect(verifyRecording(file, bench.signer.publicKeyPem, { keys })).toMatchObject({
          ok: true,
          sealed: true,
        })
      }
      expect(textOf(whole)).toBe(textOf([...expectedOf(said), { type: 'end', reason: 'over' }]))
      for (const folder of [copy, join(bench.folder, '..')]) rmSync(folder, { recursive: true, force: true })
    }),
    { numRuns: 25 },
  )
})

function expectedOf(said: readonly (readonly RecordedEvent[])[]): unknown[] {
  return said.flat().map(one => ('data' in one ? one.data.toString() : one))
}

/** Data joined, since it is split by length; nothing is said of data without bytes. */
function textOf(all: readonly unknown[]): string {
  return all.map(one => (typeof one === 'string' ? one : `\n${JSON.stringify(one)}\n`)).join('')
}

test('a payload of sealed events is taken apart as it was put together, and noise is refused as what it is', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 16, maxLength: 200 })), sealed => {
      const records = sealed.map(bytes => sealedRecord(Buffer.from(bytes)))
      const payload = Buffer.concat(records)
      expect([...sealedIn(payload)]).toEqual(sealed.map(bytes => Buffer.from(bytes)))
      expect(measureSealed(payload)).toEqual({
        events: sealed.length,
        bytes: sealed.reduce((sum, bytes) => sum + bytes.length - 16, 0),
      })
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), bytes => {
      try {
        const found = [...sealedIn(Buffer.from(bytes))]
        expect(found.every(({ length }) => length >= 16)).toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ message: 'a sealed event is cut' })
      }
    }),
  )
})
