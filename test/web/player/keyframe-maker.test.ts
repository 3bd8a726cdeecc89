/** Keyframes that the page makes of encrypted recordings, against playing from the beginning. */
import { expect, test } from 'vitest'
import type { EventRecord } from '../../../src/recorder/event.ts'
import { Screen, showOn } from '../../../src/recorder/screen.ts'
import { KeyframeMaker } from '../../../web/app/player/keyframe-maker.ts'
import { pieceEvents } from '../../../web/app/player/tail.ts'

/** One a second; of the size of a line to that of a page, some of them cut within a sequence or a character. */
const texts = [
  'plain \x1b[1;31mred\x1b[0m\r\n',
  `${'x'.repeat(700)}\r\n`,
  '\x1b[2J\x1b[H\x1b[3;7r\x1b[?1049hfull screen\x1b[10;10H€ 漢字',
  '\x1b[?1049l\x1b[r',
  '\x1b[4',
  '2m half a sequence\r\n',
]

function told(type: string, fields: object = {}): EventRecord['event'] {
  return { type, fields: { type, channel: 0, ...fields } }
}

function recorded(count: number): readonly EventRecord[] {
  const output = (index: number): EventRecord['event'] => ({
    type: 'output',
    channel: 0,
    data: Buffer.from((texts[index % texts.length] ?? '').repeat(index % 7 === 0 ? 20 : 1)),
  })
  const events = [
    told('shell'),
    told('pty', { columns: 40, rows: 10 }),
    ...Array.from({ length: count }, (_, index) =>
      index % 500 === 499 ? told('resize', { columns: 40 + (index % 3), rows: 12 }) : output(index),
    ),
    told('channel-close'),
    told('pty', { columns: 20, rows: 5 }),
  ]
  return events.map((event, index) => ({ sequence: index + 1, us: index * 1_000_000, event }))
}

const records = recorded(3000)
const maker = new KeyframeMaker()
const keyframes = [records.slice(0, 700), records.slice(700, 2500), records.slice(2500)].flatMap(some =>
  maker.take(some),
)

test('there is one for each half minute, and one after each change of size', () => {
  expect(keyframes.length).toBeGreaterThan(3000 / 40)
  expect(new Set(keyframes.map(({ rows }) => rows))).toEqual(new Set([10, 12, 5]))
})

test('what goes on from a keyframe looks like what was played from the beginning', () => {
  let direct: Screen | undefined
  let at = 0
  for (const { chunk, skipEvents, columns, rows, screen, atMs } of keyframes.slice(0, -1)) {
    const next = (chunk - 1) * pieceEvents + skipEvents
    for (; at < next; at++) direct = showOn(direct, records[at] as EventRecord)
    const from = new Screen({ columns, rows })
    from.write(Buffer.from(screen))
    expect(from.text(), `at ${atMs}`).toBe(direct?.text())
    let further: Screen | undefined = from
    const straight = Screen.restore((direct as Screen).state())
    let onward: Screen | undefined = straight
    for (const record of records.slice(next, next + 25)) {
      further = showOn(further, record)
      onward = showOn(onward, record)
    }
    expect(further?.text(), `after ${atMs}`).toBe(onward?.text())
    from.dispose()
    straight.dispose()
  }
})
