/** Statements of a recording that somebody laid hands on: what can be read of it is shown, and of the rest it is said why not. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EntryView, Page, StatementText } from '../../../src/api/schema.ts'
import { carriesData, type EventRecord, type RecordedEvent } from '../../../src/recorder/event.ts'
import { readRecording } from '../../../src/recorder/reader.ts'
import { newBench, newGrant, startRecorder, turn } from '../../recorder/support.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  const path = await damagedRecording()
  world = await openApiWorld({ recordings: { fetch: async () => ({ path, release: () => {} }) } })
})
afterAll(() => world.close())

/** Three statements, far from their results; the chunk with the result of the second is not as it was written. */
async function damagedRecording(): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(), { session: 's-damaged', protocol: 'postgres' })
  const far: RecordedEvent = { type: 'parameter', name: 'application_name', value: 'x'.repeat(70_000) }
  for (let statement = 1; statement <= 3; statement++) {
    recording.record({ type: 'statement', statement, how: 'simple', text: `select ${statement}` })
    recording.record(far)
    await turn()
    recording.record({ type: 'result', statement, status: 'done', us: 1, tag: 'SELECT 1' })
  }
  await recording.seal('over')
  await recorder.close()
  const path = join(bench.folder, recording.path)
  const reader = readRecording(path)
  const isHit = ({ event }: EventRecord) =>
    !carriesData(event) && event.type === 'result' && event.fields['statement'] === 2
  const hit = [...reader.chunks()].find(({ events }) => events.some(isHit))
  reader.close()
  const bytes = readFileSync(path)
  bytes[(hit?.offset ?? 0) + (hit?.bytes ?? 0) - 1]! ^= 1
  writeFileSync(path, bytes)
  return path
}

const at = (path: string) => world.ask('reviewer', 'GET', `/sessions/${sessions.sql}/statements${path}`)

test('one that is behind the damage is not called missing: the damage is named', async () => {
  const { status, json } = await at('/2')
  expect(status).toBe(409)
  expect(json).toMatchObject({ title: 'Damaged', detail: expect.stringContaining('is damaged (') })
})

test('those before it are shown, the last one with a word of what may be missing', async () => {
  const { items } = (await at('')).json as Page<EntryView>
  expect(items.map(({ number }) => number)).toEqual([0, 1])
  const first = (await at('/0')).json as StatementText
  expect(first.text).toMatch(/^select 1/)
  expect(first.facts.map(({ name }) => name)).not.toContain('recording')
  const last = (await at('/1')).json as StatementText
  expect(last.text).toMatch(/^select 2/)
  expect(last.facts).toContainEqual({
    name: 'recording',
    value: expect.stringContaining('damaged behind this statement'),
  })
})
