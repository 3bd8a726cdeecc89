/** What pages say of a recording is said of the file that is there now. */
import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SessionDetail, SessionSummary } from '../../../src/api/schema.ts'
import { FrameReader } from '../../../src/recorder/frames.ts'
import { purgedView, unlimitedView } from '../world.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeEach(async () => {
  world = await openApiWorld()
})
afterEach(() => world.close())

async function detailOf(session: string = sessions.sql): Promise<SessionDetail> {
  const { status, json } = await world.ask('reviewer', 'GET', `/sessions/${session}`)
  expect(status).toBe(200)
  return json as SessionDetail
}

async function listed(session: string = sessions.sql): Promise<SessionSummary | undefined> {
  const { json } = await world.ask('reviewer', 'GET', '/sessions')
  return (json as { items: SessionSummary[] }).items.find(({ id }) => id === session)
}

async function fileOf(session: string = sessions.sql): Promise<string> {
  const row = await world.store.sessions.get(session)
  return join(world.recordings, row?.recording ?? '')
}

/** What is found, in the list and on the page, of a file that was found to be whole before somebody laid hands on it. */
async function afterwards(change: (file: string) => void): Promise<SessionDetail> {
  await expect.poll(async () => (await detailOf()).integrity).toBe('verified')
  expect((await listed())?.integrity).toBe('verified')
  change(await fileOf())
  expect((await listed())?.integrity).not.toBe('verified')
  await expect.poll(async () => (await listed())?.integrity).toBe('failed')
  await expect.poll(async () => (await detailOf()).integrity).toBe('failed')
  const detail = await detailOf()
  const report = await world.ask('reviewer', 'GET', `/sessions/${sessions.sql}/report`)
  expect(report.text).not.toContain('verified')
  return detail
}

test('a byte that was changed after a check is found', async () => {
  await afterwards(file => {
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(file, bytes)
  })
})

test('so is one in another file that was put in its place, of the same length', async () => {
  await afterwards(file => {
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(`${file}.new`, bytes)
    renameSync(`${file}.new`, file)
  })
})

test('so is an end that was cut, seal and all, at the border of two records', async () => {
  await afterwards(file => truncateSync(file, sealOffset(file)))
})

test('a recording that is gone is not verified, and the page says what is known without it', async () => {
  const detail = await afterwards(file => rmSync(file))
  expect(detail.facts).toContainEqual({ name: 'recording', value: expect.stringContaining('is not there') })
  expect(detail.principal).toBeDefined()
})

test('one that a rule removed is not missing', async () => {
  world.knobs.kept = { ...unlimitedView, isBeingPurged: true }
  rmSync(await fileOf(sessions.ssh))
  expect((await detailOf(sessions.ssh)).integrity).toBe('unverified')
  world.knobs.kept = purgedView
  expect((await detailOf(sessions.ssh)).integrity).toBe('removed')
})

function sealOffset(file: string): number {
  const frames = new FrameReader(file)
  let offset = 0
  for (let frame = frames.next(); frame !== undefined; frame = frames.next())
    if (frame.kind === 'seal') offset = frame.offset
  frames.close()
  return offset
}
