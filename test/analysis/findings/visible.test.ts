/** Lists and counts of somebody who reviews little, beside much that they may not see. */
import { afterEach, expect, test } from 'vitest'
import type { FindingRow } from '../../../src/model.ts'
import type { Store } from '../../../src/store/store.ts'
import { HOUR, NOON } from '../../policy/people.ts'
import { ann, bob, closeDesks, deskWith, dora, local } from './desk-world.ts'

afterEach(closeDesks)

/** More than are looked at for one page, all graver than the row. */
async function addMany(store: Store, row: FindingRow): Promise<void> {
  for (let number = 0; number < 5200; number++)
    await store.findings.put({
      ...row,
      id: `much-${number}`,
      session: `much-${number}`,
      severity: 'critical',
      createdAtMs: NOON + number,
    })
}

test('what one may not see takes no place in lists and counts', { timeout: 120_000 }, async () => {
  const { desk, store, session, find } = await deskWith()
  await session({ id: 'lab', target: 'lab' })
  const own = await find()
  const ofLab = await find({ session: 'lab' })
  const row = (await store.findings.get(own)) as FindingRow
  await addMany(store, row)
  expect(await desk.counts(local)).toMatchObject({ new: 5202 })
  expect(await desk.counts(ann)).toMatchObject({ new: 5201 })
  expect(await desk.counts(dora)).toMatchObject({ new: 1 })
  expect((await desk.list({}, dora)).items.map(({ id }) => id)).toEqual([ofLab])
  // Bob's own sessions are all there are.
  expect(await desk.counts(bob)).toEqual({ new: 0, acknowledged: 0, closed: 0, below: 0 })
  expect((await desk.list({}, bob)).items).toEqual([])
})

test('a person’s findings are found however many of others are graver', { timeout: 120_000 }, async () => {
  const { desk, store, session, find, config } = await deskWith()
  await session({ id: 's2', subject: 'eve-5', principalName: 'eve@example.com' })
  const ofEve = await find({ session: 's2' })
  await addMany(store, (await store.findings.get(await find())) as FindingRow)
  const shown = await desk.list({ principal: ['eve@example.com'] }, ann)
  expect(shown).toMatchObject({ items: [{ id: ofEve }] })
  expect(shown.next).toBeUndefined()
  const pseudonyms = { approvers: ['dpo'], forMs: HOUR, rotateMs: 30 * 24 * HOUR }
  Object.assign(config.analysis, { pseudonyms })
  const detail = await desk.get(ofEve, ann)
  const principal = [detail.ok ? detail.value.principal : '']
  const { items, next } = await desk.list({ principal }, ann)
  expect(items).toEqual([])
  if (next === undefined) throw new Error('the list ended before it was over')
  const last = await desk.list({ principal, cursor: next }, ann)
  expect(last.items.map(({ id }) => id)).toEqual([ofEve])
  expect(last.next).toBeUndefined()
  expect(await desk.list({ principal: ['eve@example.com'], cursor: next }, ann)).toEqual({ items: [] })
})
