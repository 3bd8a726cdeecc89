/** Lists and counts of somebody who reviews little, beside much that they may not see. */
import { afterEach, expect, test } from 'vitest'
import type { FindingRow } from '../../../src/model.ts'
import { NOON } from '../../policy/people.ts'
import { ann, bob, closeDesks, deskWith, dora, local } from './desk-world.ts'

afterEach(closeDesks)

test('what one may not see takes no place in lists and counts', { timeout: 120_000 }, async () => {
  const { desk, store, session, find } = await deskWith()
  await session({ id: 'lab', target: 'lab' })
  const own = await find()
  const ofLab = await find({ session: 'lab' })
  const row = (await store.findings.get(own)) as FindingRow
  for (let number = 0; number < 5200; number++)
    await store.findings.put({
      ...row,
      id: `much-${number}`,
      session: `much-${number}`,
      severity: 'critical',
      createdAtMs: NOON + number,
    })
  expect(await desk.counts(local)).toMatchObject({ new: 5202 })
  expect(await desk.counts(ann)).toMatchObject({ new: 5201 })
  expect(await desk.counts(dora)).toMatchObject({ new: 1 })
  expect((await desk.list({}, dora)).items.map(({ id }) => id)).toEqual([ofLab])
  // Bob's own sessions are all there are.
  expect(await desk.counts(bob)).toEqual({ new: 0, acknowledged: 0, closed: 0, below: 0 })
  expect((await desk.list({}, bob)).items).toEqual([])
})
