import { afterEach, expect, test } from 'vitest'
import { reviewingDrafts } from '../../../src/analysis/findings/reviewing.ts'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import type { ReadingRow } from '../../../src/model.ts'
import { HOUR, NOON, policyWith } from '../../policy/people.ts'
import { ann, carl, closeDesks, deskWith } from './desk-world.ts'

afterEach(closeDesks)

const { baselines } = policyWith(
  'ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }',
).analysis

/** So many sessions read by a reviewer in an hour. */
function readings(subject: string, atMs: number, sessions: number): ReadingRow[] {
  return Array.from({ length: sessions }, (_, at) => ({
    session: `s${at + 1}`,
    issuer: 'https://login.example.com',
    subject,
    name: 'ann@example.com',
    atMs: atMs + at,
    purpose: 'replay',
  }))
}
const usual = Array.from({ length: 30 }, (_, at) =>
  readings('ann-1', NOON - (at + 2) * HOUR, 3 + (at % 3)),
).flat()

test('who opens as many sessions as ever makes no finding, nor one of whom nothing is known', () => {
  expect(reviewingDrafts([...usual, ...readings('ann-1', NOON - HOUR, 6)], baselines, NOON)).toEqual([])
  expect(reviewingDrafts(readings('new', NOON - HOUR, 500), baselines, NOON)).toEqual([])
  const off = { ...baselines, off: ['reviewing'] as const }
  expect(reviewingDrafts([...usual, ...readings('ann-1', NOON - HOUR, 500)], off, NOON)).toEqual([])
})

test('a reviewer who opens very many sessions is a finding that others see, and they do not', async () => {
  const [draft] = reviewingDrafts([...usual, ...readings('ann-1', NOON - HOUR, 500)], baselines, NOON)
  expect(draft?.body.sentence).toBe('A reviewer opened 500 sessions within an hour, more than is usual.')
  expect(draft?.body.why[0]?.own).toBe('median 4 sessions an hour; 30 hours in 90 days')
  expect(JSON.stringify(draft)).not.toMatch(forbiddenWords)
  const { desk } = await deskWith()
  if (draft === undefined) throw new Error('no draft')
  await desk.take({ ...draft, session: 's1' })
  expect((await desk.list({}, carl)).items).toMatchObject([
    { principal: 'ann@example.com', kind: 'baseline' },
  ])
  expect((await desk.list({}, ann)).items).toEqual([])
})
