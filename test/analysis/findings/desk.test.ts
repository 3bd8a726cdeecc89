import { afterEach, describe, expect, test } from 'vitest'
import type { Answer, Asker, FindingInFull } from '../../../src/analysis/findings/desk.ts'
import { HOUR, NOON } from '../../policy/people.ts'
import {
  ann,
  bob,
  carl,
  closeDesks,
  deskWith,
  type DeskWorld,
  dora,
  draftOf,
  local,
  valueOf,
} from './desk-world.ts'

afterEach(closeDesks)

const reasoned = { reason: 'true-positive', rationale: 'talked to the team' } as const
const pseudonyms = { approvers: ['dpo'], forMs: HOUR, rotateMs: 30 * 24 * HOUR }

function whyNot(answer: Answer<unknown>): string {
  return answer.ok ? 'it was allowed' : answer.why
}

test('nobody sees, decides on or approves anything about themselves', async () => {
  const { desk, find } = await deskWith({ pseudonyms })
  const id = await find()
  expect((await desk.list({}, bob)).items).toEqual([])
  expect(await desk.counts(bob)).toEqual({ new: 0, acknowledged: 0, closed: 0, below: 0 })
  const tried = [
    await desk.get(id, bob),
    await desk.acknowledge(id, bob),
    await desk.assign(id, 'me', bob),
    await desk.close(id, reasoned, bob),
    await desk.verdict(id, { verdict: 'expected', rationale: 'it was me' }, bob),
    await desk.reopen(id, 'again', bob),
    await desk.suppress(id, { scope: 'rule', untilMs: NOON + HOUR, rationale: 'noise' }, bob),
    await desk.unmask(id, { caseId: 'C-1', reason: 'curious' }, bob),
  ]
  expect(tried.map(whyNot)).toEqual(tried.map(() => 'not-found'))
  const asked = valueOf(await desk.unmask(id, { caseId: 'C-1', reason: 'to ask them' }, ann))
  expect(whyNot(await desk.decideUnmask(asked.unmaskings[0]?.id ?? '', true, bob))).toBe('not-found')
})

test('a finding cannot be given to the person whom it is about', async () => {
  const { desk, find, session } = await deskWith()
  await session({ id: 's2', subject: 'eve-5', principalName: 'eve@example.com' })
  valueOf(await desk.acknowledge(await find({ session: 's2' }), bob)) // now bob is known here
  expect(whyNot(await desk.assign(await find(), 'bob@example.com', ann))).toBe('not-allowed')
})

test('who may not review a target sees none of its findings, and cannot tell whether there are any', async () => {
  const { desk, find, session } = await deskWith()
  await session({ id: 's2', target: 'lab' })
  const id = await find({ session: 's2' })
  expect((await desk.list({ place: 'all' }, ann)).items).toEqual([])
  expect(await desk.get(id, ann)).toEqual(await desk.get('no-such-id', ann))
  expect((await desk.ofSessions(['s2'], ann)).size).toBe(0)
  expect((await desk.list({}, dora)).items.map(item => item.id)).toEqual([id])
})

test('a decision without a reason is none', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  const tried = [
    await desk.close(id, { reason: 'duplicate', rationale: '  ' }, ann),
    await desk.verdict(id, { verdict: 'escalate', rationale: '' }, ann),
    await desk.close(id, { reason: 'duplicate', rationale: 'x'.repeat(2001) }, ann),
  ]
  expect(tried.map(whyNot)).toEqual(['invalid', 'invalid', 'invalid'])
  expect(valueOf(await desk.get(id, ann)).state).toBe('new')
})

test('nothing is suppressed without an end, nor for ever, nor in the past', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  const suppress = (untilMs: number): Promise<Answer<FindingInFull>> =>
    desk.suppress(id, { scope: 'rule', untilMs, rationale: 'a migration' }, ann)
  for (const untilMs of [Number.NaN, Infinity, NOON, NOON - 1, NOON + 400 * 24 * HOUR])
    expect(whyNot(await suppress(untilMs))).toBe('invalid')
  valueOf(await suppress(NOON + HOUR))
})

test('where closing takes two, one person closes nothing however often they try', async () => {
  const { desk, find, audited } = await deskWith({ fourEyes: 'high' })
  const id = await find()
  const first = valueOf(await desk.close(id, reasoned, ann))
  expect(first).toMatchObject({ state: 'acknowledged', proposal: { by: 'ann@example.com' } })
  expect(whyNot(await desk.close(id, reasoned, ann))).toBe('not-allowed')
  expect(valueOf(await desk.close(id, reasoned, carl))).toMatchObject({ state: 'closed' })
  expect(audited.at(-1)).toMatchObject({ what: 'closed as true-positive', proposedBy: 'ann@example.com' })
})

