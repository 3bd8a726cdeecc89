import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Aliases } from '../../../src/analysis/findings/aliases.ts'
import { namesOf, scrubbed } from '../../../src/analysis/findings/scrub.ts'
import { Fault } from '../../../src/errors.ts'
import { HOUR, NOON } from '../../policy/people.ts'
import { ann, bob, carl, closeDesks, deskWith, dora, local, valueOf } from './desk-world.ts'
import { newFolder } from '../../support/scratch.ts'

afterEach(closeDesks)

const pseudonyms = { approvers: ['dpo'], forMs: HOUR, rotateMs: 30 * 24 * HOUR }
const wish = { caseId: 'CASE-7', reason: 'to ask what happened' }
const alice = { issuer: 'https://login.example.com', subject: 'alice-1' }

function keysFolder(): string {
  return newFolder('keys')
}

test('nobody approves what they asked for, and a reviewer does not approve at all', async () => {
  const { desk, find } = await deskWith({ pseudonyms })
  const asked = valueOf(await desk.unmask(await find(), wish, ann))
  const request = asked.unmaskings[0]?.id ?? ''
  expect(asked.unmaskings).toMatchObject([{ by: 'ann@example.com', caseId: 'CASE-7', mayApprove: false }])
  for (const asker of [ann, carl, local])
    expect(await desk.decideUnmask(request, true, asker)).toMatchObject({ ok: false, why: 'not-allowed' })
  expect(valueOf(await desk.get(asked.id, ann)).isMasked).toBe(true)
})

test('a request needs a case and a reason, and is made once', async () => {
  const { desk, find } = await deskWith({ pseudonyms })
  const id = await find()
  expect(await desk.unmask(id, { caseId: '', reason: 'x' }, ann)).toMatchObject({ why: 'invalid' })
  expect(await desk.unmask(id, { caseId: 'C', reason: ' ' }, ann)).toMatchObject({ why: 'invalid' })
  valueOf(await desk.unmask(id, wish, ann))
  expect(await desk.unmask(id, wish, ann)).toMatchObject({ ok: false, why: 'conflict' })
})

test('until it is approved, nothing of a finding tells the name', async () => {
  const { desk, find, store } = await deskWith({ pseudonyms })
  const id = await find()
  await store.findings.note({
    finding: id,
    atMs: NOON,
    by: 'https://login.example.com\nbob-2',
    byName: 'bob@example.com',
    what: 'says as the person concerned',
    note: 'It was me, Bob.',
  })
  for (const asker of [ann, local]) {
    const text = JSON.stringify([await desk.get(id, asker), await desk.list({}, asker)])
    expect(text).not.toMatch(/bob/i)
    expect(text).not.toContain('10.1.1.1')
    expect(text).toMatch(/person-[0-9a-z]{8}/)
  }
})

test('what reviewers wrote tells no hidden name either, wherever it shows', async () => {
  const { desk, find, session } = await deskWith({ pseudonyms })
  const until = { untilMs: NOON + HOUR, rationale: 'bob@example.com tests the network' }
  const id = await find()
  valueOf(await desk.suppress(id, { scope: 'rule', ...until }, ann))
  await session({ id: 's2' })
  const suppressed = await find({ session: 's2' })
  valueOf(await desk.unmask(suppressed, { caseId: 'HR-Bob-7', reason: 'to ask Bob' }, ann))
  const [shown] = (await desk.list({ place: 'suppressed' }, carl)).items
  expect(shown).toMatchObject({
    id: suppressed,
    below: 'Suppressed by ann@example.com: [name] tests the network',
  })
  const detail = valueOf(await desk.get(suppressed, carl))
  expect(detail.unmaskings).toMatchObject([{ caseId: 'HR-[name]-7', reason: 'to ask [name]' }])
  expect(detail.history.map(({ what }) => what)).toContain('asked for the name (case HR-[name]-7)')
  for (const asker of [ann, carl, local])
    expect(JSON.stringify([shown, await desk.get(suppressed, asker)])).not.toMatch(/bob/i)
})

test('whom a finding may be given to tells no hidden name', async () => {
  const { desk, find, session } = await deskWith({ pseudonyms })
  await session({ id: 's2', subject: 'eve-5', principalName: 'eve@example.com' })
  const ofEve = await find({ session: 's2' })
  valueOf(await desk.acknowledge(ofEve, bob)) // now bob is known here
  const toBob = await desk.assign(await find(), 'bob@example.com', ann)
  expect(toBob).toMatchObject({ ok: false, why: 'not-allowed' })
  expect(await desk.assign(ofEve, 'bob@example.com', ann)).toEqual(toBob)
  expect(valueOf(await desk.assign(ofEve, 'me', ann)).assignee).toBe('ann@example.com')
})

test('hidden names cannot be found by asking for them', async () => {
  const { desk, find } = await deskWith({ pseudonyms })
  const id = await find()
  const [shown] = (await desk.list({}, ann)).items
  expect((await desk.list({ principal: ['bob@example.com'] }, ann)).items).toEqual([])
  expect((await desk.list({ principal: [shown?.principal ?? ''] }, ann)).items).toMatchObject([{ id }])
})

