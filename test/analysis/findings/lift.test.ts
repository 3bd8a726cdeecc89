/** A suppression that is ended before its time. */
import { afterEach, expect, test } from 'vitest'
import { NOON } from '../../policy/people.ts'
import { ann, bob, carl, closeDesks, deskWith, draftOf, local, valueOf } from './desk-world.ts'

afterEach(closeDesks)

const until = { untilMs: NOON + 86_400_000, rationale: 'A release week.' }

test('who reviews less than a suppression covers cannot lift it, nor whom a finding is about', async () => {
  const { desk, session, find, audited } = await deskWith()
  valueOf(await desk.suppress(await find(), { scope: 'rule', ...until }, local))
  await session({ id: 's2' })
  const hidden = await find({ session: 's2' })
  const before = audited.length
  expect(await desk.lift(hidden, 'I want to see it.', ann)).toMatchObject({ ok: false, why: 'not-allowed' })
  expect(await desk.lift(hidden, 'It is mine.', bob)).toMatchObject({ ok: false, why: 'not-found' })
  expect(await desk.lift(hidden, '  ', local)).toMatchObject({ ok: false, why: 'invalid' })
  expect(audited).toHaveLength(before)
  expect((await desk.list({ place: 'suppressed' }, ann)).items.map(({ id }) => id)).toEqual([hidden])
})

test.each(['rule-person', 'rule-target', 'rule'] as const)(
  'a suppression (%s) that somebody lifts keeps nothing quiet any more, and says who lifted it',
  async scope => {
    const { desk, session, find, audited } = await deskWith()
    const first = await find()
    valueOf(await desk.suppress(first, { scope, ...until }, ann))
    await session({ id: 's2' })
    const hidden = await find({ session: 's2' })
    expect(valueOf(await desk.get(hidden, carl)).suppressions).toMatchObject([
      { by: 'ann@example.com', scope, untilMs: until.untilMs, rationale: 'A release week.' },
    ])
    const lifted = valueOf(await desk.lift(hidden, 'The release is over.', carl))
    expect(lifted.suppressions).toEqual([])
    expect(lifted.history.at(-1)).toMatchObject({ what: 'suppression lifted', note: 'The release is over.' })
    expect(audited.filter(({ kind }) => kind === 'finding-unsuppressed')).toMatchObject([
      { owner: 'ann@example.com', by: 'carl@example.com', rationale: 'The release is over.', scope },
    ])
    expect((await desk.list({}, carl)).items.map(({ id }) => id)).toContain(hidden)
    await session({ id: 's3' })
    const third = await find(draftOf({ session: 's3' }))
    expect((await desk.list({}, carl)).items.map(({ id }) => id)).toContain(third)
    expect(await desk.lift(hidden, 'Once more.', carl)).toMatchObject({ ok: false, why: 'conflict' })
  },
)
