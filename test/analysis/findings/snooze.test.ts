import { afterEach, expect, test } from 'vitest'
import type { Answer } from '../../../src/analysis/findings/desk.ts'
import { HOUR, NOON } from '../../policy/people.ts'
import { ann, bob, carl, closeDesks, deskWith, draftOf, valueOf } from './desk-world.ts'

afterEach(closeDesks)

const whyNot = (answer: Answer<unknown>): string => (answer.ok ? 'it was allowed' : answer.why)

test('nothing is put off into the past, for ever, by the person concerned, or once it is closed', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  for (const untilMs of [NOON, NOON - HOUR, NOON + 15 * 24 * HOUR, Number.NaN])
    expect(whyNot(await desk.snooze(id, untilMs, ann))).toBe('invalid')
  expect(whyNot(await desk.snooze(id, NOON + HOUR, bob))).toBe('not-found')
  valueOf(await desk.close(id, { reason: 'duplicate', rationale: 'twice' }, ann))
  expect(whyNot(await desk.snooze(id, NOON + HOUR, ann))).toBe('conflict')
})

test('what is put off is in no queue, does not count there, and comes back by itself', async () => {
  const { desk, find, clock } = await deskWith()
  const id = await find()
  const snoozed = valueOf(await desk.snooze(id, NOON + HOUR, ann))
  expect(snoozed).toMatchObject({ state: 'new', snoozedUntilMs: NOON + HOUR })
  expect(snoozed.history.at(-1)?.what).toMatch(/^snoozed until \d{4}-\d\d-\d\d \d\d:\d\d UTC$/)
  const ids = async (place?: 'snoozed' | 'all'): Promise<readonly string[]> =>
    (await desk.list(place === undefined ? {} : { place }, carl)).items.map(item => item.id)
  expect([await ids(), await ids('snoozed'), await ids('all')]).toEqual([[], [id], [id]])
  expect(await desk.counts(carl)).toMatchObject({ new: 0, below: 0 })
  clock.advance(HOUR)
  expect([await ids(), await ids('snoozed')]).toEqual([[id], []])
  expect((await desk.counts(carl)).new).toBe(1)
})

test('whoever decides on it, or takes it, brings it back', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  valueOf(await desk.snooze(id, NOON + HOUR, ann))
  expect(valueOf(await desk.acknowledge(id, carl)).snoozedUntilMs).toBeUndefined()
  expect((await desk.list({}, carl)).items.map(item => item.id)).toEqual([id])
})

test('it comes back when it becomes graver, and not for more of the same', async () => {
  const { desk, find } = await deskWith()
  const id = await find({ severity: 'medium' })
  valueOf(await desk.snooze(id, NOON + HOUR, ann))
  await desk.take(draftOf({ severity: 'medium' }))
  expect((await desk.list({}, ann)).items).toEqual([])
  await desk.take(draftOf({ severity: 'critical' }))
  expect((await desk.list({}, ann)).items.map(item => item.id)).toEqual([id])
})