test('two who only opened the admin socket are not two people', async () => {
  const { desk, find } = await deskWith({ fourEyes: 'high' })
  const id = await find()
  valueOf(await desk.close(id, reasoned, local))
  const other: Asker = { kind: 'local', name: 'local user 7' }
  expect(whyNot(await desk.close(id, reasoned, other))).toBe('not-allowed')
  expect(valueOf(await desk.close(id, reasoned, ann)).state).toBe('closed')
})

test('below the severity that takes two, one closes', async () => {
  const { desk, find } = await deskWith({ fourEyes: 'critical' })
  expect(valueOf(await desk.close(await find(), reasoned, ann)).state).toBe('closed')
})

test('what is closed is not acknowledged, and what is open is not reopened', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  expect(whyNot(await desk.reopen(id, 'again', ann))).toBe('conflict')
  valueOf(await desk.close(id, reasoned, ann))
  expect(whyNot(await desk.acknowledge(id, ann))).toBe('conflict')
  expect(whyNot(await desk.close(id, reasoned, ann))).toBe('conflict')
  const again = valueOf(await desk.reopen(id, 'new facts', ann))
  expect(again.state).toBe('acknowledged')
  expect(again.history.map(({ what }) => what)).toEqual(['noticed', 'closed as true-positive', 'reopened'])
})

test('in shadow mode findings are kept, and no reviewer sees one', async () => {
  const { desk, find, store } = await deskWith({ shadow: true })
  const id = await find()
  expect(await store.findings.get(id)).toMatchObject({ place: 'shadow' })
  for (const asker of [ann, local]) {
    expect((await desk.list({ place: 'all' }, asker)).items).toEqual([])
    expect(whyNot(await desk.get(id, asker))).toBe('not-found')
  }
})

test('every decision is in the audit log with who and why', async () => {
  const { desk, find, audited } = await deskWith()
  const id = await find()
  valueOf(await desk.acknowledge(id, ann))
  valueOf(await desk.suppress(id, { scope: 'rule-person', untilMs: NOON + HOUR, rationale: 'on call' }, ann))
  valueOf(await desk.close(id, reasoned, carl))
  expect(audited.map(({ kind, by }) => [kind, by])).toEqual([
    ['finding-noticed', undefined],
    ['finding-decided', 'ann@example.com'],
    ['finding-suppressed', 'ann@example.com'],
    ['finding-decided', 'carl@example.com'],
  ])
  expect(audited.at(-1)).toMatchObject({ rationale: 'talked to the team', session: 's1' })
})

test('of two who decide at once, the second hears that somebody was faster', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  const both = await Promise.all([desk.close(id, reasoned, ann), desk.close(id, reasoned, carl)])
  expect(both.filter(({ ok }) => ok)).toHaveLength(1)
})

test('a suppressed rule makes findings that nobody is shown unless they ask, until the instant', async () => {
  const { desk, find, session, clock } = await deskWith()
  const id = await find()
  valueOf(await desk.suppress(id, { scope: 'rule-target', untilMs: NOON + HOUR, rationale: 'tests' }, ann))
  await session({ id: 's2' })
  await session({ id: 's3', target: 'web2' })
  const hidden = await find({ session: 's2' })
  const elsewhere = await find({ session: 's3' })
  const shown = async (): Promise<string[]> => (await desk.list({}, ann)).items.map(item => item.id)
  expect((await shown()).toSorted()).toEqual([id, elsewhere].toSorted())
  const [only] = (await desk.list({ place: 'suppressed' }, ann)).items
  expect(only).toMatchObject({ id: hidden, below: 'Suppressed by ann@example.com: tests' })
  clock.advance(HOUR + 1)
  await session({ id: 's4' })
  expect(await shown()).not.toContain(await find({ session: 's4', group: 'SSH-11' }))
  await session({ id: 's5' })
  const later = await find({ session: 's5' })
  expect(await shown()).toContain(later)
})

