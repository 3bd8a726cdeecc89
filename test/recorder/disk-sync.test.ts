/** When what is recorded moves on, by `recording.sync`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { appendAll } from '../../src/audit/append.ts'
import { DiskSync, maxSyncMs, type SyncMode } from '../../src/recorder/disk-sync.ts'
import { Journal } from '../../src/recorder/journal.ts'
import { type Owner, Turns } from '../../src/recorder/turns.ts'
import { newFolder, output, quiet, turn } from './support.ts'

/** Turns over a disk whose syncs end when the test says so. */
function newBench(mode: SyncMode) {
  const syncs: { fd: number; end: () => void; fail: (error: Error) => void }[] = []
  const failures: unknown[] = []
  const disk: DiskSync = new DiskSync({
    mode,
    onFailure: error => turns.fail(error),
    syncFile: fd =>
      new Promise((resolve, reject) => {
        syncs.push({ fd, end: resolve, fail: reject })
      }),
    syncPath: async () => {},
  })
  const journal = new Journal(newFolder(), {
    append: appendAll,
    disk,
    log: quiet,
    onShortage: () => {},
    segmentBytes: 100_000,
  })
  const turns: Turns = new Turns(journal, disk, error => failures.push(error), quiet)
  onTestFinished(() => disk.close())
  const owner: Owner = { number: 1, session: 'one', path: 'one.sallyport', keep: () => {} }
  let sequence = 0
  const sent: string[] = []
  const say = (text: string): void => {
    const event = output(text)
    if ('data' in event && event.type === 'output') turns.addData(owner, ++sequence, 1, event)
    turns.send(() => sent.push(text))
  }
  return { syncs, failures, turns, say, sent }
}

test('mode statement: nothing moves on before a sync that began after it was recorded has ended', async () => {
  const { syncs, say, sent } = newBench('statement')
  say('a')
  await turn()
  await expect.poll(() => syncs.length).toBe(1)
  say('b')
  await turn()
  expect(sent).toEqual([])
  syncs[0]?.end()
  await expect.poll(() => syncs.length).toBe(2)
  expect(sent).toEqual(['a']) // the sync that has ended began before b was there
  syncs[1]?.end()
  await expect.poll(() => sent).toEqual(['a', 'b'])
})

test('mode statement: all who come while a sync runs share the next one', async () => {
  const { syncs, say, sent } = newBench('statement')
  say('first')
  await expect.poll(() => syncs.length).toBe(1)
  for (let i = 0; i < 50; i++) {
    say(String(i))
    await turn()
  }
  syncs[0]?.end()
  await expect.poll(() => syncs.length).toBe(2)
  syncs[1]?.end()
  await expect.poll(() => sent.length).toBe(51)
  await sleep(150)
  expect(syncs.length).toBe(2)
})

test('mode disk: bytes move on at once and are handed to the disk, and wait while the disk is late', async () => {
  const { syncs, say, sent } = newBench('disk')
  say('a')
  await turn()
  expect(sent).toEqual(['a'])
  await expect.poll(() => syncs.length).toBe(1)
  await sleep(200)
  say('b')
  await turn()
  expect(sent).toEqual(['a'])
  syncs[0]?.end()
  await expect.poll(() => syncs.length).toBe(2)
  syncs[1]?.end()
  await expect.poll(() => sent).toEqual(['a', 'b'])
  say('c')
  await turn()
  expect(sent).toEqual(['a', 'b', 'c'])
})

test('mode os: nothing is handed to the disk', async () => {
  const { syncs, say, sent } = newBench('os')
  say('a')
  await turn()
  await sleep(300)
  expect({ sent, syncs }).toEqual({ sent: ['a'], syncs: [] })
})

for (const mode of ['disk', 'statement'] as const)
  test(`mode ${mode}: a sync that fails ends recording, and is not tried again`, async () => {
    const { syncs, failures, turns, say, sent } = newBench(mode)
    say('a')
    await expect.poll(() => syncs.length).toBe(1)
    const committed = turns.committed().then(
      () => 'kept',
      () => 'lost',
    )
    const before = [...sent]
    syncs[0]?.fail(new Error('EIO'))
    await expect.poll(() => failures.length).toBe(1)
    expect(await committed).toBe('lost')
    say('b')
    await sleep(150)
    expect(sent).toEqual(before)
    expect(syncs.length).toBe(1)
  })

test('a sync that does not end counts as failed', async () => {
  const { syncs, failures, say, sent } = newBench('statement')
  say('a')
  await expect.poll(() => syncs.length).toBe(1)
  await expect.poll(() => failures.length, { timeout: maxSyncMs + 5000 }).toBe(1)
  expect(String(failures[0])).toContain('did not take what was recorded')
  syncs[0]?.end()
  await sleep(20)
  expect(sent).toEqual([])
})
