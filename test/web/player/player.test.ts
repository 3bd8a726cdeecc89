import { describe, expect, test, vi } from 'vitest'
import type { ReplayKeyframe } from '../../../src/api/schema.ts'
import type { PlayEvent } from '../../../web/app/player/event.ts'
import { Player, type Surface } from '../../../web/app/player/player.ts'
import type { Source } from '../../../web/app/player/source.ts'
import { infoOf, piecesOf } from '../../../web/app/player/tail.ts'

/** Draws into a text: what a terminal would have been sent since it was empty. */
class Paper implements Surface {
  text = ''
  size = ''
  isTerminal = true
  async reset(columns: number, rows: number, isTerminal: boolean): Promise<void> {
    this.text = ''
    this.isTerminal = isTerminal
    await this.resize(columns, rows)
  }
  async resize(columns: number, rows: number): Promise<void> {
    this.size = `${columns}x${rows}`
  }
  write(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes)
  }
  writeText(text: string): void {
    this.text += text
  }
  async flush(): Promise<void> {}
}

const output = (atMs: number, text: string, channel = 0): PlayEvent => ({
  kind: 'data',
  atMs,
  channel,
  stream: 'output',
  data: new TextEncoder().encode(text),
})
const told = (atMs: number, type: string, fields: Record<string, unknown> = {}): PlayEvent => ({
  kind: 'told',
  atMs,
  channel: 0,
  type,
  fields,
})

/** Events in memory; keyframes every so many events, and chunks that can be made to wait or fail. */
class Memory implements Source {
  readonly info
  readonly #pieces
  readonly #events: readonly PlayEvent[]
  loads: string[] = []
  fails = false
  readonly #loaded = new Set<number>()

  constructor(events: readonly PlayEvent[], keyframesAt: readonly number[] = []) {
    const info = infoOf(0, events)
    this.#events = events
    this.#pieces = piecesOf(events)
    const keyframes = keyframesAt.map((atMs, number) => ({
      number,
      channel: 0,
      atMs,
      chunk: this.#placeOf(atMs).chunk + 1,
    }))
    this.info = { ...info, keyframes }
  }
  #placeOf(atMs: number): { chunk: number; event: number } {
    const index = this.#events.findLastIndex(event => event.atMs <= atMs)
    return { chunk: Math.floor(index / 1000), event: (index % 1000) + 1 }
  }
  async load(first: number, last: number): Promise<void> {
    this.loads.push(`${first}-${last}`)
    if (this.fails) throw new Error('The network is gone.')
    for (let place = first; place <= last; place++) this.#loaded.add(place)
  }
  events(place: number): readonly PlayEvent[] | undefined {
    return this.#loaded.has(place) ? this.#pieces[place] : undefined
  }
  async keyframe(place: number): Promise<ReplayKeyframe> {
    const { atMs = 0 } = this.info.keyframes[place] ?? {}
    const { chunk, event } = this.#placeOf(atMs)
    const screen = `[keyframe ${atMs}]`
    return { channel: 0, atMs, columns: 80, rows: 24, screen, chunk: chunk + 1, skipEvents: event }
  }
  close(): void {}
}

async function ticks(player: Player, ms: number, stepMs = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    player.tick(stepMs)
    await new Promise(resolve => setImmediate(resolve))
  }
}

