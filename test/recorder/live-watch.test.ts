import { expect, test } from 'vitest'
import { LiveWatch, maxWatchers, Watches } from '../../src/recorder/live-watch.ts'
import { newBench, newGrant, output, startRecorder, turn } from './support.ts'

const line = (text: string): string => JSON.stringify({ us: 1, event: { type: 'x', text } })

test('a watcher who is too slow loses the watch at the limit, and the others and the recording go on', async () => {
  const watches = new Watches()
  const slow = watches.begin(0, 1000)
  const quick = watches.begin(0, 1000)
  for (let i = 0; i < 30; i++) {
    watches.push(line('x'.repeat(60)))
    await quick?.take()
  }
  expect(await slow?.take()).toMatchObject({ reason: 'too-slow' })
  expect(quick?.events).toBe(30)
  watches.end({ reason: 'ended', text: 'over' })
  expect(await quick?.take()).toEqual({ reason: 'ended', text: 'over' })
  expect(watches.isEmpty).toBe(true)
})

test('what waits is taken before the end, and after the end nothing comes', async () => {
  const watch = new LiveWatch(() => {})
  watch.push('one')
  watch.end({ reason: 'ended', text: 'over' })
  watch.push('two')
  expect(await watch.take()).toEqual(['one'])
  expect(await watch.take()).toEqual({ reason: 'ended', text: 'over' })
})

test('only so many watch, and who leaves makes room', () => {
  const watches = new Watches()
  const all = Array.from({ length: maxWatchers }, () => watches.begin(0))
  expect(watches.begin(0)).toBeUndefined()
  all[0]?.end({ reason: 'left', text: '' })
  expect(watches.begin(0)).toBeDefined()
})

test('events are shown once they are recorded, from the instant of watching on, with the size of the terminal', async () => {
  const recorder = startRecorder(newBench())
  const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
  const size = { widthPx: 0, heightPx: 0 }
  recording.record({ type: 'pty', channel: 0, term: 'xterm', columns: 80, rows: 24, ...size, modes: '' })
  recording.record({ type: 'resize', channel: 0, columns: 100, rows: 30, ...size })
  recording.record(output('before'))
  await turn()
  const watch = recording.watch()
  recording.record(output('after'))
  await turn()
  await recording.seal('done')
  const lines = await watch?.take()
  const events = (Array.isArray(lines) ? lines : []).map(
    text => (JSON.parse(text as string) as { event: Record<string, unknown> }).event,
  )
  expect(events).toMatchObject([
    { type: 'resize', columns: 100, rows: 30 },
    { type: 'output', base64: Buffer.from('after').toString('base64') },
    { type: 'end', reason: 'done' },
  ])
  expect(await watch?.take()).toMatchObject({ reason: 'ended', text: 'The session has ended: done' })
  expect(recording.watch()).toBeUndefined()
  await recorder.close()
})