test('what the analysis notices twice is one finding, and a closed one opens again if it became worse', async () => {
  const { desk, find, told } = await deskWith()
  const id = await find({ severity: 'medium' })
  expect(await find({ severity: 'medium' })).toBe(id)
  valueOf(await desk.close(id, reasoned, ann))
  await find({ severity: 'medium' })
  expect(valueOf(await desk.get(id, ann)).state).toBe('closed')
  await find({ severity: 'critical', rules: ['SSH-10', 'SSH-10b'] })
  expect(valueOf(await desk.get(id, ann))).toMatchObject({ state: 'new', severity: 'critical' })
  expect(told.map(({ severity }) => severity)).toEqual(['medium', 'critical'])
})

test('an expected session teaches the baseline, an explained one does not', async () => {
  const { desk, find, session, taught } = await deskWith()
  await session({ id: 's2' })
  valueOf(await desk.verdict(await find(), { verdict: 'explained', rationale: 'a migration' }, ann))
  const other = await find({ session: 's2' })
  valueOf(await desk.verdict(other, { verdict: 'expected', rationale: 'on call' }, ann))
  expect(taught).toEqual(['s2'])
})

test('the list goes on where a page ended, in the order of rank', async () => {
  const { desk, session, find } = await deskWith()
  const ids: string[] = []
  for (const [at, severity] of (['low', 'critical', 'medium', 'high'] as const).entries()) {
    await session({ id: `p${at}` })
    ids[at] = await find({ session: `p${at}`, severity })
  }
  const first = await desk.list({ limit: 3, place: 'all' }, ann)
  const second = await desk.list({ limit: 3, place: 'all', cursor: first.next ?? '' }, ann)
  expect([...first.items, ...second.items].map(({ severity }) => severity)).toEqual([
    'critical',
    'high',
    'medium',
    'low',
  ])
  expect(second.next).toBeUndefined()
})

test('filters hold together', async () => {
  const { desk, session, find } = await deskWith()
  await session({ id: 's2', subject: 'eve-5', principalName: 'eve@example.com' })
  const one = await find({ rules: ['SSH-10', 'SSH-10b'] })
  const two = await find({ session: 's2', group: 'SSH-25', rules: ['SSH-25'], severity: 'medium' })
  valueOf(await desk.acknowledge(two, ann))
  const idsOf = async (filter: Parameters<typeof desk.list>[0]): Promise<string[]> =>
    (await desk.list(filter, ann)).items.map(({ id }) => id)
  expect(await idsOf({ rule: ['SSH-10b'] })).toEqual([one])
  expect(await idsOf({ rule: ['SSH-25'], state: ['new'] })).toEqual([])
  expect(await idsOf({ principal: ['eve@example.com'] })).toEqual([two])
  expect(await idsOf({ assignee: ['me'] })).toEqual([two])
  expect(await idsOf({ assignee: ['nobody'] })).toEqual([one])
  expect(await idsOf({ assignee: ['whoever'] })).toEqual([])
  expect(await idsOf({ severity: ['low', 'high'], session: ['s1'] })).toEqual([one])
})

test('whoever asks for low severity is shown what the queue leaves out', async () => {
  const { desk, find } = await deskWith()
  const low = await find({ severity: 'low' })
  expect((await desk.list({}, ann)).items).toEqual([])
  expect((await desk.list({ severity: ['low'] }, ann)).items.map(({ id }) => id)).toEqual([low])
  expect((await desk.list({ severity: ['low'], place: 'queue' }, ann)).items).toEqual([])
  expect(await desk.counts(ann)).toEqual({ new: 0, acknowledged: 0, closed: 0, below: 1 })
})

