import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { SinkPlan } from '../../src/notify/notify-messages.ts'
import { cannotMount, fill, mountSmall } from '../support/disk/mounted.ts'
import { newFolder } from '../recorder/support.ts'
import { Ground, names, patiently } from './ground.ts'

function plan(path: string, more: Partial<Extract<SinkPlan, { kind: 'file' }>> = {}): SinkPlan {
  return {
    kind: 'file',
    name: 'file',
    events: ['session-*'],
    format: 'audit',
    content: false,
    path,
    rotateBytes: 1e9,
    keepFiles: 3,
    ...more,
  }
}

function linesIn(...paths: readonly string[]): Record<string, unknown>[] {
  const texts = paths.filter(path => existsSync(path)).map(path => readFileSync(path, 'utf8'))
  return texts.flatMap(text =>
    text
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Record<string, unknown>),
  )
}

function sessionsIn(...paths: readonly string[]): unknown[] {
  return linesIn(...paths).map(({ session }) => session)
}

test('a folder that is not there is waited for', async () => {
  const ground = new Ground()
  const path = join(ground.folder, 'later', 'events.ndjson')
  const notifier = await ground.notify([plan(path)])
  ground.open(3)
  await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 1, patiently)
  mkdirSync(join(ground.folder, 'later'))
  await vi.waitUntil(() => sessionsIn(path).length >= 3, patiently)
  expect(sessionsIn(path)).toEqual(names(3))
})

test('a line that a crash has torn is taken off, since the next one would continue it', async () => {
  const ground = new Ground()
  const path = join(ground.folder, 'events.ndjson')
  writeFileSync(path, '{"session":"s0"}\n{"session":"to')
  await ground.notify([plan(path)])
  ground.open(2)
  await vi.waitUntil(() => readFileSync(path, 'utf8').includes('s2'), patiently)
  expect(sessionsIn(path)).toEqual(['s0', 's1', 's2'])
})

test('a file that is full becomes FILE.1, older ones move on, and only so many stay', async () => {
  const ground = new Ground()
  const path = join(ground.folder, 'events.ndjson')
  await ground.notify([plan(path, { rotateBytes: 2000, keepFiles: 2 })])
  for (let round = 0; round < 10; round++) {
    ground.open(5, round * 5 + 1)
    await vi.waitUntil(() => sessionsIn(path).includes(`s${round * 5 + 5}`), patiently)
  }
  expect(
    readdirSync(ground.folder)
      .filter(name => name.startsWith('events'))
      .toSorted(),
  ).toEqual(['events.ndjson', 'events.ndjson.1', 'events.ndjson.2'])
  for (const name of [path, `${path}.1`, `${path}.2`]) expect(statSync(name).size).toBeLessThanOrEqual(2000)
  const kept = sessionsIn(`${path}.2`, `${path}.1`, path)
  expect(kept).toEqual(names(50).slice(-kept.length))
})

test('a file that was moved away is begun anew, and nothing is lost or told twice', async () => {
  const ground = new Ground()
  const path = join(ground.folder, 'events.ndjson')
  await ground.notify([plan(path)])
  ground.open(3)
  await vi.waitUntil(() => sessionsIn(path).length >= 3, patiently)
  renameSync(path, `${path}.old`)
  ground.open(3, 4)
  await vi.waitUntil(() => sessionsIn(path).length >= 3, patiently)
  rmSync(path)
  ground.open(1, 7)
  await vi.waitUntil(() => sessionsIn(path).includes('s7'), patiently)
  expect(sessionsIn(`${path}.old`)).toEqual(names(3))
})

test('what somebody else has appended stays', async () => {
  const ground = new Ground()
  const path = join(ground.folder, 'events.ndjson')
  await ground.notify([plan(path)])
  ground.open(1)
  await vi.waitUntil(() => sessionsIn(path).length >= 1, patiently)
  appendFileSync(path, '{"session":"other"}\n')
  ground.open(1, 2)
  await vi.waitUntil(() => sessionsIn(path).includes('s2'), patiently)
  expect(sessionsIn(path)).toEqual(['s1', 'other', 's2'])
})

test('only the owner may read it', async () => {
  const ground = new Ground()
  const path = join(ground.folder, 'events.ndjson')
  await ground.notify([plan(path)])
  ground.open(1)
  await vi.waitUntil(() => existsSync(path), patiently)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test.skipIf(cannotMount() !== undefined)(
  'a full disk leaves no half line, and gets the rest once there is room',
  async () => {
    const ground = new Ground()
    const disk = newFolder()
    const mounted = mountSmall(disk, 1)
    onTestFinished(() => mounted.remove())
    const path = join(disk, 'events.ndjson')
    const notifier = await ground.notify([plan(path)])
    ground.open(5)
    await vi.waitUntil(() => sessionsIn(path).length >= 5, patiently)
    const filler = fill(disk)
    ground.open(200, 6)
    await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 1, patiently)
    await vi.waitFor(() => sessionsIn(path), patiently) // each attempt leaves a half line for an instant
    rmSync(filler)
    await vi.waitUntil(() => sessionsIn(path).includes('s205'), patiently)
    expect(sessionsIn(path)).toEqual(names(205))
  },
)
