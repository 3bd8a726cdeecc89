/** People who decide for themselves, beyond what they review, alone where it takes two, or by saying too much. */
import { afterEach, expect, test } from 'vitest'
import { HOUR, NOON } from '../../policy/people.ts'
import { ann, bob, carl, closeDesks, deskWith, dora, draftOf, valueOf } from './desk-world.ts'

afterEach(closeDesks)

const eve = { subject: 'eve-5', principalName: 'eve@example.com' }
const closing = { reason: 'duplicate', rationale: 'seen it' } as const
const anew = 'closing it has to be proposed anew: the proposal was made before that'
const until = { untilMs: NOON + HOUR, rationale: 'noise' } as const

test.each(['rule', 'rule-target'] as const)(
  'what somebody suppressed (%s) hides nothing about themselves',
  async scope => {
    const { desk, find, session } = await deskWith()
    for (const id of ['s2', 's3']) await session({ id, ...eve })
    valueOf(await desk.suppress(await find({ session: 's2' }), { scope, ...until }, bob))
    const own = await find()
    const others = await find({ session: 's3' })
    const shown = (await desk.list({}, ann)).items.map(({ id }) => id)
    expect(shown).toContain(own)
    expect(shown).not.toContain(others)
  },
)

test.each(['rule', 'rule-person'] as const)(
  'who reviews some targets suppresses (%s) nothing on the others',
  async scope => {
    const { desk, find, session } = await deskWith()
    await session({ id: 's2', target: 'lab' })
    await session({ id: 's3', target: 'web2' })
    valueOf(await desk.suppress(await find(), { scope, ...until }, ann))
    const elsewhere = await find({ session: 's2' })
    const there = await find({ session: 's3' })
    expect((await desk.list({}, dora)).items.map(({ id }) => id)).toEqual([elsewhere])
    expect((await desk.list({ place: 'suppressed' }, ann)).items.map(({ id }) => id)).toEqual([there])
  },
)

test('where closing takes two, nobody suppresses the like of it before two have closed one', async () => {
  const { desk, find } = await deskWith({ fourEyes: 'high' })
  const id = await find()
  const refused = await desk.suppress(id, { scope: 'rule', ...until }, ann)
  expect(refused.ok ? 'it was allowed' : refused.why).toBe('not-allowed')
  const closing = { reason: 'benign-expected', rationale: 'a drill' } as const
  valueOf(await desk.close(id, closing, ann))
  expect((await desk.suppress(id, { scope: 'rule', ...until }, ann)).ok).toBe(false)
  valueOf(await desk.close(id, closing, carl))
  expect((await desk.suppress(id, { scope: 'rule', ...until }, ann)).ok).toBe(true)
})

test('whoever agreed to close it has not agreed to what was noticed since', async () => {
  for (const more of [{ severity: 'critical' }, { rules: ['SSH-10', 'SSH-10b'] }] as const) {
    const { desk, find } = await deskWith({ fourEyes: 'high' })
    const id = await find()
    valueOf(await desk.close(id, closing, ann))
    await find(more)
    const alone = valueOf(await desk.close(id, closing, carl))
    expect(alone).toMatchObject({ state: 'acknowledged', proposal: { by: 'carl@example.com' } })
    expect(alone.history.map(({ what }) => what)).toContain(anew)
    expect(valueOf(await desk.close(id, closing, ann)).state).toBe('closed')
  }
})

test('what is only told anew takes back nobody’s consent', async () => {
  const { desk, find } = await deskWith({ fourEyes: 'high' })
  const id = await find()
  valueOf(await desk.close(id, closing, ann))
  await find({ severity: 'low', body: { ...draftOf().body, sentence: 'Seen twice.' } })
  expect(valueOf(await desk.close(id, closing, carl)).state).toBe('closed')
})

test('the second of two closes nothing of which more is noticed at the same moment', async () => {
  for (const more of [{ severity: 'critical' }, { rules: ['SSH-10', 'SSH-10b'] }] as const)
    for (let turns = 0; turns < 30; turns++) {
      const { desk, find, store } = await deskWith({ fourEyes: 'high' })
      const id = await find()
      valueOf(await desk.close(id, closing, ann))
      const grown = find(more)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await desk.close(id, closing, carl)
      await grown
      const { state, proposal = '' } = (await store.findings.get(id)) ?? {}
      const history = (await store.findings.historyOf(id)).map(({ what }) => what)
      expect([turns, proposal]).not.toEqual([turns, expect.stringContaining('ann@')])
      expect([turns, history.includes(anew), state]).not.toEqual([turns, true, 'closed'])
    }
})

test('one alone closes nothing that becomes graver at the same moment', async () => {
  for (let turns = 0; turns < 30; turns++) {
    const { desk, find, store } = await deskWith({ fourEyes: 'high' })
    const id = await find({ severity: 'low' })
    const graver = find({ severity: 'critical' })
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    await desk.close(id, { reason: 'duplicate', rationale: 'seen it' }, ann)
    await graver
    expect([
      turns,
      (await store.findings.get(id))?.severity,
      (await store.findings.get(id))?.state,
    ]).not.toEqual([turns, 'critical', 'closed'])
  }
})

test('whoever it is about cannot say so much that nobody sees what was decided', async () => {
  const { desk, find, store } = await deskWith()
  const id = await find()
  const principal = bob.kind === 'person' ? bob.principal : undefined
  if (principal === undefined) throw new Error('bob is a person')
  // The answer does not tell whether there are findings, nor how many notes they have.
  for (let said = 0; said < 600; said++)
    valueOf(await desk.contest(principal, { session: 's1', text: `again ${said}` }))
  valueOf(await desk.close(id, { reason: 'duplicate', rationale: 'talked to them' }, ann))
  const { history } = valueOf(await desk.get(id, ann))
  expect(history.some(({ what }) => what === 'closed as duplicate')).toBe(true)
  expect((await store.findings.historyOf(id)).length).toBeLessThan(30)
  const more = await desk.contest(principal, { finding: id, text: 'and again' })
  expect(more.ok ? 'it was taken' : more.why).toBe('conflict')
})

test('nobody suppresses so often that each finding is compared with a flood', async () => {
  const { desk, find, store } = await deskWith()
  const id = await find()
  const why = {
    scope: 'rule',
    group: 'X',
    severity: 'low',
    rules: [],
    rationale: 'noise',
    untilMs: NOON + HOUR,
  } as const
  const key = bob.kind === 'person' ? `${bob.principal.fields.issuer}\nann-1` : ''
  const owner = { owner: key, ownerName: 'ann', issuer: undefined, subject: undefined, target: undefined }
  for (let at = 0; at < 2000; at++)
    await store.findings.suppress({
      id: `x${at}`,
      ...why,
      ...owner,
      createdAtMs: NOON,
      liftedAtMs: undefined,
    })
  const more = await desk.suppress(id, { scope: 'rule-target', ...until }, ann)
  expect(more.ok ? 'it was taken' : more.why).toBe('conflict')
  expect((await desk.suppress(id, { scope: 'rule-target', ...until }, carl)).ok).toBe(true)
})