describe('a suppression covers what somebody looked at when they made it', () => {
  const scope = 'rule-person'
  const placeOf = async ({ store }: DeskWorld, session: string) =>
    (await store.findings.ofSession(session)).map(({ place }) => place)

  test('the like of it is not shown, what is worse is, and so is another rule of the group', async () => {
    const world = await deskWith()
    const id = await world.find({ severity: 'medium', rules: ['SSH-10'] })
    valueOf(await world.desk.suppress(id, { scope, untilMs: NOON + HOUR, rationale: 'on call' }, ann))
    for (const name of ['s2', 's3', 's4']) await world.session({ id: name })
    await world.find({ session: 's2', severity: 'medium', rules: ['SSH-10'] })
    await world.find({ session: 's3', severity: 'high', rules: ['SSH-10'] })
    await world.find({ session: 's4', severity: 'medium', rules: ['SSH-10b'] })
    expect(await Promise.all(['s2', 's3', 's4'].map(one => placeOf(world, one)))).toEqual([
      ['suppressed'],
      ['queue'],
      ['queue'],
    ])
  })

  test('a finding that becomes worse is shown from then on', async () => {
    const world = await deskWith()
    const id = await world.find({ severity: 'medium', rules: ['SSH-10'] })
    valueOf(await world.desk.suppress(id, { scope, untilMs: NOON + HOUR, rationale: 'on call' }, ann))
    await world.session({ id: 's2' })
    await world.find({ session: 's2', severity: 'medium', rules: ['SSH-10'] })
    expect(await placeOf(world, 's2')).toEqual(['suppressed'])
    await world.find({ session: 's2', severity: 'critical', rules: ['SSH-10', 'SSH-10b'] })
    expect(await placeOf(world, 's2')).toEqual(['queue'])
  })

  test('one that an older version made covers its group', async () => {
    const world = await deskWith()
    const owner = { owner: 'local root', ownerName: 'local root', rationale: 'before', createdAtMs: NOON }
    const none = { issuer: undefined, subject: undefined, target: undefined, liftedAtMs: undefined }
    const whole = { severity: undefined, rules: undefined, untilMs: NOON + HOUR }
    await world.store.findings.suppress({
      id: 'x',
      scope: 'rule',
      group: 'SSH-10',
      ...none,
      ...whole,
      ...owner,
    })
    await world.find({ severity: 'critical' })
    expect(await placeOf(world, 's1')).toEqual(['suppressed'])
  })
})

test('nobody suppresses emergency access, nor what is wrong with recordings', async () => {
  const { desk, find } = await deskWith()
  const emergency = await find({ group: 'B-05', rules: ['B-05'] })
  const broken = await find({ group: 'integrity-verify', kind: 'integrity', rules: [] })
  for (const id of [emergency, broken]) {
    const wish = { scope: 'rule', untilMs: NOON + HOUR, rationale: 'noise' } as const
    expect(whyNot(await desk.suppress(id, wish, ann))).toBe('not-allowed')
  }
})

test('what a session has of findings is told as far as one may see it', async () => {
  const { desk, find } = await deskWith()
  await find({ severity: 'medium' })
  await find({ group: 'baseline', kind: 'baseline', severity: 'low', unusualness: 5.5 })
  expect((await desk.ofSessions(['s1', 'other'], ann)).get('s1')).toEqual({
    findings: 2,
    worst: 'medium',
    unusualness: 5.5,
  })
})

test('one who is concerned sees what was closed about them, adds what they have to say, and no more', async () => {
  const { desk, find, audited } = await deskWith()
  const [closed, open] = [await find(), await find({ group: 'SSH-25' })]
  valueOf(await desk.close(closed, reasoned, ann))
  if (bob.kind !== 'person' || ann.kind !== 'person') throw new Error('people')
  const own = await desk.ownRecord(bob.principal)
  expect(own.findings.map(({ id, reason }) => [id, reason])).toEqual([[closed, 'true-positive']])
  expect(own.baseline?.text).toEqual(['ls: 100 times'])
  expect(whyNot(await desk.contest(bob.principal, { finding: open, text: 'no' }))).toBe('not-found')
  expect(whyNot(await desk.contest(ann.principal, { finding: closed, text: 'no' }))).toBe('not-found')
  valueOf(await desk.contest(bob.principal, { finding: closed, text: 'That was a test.' }))
  expect(audited.at(-1)).toMatchObject({ kind: 'finding-contested', text: 'That was a test.' })
  const { history } = valueOf(await desk.get(closed, ann))
  expect(history.at(-1)).toMatchObject({ what: 'says as the person concerned', note: 'That was a test.' })
  expect(valueOf(await desk.contest(bob.principal, { session: 's1', text: 'all of it' }))).toBeUndefined()
})

test('one in so many sessions without a finding is drawn, and none that has one', async () => {
  const { desk, find, store, session } = await deskWith({ sampleShare: 1 })
  await find()
  await desk.sealed('s1')
  await session({ id: 's2' })
  await desk.sealed('s2')
  expect(await store.findings.ofSession('s1')).toHaveLength(1)
  expect(await store.findings.ofSession('s2')).toMatchObject([{ kind: 'sample', severity: 'info' }])
  const drawn = (await store.findings.ofSession('s2'))[0]?.id ?? ''
  const wish = { scope: 'rule', untilMs: NOON + HOUR, rationale: 'enough' } as const
  expect(whyNot(await desk.suppress(drawn, wish, ann))).toBe('not-allowed')
})

test('a draft for a session that nobody knows is left alone', async () => {
  const { desk, store } = await deskWith()
  await desk.take(draftOf({ session: 'unknown' }))
  expect(await store.findings.ofSession('unknown')).toEqual([])
})