describe('seeking', () => {
  const events = Array.from({ length: 5000 }, (_, index) => output(index * 100, `${index} `))

  test('shows exactly what was sent up to that moment, forth and back', async () => {
    const [paper, source] = [new Paper(), new Memory(events)]
    const player = new Player(source, paper)
    for (const ms of [0, 450_000, 100_050, 100_050, 499_900, 5]) {
      await player.seek(ms)
      const count = Math.floor(ms / 100) + 1
      expect(paper.text).toBe(
        events
          .slice(0, count)
          .map((_, index) => `${index} `)
          .join(''),
      )
      expect(player.snapshot).toMatchObject({ state: 'paused', positionMs: ms })
    }
  })

  test('begins at the last keyframe, and reads nothing before it', async () => {
    const [paper, source] = [new Paper(), new Memory(events, [0, 200_000, 400_000])]
    const player = new Player(source, paper)
    await player.seek(400_250)
    expect(paper.text).toBe('[keyframe 400000]4001 4002 ')
    expect(source.loads.every(one => Number(one.split('-')[0]) >= 3)).toBe(true)
    await player.seek(250_000)
    expect(paper.text.startsWith('[keyframe 200000]2001 ')).toBe(true)
  })

  test('forward from where it is draws only what comes, and no keyframe without need', async () => {
    const [paper, source] = [new Paper(), new Memory(events, [0, 200_000])]
    const player = new Player(source, paper)
    await player.seek(250_000)
    await player.seek(250_200)
    expect(paper.text.match(/keyframe/g)?.length).toBe(1)
    expect(paper.text.endsWith('2500 2501 2502 ')).toBe(true)
  })

  test('the last of many at once is where it ends', async () => {
    const [paper, source] = [new Paper(), new Memory(events)]
    const player = new Player(source, paper)
    await Promise.all([400_000, 300_000, 10_000, 200_000].map(ms => player.seek(ms)))
    expect(player.snapshot).toMatchObject({ state: 'paused', positionMs: 200_000 })
    expect(paper.text.endsWith('1999 2000 ')).toBe(true)
  })

  test('a failure is said, and the next seek tries again', async () => {
    const [paper, source] = [new Paper(), new Memory(events)]
    const player = new Player(source, paper)
    source.fails = true
    await player.seek(300_000)
    expect(player.snapshot).toMatchObject({ state: 'failed', problem: 'The network is gone.' })
    source.fails = false
    await player.seek(300_000)
    expect(player.snapshot).toMatchObject({ state: 'paused', problem: undefined })
    expect(paper.text.endsWith('3000 ')).toBe(true)
  })

  test('several in a row while it plays leave it playing, and a pause in between is a pause', async () => {
    const player = new Player(new Memory(events), new Paper())
    await player.seek(0)
    player.play()
    await Promise.all([player.seek(5000), player.seek(10_000), player.seek(15_000)])
    expect(player.snapshot).toMatchObject({ state: 'playing', positionMs: 15_000 })
    const seeking = player.seek(20_000)
    expect(player.snapshot).toMatchObject({ state: 'seeking', plays: true })
    player.toggle()
    await seeking
    expect(player.snapshot).toMatchObject({ state: 'paused', plays: false })
  })

  test('scrolling back while a seek goes on does not leave it seeking', async () => {
    const [paper, source] = [new Paper(), new Memory(events, [0, 100_000, 200_000, 300_000])]
    const player = new Player(source, paper)
    await Promise.all([player.seek(300_100), player.deepen(2)])
    expect(player.snapshot).toMatchObject({ state: 'paused', positionMs: 300_100 })
    expect(paper.text.startsWith('[keyframe 100000]1001 ')).toBe(true)
  })

  test('after a failure playing tries again, from there on', async () => {
    const [paper, source] = [new Paper(), new Memory(events)]
    const player = new Player(source, paper)
    source.fails = true
    await player.seek(300_000)
    source.fails = false
    player.toggle()
    await vi.waitFor(() => expect(player.snapshot).toMatchObject({ state: 'playing', positionMs: 300_000 }))
  })

  test('what was sent to no terminal is drawn with lines that end with a line feed alone', async () => {
    const paper = new Paper()
    await new Player(new Memory([output(0, 'a\nb')]), paper).seek(0)
    expect(paper.isTerminal).toBe(false)
    const size: PlayEvent = { kind: 'size', atMs: 0, channel: 0, columns: 100, rows: 30 }
    await new Player(new Memory([size, output(0, 'a')]), paper).seek(0)
    expect(paper.isTerminal).toBe(true)
  })

  test('what can be scrolled back to is drawn from further back, until there is no more', async () => {
    const [paper, source] = [new Paper(), new Memory(events, [0, 100_000, 200_000, 300_000])]
    const player = new Player(source, paper)
    await player.seek(300_100)
    expect(await player.deepen(2)).toBe(true)
    expect(paper.text.startsWith('[keyframe 100000]1001 ')).toBe(true)
    expect(paper.text.endsWith('3000 3001 ')).toBe(true)
    expect(await player.deepen(2)).toBe(true)
    expect(paper.text.startsWith('0 1 ')).toBe(true)
    expect(await player.deepen(2)).toBe(false)
    expect(player.snapshot.positionMs).toBe(300_100)
  })
})

