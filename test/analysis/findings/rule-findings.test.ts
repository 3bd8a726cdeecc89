import { expect, test } from 'vitest'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import { RuleFindings, type RuleBook } from '../../../src/analysis/findings/rule-findings.ts'
import type { Entry, EntryHit } from '../../../src/analysis/entry.ts'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'

const catalogue = readCatalogue()
const book: RuleBook = {
  about: id => catalogue.about(id),
  off: new Set(['SSH-12']),
  versions: { rules: 'r1' },
}

function entry(number: number, found: 'exec' | 'prompt' = 'exec'): Entry {
  const command = { channel: 0, found, sure: found === 'exec' ? 1 : 0.9 }
  return { session: 's1', number, kind: 'command', atMs: number, offsetMs: number * 1000, text: 'x', command }
}

function hit(number: number, rule: string, severity: EntryHit['severity'] = 'high'): EntryHit {
  const place = { session: 's1', entry: number, atMs: number, offsetMs: number * 1000 }
  return { ...place, rule, severity, technique: ['T1059.004'], quote: `line ${number}` }
}

test('rules that are switched off, and those that only inform, make no finding', () => {
  const findings = new RuleFindings('s1', book)
  expect(findings.take(entry(1), [hit(1, 'SSH-12'), hit(1, 'SSH-25c', 'info')])).toEqual([])
  expect(findings.all()).toEqual([])
})

test('a rule met a thousand times is one finding, told seldom, with a few quotes', () => {
  const findings = new RuleFindings('s1', book)
  let told = 0
  for (let at = 1; at <= 1000; at++) told += findings.take(entry(at), [hit(at, 'SSH-10')]).length
  expect(told).toBeLessThan(25)
  const [all, ...others] = findings.all()
  expect(others).toEqual([])
  expect(all?.body.quotes).toHaveLength(10)
  expect(all?.body.sentence).toBe(
    'A shell over the network: seen 1,000 times in this session, first 00:00:01 after its start.',
  )
})

test('what is told again when the command is over counts once', () => {
  const findings = new RuleFindings('s1', book)
  expect(findings.take(entry(1), [hit(1, 'SSH-10')])).toHaveLength(1)
  expect(findings.take(entry(1), [hit(1, 'SSH-10')])).toEqual([])
})

test('variants of a rule are one finding of the worst of them', () => {
  const findings = new RuleFindings('s1', book)
  findings.take(entry(1), [hit(1, 'SSH-25', 'medium')])
  const [worse] = findings.take(entry(2), [hit(2, 'SSH-25b', 'high')])
  expect(worse).toMatchObject({ group: 'SSH-25', severity: 'high', rules: ['SSH-25', 'SSH-25b'] })
})

test('a session makes no more findings than so many groups', () => {
  const findings = new RuleFindings('s1', book)
  for (let at = 1; at <= 500; at++) findings.take(entry(at), [hit(at, `X-${at}`)])
  expect(findings.all()).toHaveLength(100)
})

test('it says how sure the lines are, and that a technique is no purpose', () => {
  const findings = new RuleFindings('s1', book)
  findings.take(entry(1), [hit(1, 'SSH-10')])
  findings.take(entry(2, 'prompt'), [hit(2, 'SSH-10')])
  expect(findings.all()[0]?.body.quality).toEqual([
    '1 line as the client sent it: exact.',
    '1 line read off the screen, at least 90 % sure. The recording shows what really happened.',
    'ATT&CK ids name the pattern of an action. They are no statement on its purpose.',
  ])
})

test('every rule of ours makes a sentence that can be read aloud', () => {
  for (const { id, severity } of [...catalogue.rules, ...catalogue.windows]) {
    if (severity === 'info') continue
    const [draft] = new RuleFindings('s1', { ...book, off: new Set() }).take(entry(1), [hit(1, id, severity)])
    const { sentence, why, benign } = draft?.body ?? { sentence: '', why: [], benign: [] }
    expect(sentence).toMatch(/^[A-Z].*: seen once in this session, 00:00:01 after its start\.$/)
    expect(benign.length).toBeGreaterThan(0)
    for (const text of [sentence, ...benign, ...why.map(({ observed }) => observed)])
      expect(text).not.toMatch(forbiddenWords)
  }
})
