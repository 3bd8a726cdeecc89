import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GrowingMap } from '../../../src/api/v1/replay/replay-map.ts'
import { type ScreensAt, screensAt } from '../../../src/api/v1/replay/screens-at.ts'
import type { RecordedEvent } from '../../../src/recorder/event.ts'
import type { KeyframeIndex } from '../../../src/recorder/keyframe.ts'
import { indexOf } from '../../../src/recorder/keyframe-builder.ts'
import { newBench, newGrant, output, startRecorder, turn } from '../../recorder/support.ts'

function pty(channel = 0, columns = 40): RecordedEvent {
  return { type: 'pty', channel, term: 'xterm', columns, rows: 6, widthPx: 0, heightPx: 0, modes: '' }
}

/** Records events with the milliseconds that pass before each, and is the file. */
async function recorded(events: readonly (readonly [number, RecordedEvent])[]): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(bench.clock.ms), { session: 's1', protocol: 'ssh' })
  for (const [ms, event] of events) {
    bench.clock.advance(ms)
    recording.record(event)
    await turn()
  }
  await recording.seal('over')
  await recorder.close()
  return join(bench.folder, recording.path)
}

function at(file: string, moments: readonly number[], index?: KeyframeIndex): readonly ScreensAt[] {
  const map = new GrowingMap(file).now()
  if (map === undefined) throw new Error('no map')
  return screensAt(file, { map, index, moments })
}

function texts(found: readonly ScreensAt[]): readonly string[][] {
  return found.map(({ screens }) => screens.map(({ text }) => text))
}

test('passwords and keys that show by their form are not on a screen, also where they go on in the next row', async () => {
  const file = await recorded([
    [0, pty()],
    [0, output(`$ mysql --user=root --host=db.internal --password=correct-horse-battery\r\nplain\r\n`)],
    [0, output('-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3BlbnNzaC1rZXk')],
  ])
  const [[text = ''] = []] = texts(at(file, [0]))
  expect(text).toContain('mysql --user=root')
  expect(text).toContain('plain')
  expect(text).not.toMatch(/correct|horse|battery|b3Bl/)
})

test('each moment has the screen of that moment, and of a session that is over the last one', async () => {
  const file = await recorded([
    [0, pty()],
    [1000, output('one\r\n')],
    [1000, output('two\r\n')],
    [1000, output('\x1b[2J\x1b[Hthree')],
    [1000, { type: 'channel-close', channel: 0 }],
  ])
  const moments = [0, 1500, 2000, 3500, 90_000_000]
  const wanted = [[''], ['one'], ['one\ntwo'], ['three'], ['three']]
  expect(texts(at(file, moments))).toEqual(wanted)
  expect(texts(at(file, moments, indexOf(file)))).toEqual(wanted)
})

test('all terminals that were open then are told, the busiest first, and none that was closed', async () => {
  const file = await recorded([
    [0, pty(0)],
    [0, output('first', 0)],
    [10, pty(1, 120)],
    [10, output('second', 1)],
    [1000, { type: 'channel-close', channel: 1 }],
    [1000, output('!', 0)],
  ])
  const [both, later] = at(file, [20, 1500], indexOf(file))
  expect(both?.screens).toMatchObject([
    { channel: 1, columns: 120, rows: 6, text: 'second' },
    { channel: 0, columns: 40, text: 'first' },
  ])
  expect(later?.screens).toMatchObject([{ channel: 0, text: 'first' }])
})

test('more terminals than a report has room for leave out the quietest, and one that closes makes room', async () => {
  const many = Array.from({ length: 9 }, (_, channel): [number, RecordedEvent][] => [
    [1, pty(channel)],
    [1, output(`terminal ${channel}`, channel)],
    [1, { type: 'channel-close', channel }],
  ]).flat()
  const file = await recorded([...many, [1, pty(20)], [1, output('the last', 20)]])
  expect(texts(at(file, [1000]))).toEqual([['the last']])
})

test('a program without a terminal is shown as the player shows it', async () => {
  const file = await recorded([[5, output('up 3 days\nload 0.1\n', 3)]])
  expect(at(file, [0, 5])).toMatchObject([
    { screens: [] },
    { screens: [{ channel: 3, columns: 80, rows: 24, text: 'up 3 days\nload 0.1' }] },
  ])
})

test('concealed text is said to be, and a screen that is too large is cut', async () => {
  const file = await recorded([
    [0, { ...pty(0, 900), rows: 500 } as RecordedEvent],
    [1, output('\x1b[8mhidden\x1b[0m')],
    [10, output('\x1b[H\x1b[2J' + 'x'.repeat(900 * 100))],
  ])
  const [first, second] = at(file, [1, 20])
  expect(first?.screens).toMatchObject([{ text: 'hidden', hasConcealed: true, isCut: false }])
  expect(second?.screens).toMatchObject([{ hasConcealed: false, isCut: true }])
  expect(second?.screens[0]?.text.length).toBe(32_000)
})

test('a moment has the same screen with and without keyframes', async () => {
  const piece = fc.constantFrom(
    'a',
    'word ',
    '\r\n',
    '\x1b[2J',
    '\x1b[H',
    '\x1b[3;7H',
    '\x1b[?1049h',
    '\x1b[?1049l',
    '漢',
    '\x1b[1',
  )
  const step = fc.tuple(fc.nat(40_000), fc.array(piece, { maxLength: 8 }), fc.nat(1))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async steps => {
      const file = await recorded([
        [0, pty(0)],
        [0, pty(1)],
        ...steps.map(([ms, text, channel]): [number, RecordedEvent] => [
          ms,
          output(text.join('') || '.', channel),
        ]),
      ])
      let sum = 0
      const moments = steps.map(([ms]) => (sum += ms))
      const shown = (found: readonly ScreensAt[]) =>
        found.map(({ screens }) => screens.toSorted((a, b) => a.channel - b.channel))
      expect(shown(at(file, moments, indexOf(file)))).toEqual(shown(at(file, moments)))
    }),
    { numRuns: 40 },
  )
})
