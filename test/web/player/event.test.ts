/** What the page decodes is what the recorder wrote: its own reader is the oracle. */
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from '../../../src/recorder/frames.ts'
import { readRecording } from '../../../src/recorder/reader.ts'
import { decodeFrames, type PlayEvent } from '../../../web/app/player/event.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/recordings')

function framesOf(name: string): Buffer[] {
  const frames = new FrameReader(join(fixtures, name))
  const stored: Buffer[] = []
  try {
    for (let frame = frames.next(); frame !== undefined; frame = frames.next())
      stored.push(Buffer.from(frame.stored))
  } finally {
    frames.close()
  }
  return stored
}

/** Events in one form, whoever read them. */
function said(event: PlayEvent) {
  if (event.kind === 'data')
    return [event.atMs, event.stream, event.channel, Buffer.from(event.data).toString('hex')]
  if (event.kind === 'size') return [event.atMs, 'size', event.channel, `${event.columns}x${event.rows}`]
  return [event.atMs, event.type, event.channel, JSON.stringify(event.fields)]
}

function recorded(name: string) {
  const reader = readRecording(join(fixtures, name))
  try {
    return Array.from(reader.events(), ({ us, event }) => {
      if ('data' in event) return [us / 1000, event.type, event.channel, event.data.toString('hex')]
      const { columns, rows, channel } = event.fields
      if (event.type === 'pty' || event.type === 'resize')
        return [us / 1000, 'size', channel, `${String(columns)}x${String(rows)}`]
      return [us / 1000, event.type, channel, JSON.stringify(event.fields)]
    })
  } finally {
    reader.close()
  }
}

test.each(['v1-plain.sallyport', 'v1-rotated.sallyport', 'v1-live.sallyport', 'v1-sql.sallyport'])(
  '%s',
  name => {
    const chunks = decodeFrames(Buffer.concat(framesOf(name)))
    expect(chunks.flatMap(({ events }) => events).map(said)).toEqual(recorded(name))
    expect(chunks.map(({ number }) => number)).toEqual(chunks.map((_, index) => index + 1))
  },
)

test('an encrypted recording is not taken for another', () => {
  expect(() => decodeFrames(Buffer.concat(framesOf('v1-encrypted.sallyport')))).toThrow('encrypted')
})

test('damaged and cut bytes end in a sentence, never in a wrong event without end', () => {
  const chunk = framesOf('v1-plain.sallyport').find(frame => frame[4] === 2) ?? Buffer.alloc(0)
  expect(() => decodeFrames(chunk.subarray(0, -1))).toThrow('cut')
  fc.assert(
    fc.property(fc.nat(chunk.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const damaged = Buffer.from(chunk)
      damaged[at] = (damaged[at] ?? 0) ^ by
      expect(outcome(damaged)).toMatch(/^(?:[01] chunks|Error: (?:A|This) part of the recording is .+\.)$/)
    }),
    { numRuns: 300 },
  )
})

function outcome(bytes: Uint8Array): string {
  try {
    return `${decodeFrames(bytes).length} chunks`
  } catch (thrown) {
    return String(thrown)
  }
}
