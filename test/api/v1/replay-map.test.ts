import { randomBytes } from 'node:crypto'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GrowingEntries } from '../../../src/api/v1/replay/session-entries.ts'
import { GrowingMap } from '../../../src/api/v1/replay/replay-map.ts'
import { exec, Recordings, shell, shown, typed } from '../../analysis/analyst/recordings.ts'
import { newAuditor } from '../../recorder/encryption/support.ts'
import { newFolder } from '../../recorder/support.ts'

let recordings: Recordings
beforeEach(() => {
  recordings = new Recordings()
})
afterEach(() => recordings.recorder.close())

/** A recording of several chunks, and a file that is to grow as it did. */
async function recorded(flood = 'y\r\n'.repeat(25_000)): Promise<{ bytes: Buffer; growing: string }> {
  const recording = await recordings.open('s1')
  const parts = [
    shell(),
    typed('ls', flood.slice(0, 70_000)),
    exec('uptime', 3),
    typed('id'),
    [shown('more')],
  ]
  for (const part of parts) {
    await recordings.record(recording, part)
    for (let n = 0; n < 2; n++) recording.record(shown(flood))
    await new Promise(resolve => setImmediate(resolve))
  }
  await recording.seal('done')
  return { bytes: readFileSync(recordings.fileOf(recording)), growing: join(newFolder(), 's1.sallyport') }
}

/** Behind the header. */
function headerEnd(bytes: Buffer): number {
  return bytes.indexOf('}\0') + 1
}

test('a map of a recording that grew is what a new one would be, wherever it was looked at', async () => {
  for (const encryptTo of [[], [newAuditor().publicKey]]) {
    await recordings.recorder.close()
    recordings = new Recordings({ encryptTo: () => encryptTo })
    const { bytes, growing } = await recorded()
    const begin = headerEnd(bytes)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length - begin), { maxLength: 6 }), cuts => {
        const ends = [begin, ...cuts.map(cut => begin + cut).toSorted((a, b) => a - b), bytes.length]
        writeFileSync(growing, '')
        let map: GrowingMap | undefined
        for (const [at, end] of ends.entries()) {
          appendFileSync(growing, bytes.subarray(ends[at - 1] ?? 0, end))
          map ??= new GrowingMap(growing)
          expect(map.now()).toEqual(new GrowingMap(growing).now())
        }
        expect(map?.now()?.chunks.length).toBeGreaterThan(5)
      }),
      { numRuns: 30 },
    )
  }
})

test('what was read once is not read again', async () => {
  const { bytes, growing } = await recorded()
  const begin = headerEnd(bytes)
  const half = Math.floor((begin + bytes.length) / 2)
  writeFileSync(growing, bytes.subarray(0, half))
  const map = new GrowingMap(growing)
  const before = map.now()?.chunks.length ?? 0
  expect(before).toBeGreaterThan(1)
  writeFileSync(
    growing,
    Buffer.concat([bytes.subarray(0, begin), Buffer.alloc(100), bytes.subarray(begin + 100)]),
  )
  expect(map.now()?.chunks.length).toBeGreaterThan(before)
  expect(map.now()?.gaps).toEqual([])
})

test('a file that became shorter is another one', async () => {
  const { bytes, growing } = await recorded()
  writeFileSync(growing, bytes)
  const map = new GrowingMap(growing)
  writeFileSync(growing, bytes.subarray(0, bytes.length - 1))
  expect(map.now()).toBeUndefined()
})

const inAnHour = Date.now() + 3_600_000

test('entries of a recording that grew are what those of a new one would be, and early ones are there before', async () => {
  const { bytes, growing } = await recorded(`${randomBytes(1500).toString('hex')}\r\n`.repeat(12))
  const begin = headerEnd(bytes)
  writeFileSync(growing, bytes)
  const whole = new GrowingEntries(growing).now(inAnHour)
  expect(whole?.map(({ text }) => text)).toEqual(expect.arrayContaining(['id', 'uptime']))
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length - begin), { maxLength: 5 }), cuts => {
      const ends = [begin, ...cuts.map(cut => begin + cut).toSorted((a, b) => a - b)]
      writeFileSync(growing, bytes.subarray(0, begin))
      const entries = new GrowingEntries(growing)
      let before = 0
      for (const end of ends) {
        writeFileSync(growing, bytes.subarray(0, end))
        const now = entries.now(0)?.length ?? 0 // no time passes but the recording's
        expect(now).toBeGreaterThanOrEqual(before)
        before = now
      }
      writeFileSync(growing, bytes)
      expect(entries.now(inAnHour)).toEqual(whole)
      writeFileSync(growing, bytes.subarray(0, begin))
      expect(entries.now(inAnHour)).toBeUndefined()
    }),
    { numRuns: 20 },
  )
})
