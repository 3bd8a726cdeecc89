import { afterEach, expect, test } from 'vitest'
import type { FindingRow } from '../../src/model.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { dataFolder } from './rows.ts'

const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

async function storeIn(folder = dataFolder()): Promise<Store> {
  const store = await openStore(folder)
  opened.push(store)
  return store
}

function findingOf(row: Partial<FindingRow> = {}): FindingRow {
  return {
    id: 'f1',
    session: 's1',
    group: 'SSH-10',
    kind: 'rule',
    state: 'new',
    severity: 'high',
    unusualness: undefined,
    place: 'queue',
    placeReason: undefined,
    protocol: 'ssh',
    issuer: 'https://login.example.com',
    subject: 'bob-2',
    principalName: 'bob@example.com',
    alias: undefined,
    target: 'web1',
    login: 'root',
    role: 'ops',
    rules: ['SSH-10'],
    atMs: 1000,
    createdAtMs: 1000,
    updatedAtMs: 1000,
    assignee: undefined,
    assigneeName: undefined,
    closedAtMs: undefined,
    closeReason: undefined,
    proposal: undefined,
    body: '{}',
    ...row,
  }
}

const event = {
  finding: 'f1',
  atMs: 2000,
  by: 'ann',
  byName: 'ann@example.com',
  what: 'closed',
  note: undefined,
}
const closed = { ...findingOf(), state: 'closed', closedAtMs: 2000, closeReason: 'duplicate' } as const

test('a decision that comes too late changes nothing and leaves no trace', async () => {
  const { findings } = await storeIn()
  await findings.put(findingOf())
  expect(await findings.decide('f1', { states: ['acknowledged'], proposal: undefined }, closed, event)).toBe(
    false,
  )
  expect(await findings.decide('f1', { states: ['new'], proposal: 'other' }, closed, event)).toBe(false)
  expect(await findings.decide('none', { states: ['new'], proposal: undefined }, closed, event)).toBe(false)
  expect(await findings.historyOf('f1')).toEqual([])
  expect(await findings.get('f1')).toEqual(findingOf())
})

test('what the analysis adds does not undo what people decided', async () => {
  const { findings } = await storeIn()
  await findings.put(findingOf())
  expect(await findings.decide('f1', { states: ['new'], proposal: undefined }, closed, event)).toBe(true)
  await findings.put(
    findingOf({ id: 'f2', severity: 'critical', rules: ['SSH-10', 'SSH-10b'], body: '{"a":1}' }),
  )
  expect(await findings.get('f2')).toBeUndefined()
  expect(await findings.get('f1')).toMatchObject({
    state: 'closed',
    closeReason: 'duplicate',
    severity: 'critical',
    rules: ['SSH-10', 'SSH-10b'],
    createdAtMs: 1000,
  })
})

test('what somebody wants to close stays so until it is graver or of more rules', async () => {
  const { findings } = await storeIn()
  expect(await findings.put(findingOf({ proposal: '{}' }))).toBe(false)
  expect(await findings.put(findingOf({ body: '{"a":1}', unusualness: 3 }))).toBe(false)
  expect(await findings.get('f1')).toMatchObject({ proposal: '{}', body: '{"a":1}' })
  expect(await findings.put(findingOf({ rules: ['SSH-10', 'SSH-10b'] }))).toBe(true)
  expect((await findings.get('f1'))?.proposal).toBeUndefined()
  expect(await findings.put(findingOf({ severity: 'critical' }))).toBe(false)
  await findings.put(findingOf({ session: 's2', id: 'f2', proposal: '{}' }))
  expect(await findings.put(findingOf({ session: 's2', severity: 'critical' }))).toBe(true)
})

test('rows come back as they were, in a store that was closed and opened again', async () => {
  const folder = dataFolder()
  const row = findingOf({
    unusualness: 5.25,
    placeReason: 'why',
    alias: 'person-1',
    assignee: 'i\nann',
    assigneeName: 'ann',
    proposal: '{}',
  })
  const first = await openStore(folder)
  await first.findings.put(row)
  await first.findings.note({ ...event, note: 'a note' })
  await first.close()
  const { findings } = await storeIn(folder)
  expect(await findings.get('f1')).toEqual(row)
  expect(await findings.historyOf('f1')).toEqual([{ ...event, note: 'a note' }])
})

test('what is old goes with its history; what is open goes when nothing was added for as long', async () => {
  const { findings } = await storeIn()
  await findings.put(findingOf({ id: 'old', session: 'a', state: 'closed', closedAtMs: 10 }))
  await findings.put(findingOf({ id: 'new', session: 'b', state: 'closed', closedAtMs: 30 }))
  await findings.put(findingOf({ id: 'open-old', session: 'c', updatedAtMs: 10 }))
  await findings.put(findingOf({ id: 'open-new', session: 'd', updatedAtMs: 30 }))
  for (const finding of ['old', 'new']) await findings.note({ ...event, finding })
  expect(await findings.removeBefore(20, 20)).toBe(2)
  expect((await findings.list({ limit: 10 })).map(({ id }) => id).toSorted()).toEqual(['new', 'open-new'])
  expect(await findings.historyOf('old')).toEqual([])
  expect(await findings.historyOf('new')).toHaveLength(1)
})

test('nothing of a person stays who asked for that, and everything of others', async () => {
  const { findings } = await storeIn()
  await findings.put(findingOf())
  await findings.put(findingOf({ id: 'f2', session: 's2', subject: 'eve-3' }))
  await findings.note(event)
  expect(await findings.removeOfPerson({ issuer: 'https://login.example.com', subject: 'bob-2' })).toBe(1)
  expect(await findings.get('f1')).toBeUndefined()
  expect(await findings.historyOf('f1')).toEqual([])
  expect(await findings.get('f2')).toBeDefined()
})

test('a request for a name is decided once', async () => {
  const { findings } = await storeIn()
  const request = {
    id: 'u1',
    finding: 'f1',
    caseId: 'C',
    reason: 'r',
    askedBy: 'ann',
    askedByName: 'ann',
    askedAtMs: 5,
    decidedBy: undefined,
    decidedByName: undefined,
    decidedAtMs: undefined,
    untilMs: undefined,
  }
  await findings.askUnmask(request)
  expect(await findings.decideUnmask('u1', 'dora', 'dora', 6, 100)).toBe(true)
  expect(await findings.decideUnmask('u1', 'carl', 'carl', 7, undefined)).toBe(false)
  expect(await findings.unmasking('u1')).toEqual({
    ...request,
    decidedBy: 'dora',
    decidedByName: 'dora',
    decidedAtMs: 6,
    untilMs: 100,
  })
  expect(await findings.removeUnmaskingsBefore(6)).toBe(1)
  expect(await findings.unmaskingsOf('f1')).toEqual([])
})