describe('playing', () => {
  test('follows time and speed, and ends at the end', async () => {
    const [paper, source] = [new Paper(), new Memory([output(0, 'a'), output(2000, 'b'), output(4000, 'c')])]
    const player = new Player(source, paper)
    await player.seek(0)
    player.play()
    await ticks(player, 1000)
    expect(paper.text).toBe('a')
    player.setSpeed(4)
    await ticks(player, 300)
    expect(paper.text).toBe('ab')
    await ticks(player, 1000)
    expect(paper.text).toBe('abc')
    expect(player.snapshot).toMatchObject({ state: 'ended', positionMs: 4000 })
  })

  test('skips where nothing happens, and says how much', async () => {
    const [paper, source] = [
      new Paper(),
      new Memory([output(0, 'a'), output(600_000, 'b'), output(601_000, 'c')]),
    ]
    const player = new Player(source, paper)
    await player.seek(0)
    player.play()
    await ticks(player, 1500)
    expect(player.snapshot.skipped).toEqual({ fromMs: 1000, toMs: 599_000 })
    expect(player.snapshot.positionMs).toBeGreaterThan(599_000)
    await ticks(player, 2000)
    expect(paper.text).toBe('abc')
  })

  test('does not skip where it is told not to, nor what is shorter than ten seconds', async () => {
    const source = new Memory([output(0, 'a'), output(9000, 'b'), output(60_000, 'c')])
    const player = new Player(source, new Paper())
    await player.seek(0)
    player.play()
    await ticks(player, 5000)
    expect(player.snapshot).toMatchObject({ positionMs: 5000, skipped: undefined })
    player.setSkipsIdle(false)
    await ticks(player, 10_000)
    expect(player.snapshot.positionMs).toBe(15_000)
  })

  test('typing that the screen does not show is no idleness', async () => {
    const typed = told(300_000, 'unechoed-line', { characters: 12 })
    const source = new Memory([output(0, 'a'), typed, output(600_000, 'b')])
    const player = new Player(source, new Paper())
    await player.seek(0)
    player.play()
    await ticks(player, 1500)
    expect(player.snapshot.positionMs).toBeLessThan(300_000)
    await ticks(player, 1000)
    expect(player.snapshot.told).toEqual(typed)
  })

  test('changes of size and other channels are in their places', async () => {
    const size: PlayEvent = { kind: 'size', atMs: 1000, channel: 0, columns: 100, rows: 30 }
    const paper = new Paper()
    const player = new Player(
      new Memory([output(0, 'a'), size, output(1500, 'other', 7), output(2000, 'b')]),
      paper,
    )
    await player.seek(2000)
    expect([paper.text, paper.size]).toEqual(['ab', '100x30'])
    await player.setChannel(7)
    expect(paper.text).toBe('other')
  })

  test('what was watched is known, and what was jumped over was not watched', async () => {
    const events = Array.from({ length: 100 }, (_, index) => output(index * 1000, 'x'))
    const player = new Player(new Memory(events), new Paper())
    await player.seek(0)
    player.play()
    await ticks(player, 2000)
    await player.seek(50_000, true)
    await ticks(player, 1000)
    player.pause()
    expect(player.takeWatched()).toEqual([
      { fromMs: 0, toMs: 2000 },
      { fromMs: 50_000, toMs: 51_000 },
    ])
    expect(player.takeWatched()).toEqual([])
  })
})

describe('a session that goes on', () => {
  test('for whoever wants calm, what came together is one picture', async () => {
    vi.useFakeTimers()
    try {
      const events = [output(0, 'a')]
      const [paper, source] = [new Paper(), new Memory(events)]
      const player = new Player(source, paper)
      await player.follow()
      player.setCalm(400)
      const seen: number[] = []
      player.subscribe(() => seen.push(player.snapshot.positionMs))
      for (const durationMs of [10, 20, 30]) {
        Object.assign(source.info, { durationMs })
        player.grown()
      }
      expect(seen).toEqual([])
      await vi.advanceTimersByTimeAsync(400)
      expect(seen).toEqual([30])
    } finally {
      vi.useRealTimers()
    }
  })
})