test('an approved name shows to who asked, to nobody else, and not for long', async () => {
  const { desk, find, clock, audited } = await deskWith({ pseudonyms })
  const id = await find()
  const request = valueOf(await desk.unmask(id, wish, ann)).unmaskings[0]?.id ?? ''
  const seen = valueOf(await desk.get(id, dora)) // although she does not review this target
  expect((await desk.approvals(dora)).map(one => one.id)).toEqual([id])
  for (const other of [ann, carl, bob, local]) expect(await desk.approvals(other)).toEqual([])
  expect(seen.unmaskings).toMatchObject([{ id: request, mayApprove: true }])
  valueOf(await desk.decideUnmask(request, true, dora))
  const shown = valueOf(await desk.get(id, ann))
  expect(shown).toMatchObject({ principal: 'bob@example.com', isMasked: false })
  expect(shown.quotes[0]?.text).toContain('/home/bob/key')
  expect(valueOf(await desk.get(id, carl)).isMasked).toBe(true)
  expect(await desk.approvals(dora)).toEqual([])
  clock.advance(HOUR)
  expect(valueOf(await desk.get(id, ann)).isMasked).toBe(true)
  expect(audited.filter(({ kind }) => kind.startsWith('name-'))).toMatchObject([
    { kind: 'name-asked', case: 'CASE-7', reason: wish.reason, by: 'ann@example.com' },
    { kind: 'name-decided', approved: true, by: 'dora@example.com', case: 'CASE-7' },
  ])
})

test('a refusal shows nothing, and who approves sees the finding only while somebody asks', async () => {
  const { desk, find } = await deskWith({ pseudonyms })
  const id = await find()
  expect(await desk.get(id, dora)).toMatchObject({ why: 'not-found' })
  const request = valueOf(await desk.unmask(id, wish, ann)).unmaskings[0]?.id ?? ''
  valueOf(await desk.decideUnmask(request, false, dora))
  expect(await desk.decideUnmask(request, true, dora)).toMatchObject({ ok: false, why: 'conflict' })
  expect(valueOf(await desk.get(id, ann)).isMasked).toBe(true)
  expect(await desk.get(id, dora)).toMatchObject({ why: 'not-found' })
})

test('where names show anyway, there is nothing to ask for', async () => {
  const { desk, find } = await deskWith()
  const id = await find()
  expect(valueOf(await desk.get(id, ann))).toMatchObject({ principal: 'bob@example.com', isMasked: false })
  expect(await desk.unmask(id, wish, ann)).toMatchObject({ ok: false, why: 'conflict' })
})

test('a pseudonym is of one person and one key, which only its owner may read', () => {
  const folder = keysFolder()
  const aliases = new Aliases(folder, NOON)
  const alias = aliases.of(alice, NOON, 30 * 24 * HOUR)
  expect(alias).toMatch(/^person-[0-9a-hjkmnp-tv-z]{8}$/)
  expect(aliases.of({ ...alice, subject: 'bob-2' }, NOON, Infinity)).not.toBe(alias)
  expect(new Aliases(folder, NOON).of(alice, NOON, Infinity)).toBe(alias)
  expect(new Aliases(keysFolder(), NOON).of(alice, NOON, Infinity)).not.toBe(alias)
  expect(statSync(join(folder, 'pseudonyms.json')).mode & 0o777).toBe(0o600)
})

test('an old key is replaced, and what it said cannot be said again', () => {
  const folder = keysFolder()
  const aliases = new Aliases(folder, NOON)
  const before = aliases.of(alice, NOON, HOUR)
  const file = readFileSync(join(folder, 'pseudonyms.json'), 'utf8')
  expect(aliases.of(alice, NOON + HOUR - 1, HOUR)).toBe(before)
  expect(aliases.of(alice, NOON + HOUR, HOUR)).not.toBe(before)
  expect(readFileSync(join(folder, 'pseudonyms.json'), 'utf8')).not.toBe(file)
})

test('a damaged key is a fault, not a new one', () => {
  const folder = keysFolder()
  writeFileSync(join(folder, 'pseudonyms.json'), '{"key":"AAAA","madeAtMs":1}', { mode: 0o600 })
  expect(() => new Aliases(folder, NOON)).toThrow(Fault)
})

test('of many sessions, about the share is drawn, always the same ones', () => {
  const aliases = new Aliases(keysFolder(), NOON)
  const drawn = (share: number): string[] =>
    Array.from({ length: 5000 }, (_, at) => `session-${at}`).filter(id => aliases.draws(id, share))
  expect(drawn(0)).toEqual([])
  expect(drawn(1)).toHaveLength(5000)
  expect(drawn(0.02).length).toBeGreaterThan(50)
  expect(drawn(0.02).length).toBeLessThan(170)
  expect(drawn(0.02)).toEqual(drawn(0.02))
})

test('names go from free text as whole words, with what homes are called', () => {
  const names = namesOf({ principalName: 'alice.smith@example.com', subject: 'u-4711' })
  expect(scrubbed('scp /home/alice/x u-4711@web1 # Alice Smith, alice.smith@example.com', names)).toBe(
    'scp /home/[name]/x [name]@web1 # [name] [name], [name]',
  )
  expect(scrubbed('malice in blacksmith', names)).toBe('malice in blacksmith')
  expect(scrubbed('ls /home/other/.ssh', names)).toBe('ls /home/[name]/.ssh')
  expect(scrubbed('a (b', namesOf({ principalName: '((((', subject: '[a-' }))).toBe('a (b')
})
