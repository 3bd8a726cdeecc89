/** No sentence that this program makes says what it must not say about people. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { harmless } from '../../../src/analysis/findings/comparison.ts'
import { signalTexts } from '../../../src/analysis/findings/signal-texts.ts'
import {
  clockTime,
  counted,
  forbiddenWords,
  grouped,
  lasting,
  people,
  sized,
} from '../../../src/analysis/findings/words.ts'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'

const source = join(import.meta.dirname, '../../../src/analysis')
/** Folders whose texts reach people in findings. */
const folders = ['findings', 'baseline']

/** Texts in quotes or backticks, of more than one word: templates of sentences, with their parts that are filled in. */
function templatesIn(file: string): string[] {
  const text = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
  return [...text.matchAll(/'([^'\n]*)'|`([^`]*)`/g)].map(([, quoted, template]) => quoted ?? template ?? '')
}

test('the test itself sees forbidden words', () => {
  for (const text of ['a malicious command', 'their intent', 'a suspicious person', 'a disgruntled thief'])
    expect(text).toMatch(forbiddenWords)
  expect('an intended-use table of detentions').not.toMatch(forbiddenWords)
})

test('no template of a sentence holds one', () => {
  const files = folders.flatMap(folder =>
    readdirSync(join(source, folder)).map(name => join(source, folder, name)),
  )
  const templates = files.filter(file => !file.endsWith('/words.ts')).flatMap(templatesIn)
  expect(templates.length).toBeGreaterThan(300)
  expect(templates.filter(text => forbiddenWords.test(text))).toEqual([])
})

test('no rule says one, neither in its title nor in what it says or asks to check', () => {
  const texts = readCatalogue().all.flatMap(({ id, title, says, check }) =>
    [title, says, ...check].map(text => `${id}: ${text}`),
  )
  expect(texts.length).toBeGreaterThan(200)
  expect(texts.filter(text => forbiddenWords.test(text))).toEqual([])
})

test('every signal says what it compares and which harmless explanations there are', () => {
  expect(Object.keys(harmless).toSorted()).toEqual(Object.keys(signalTexts).toSorted())
  for (const texts of Object.values(harmless)) expect(texts.length).toBeGreaterThan(0)
})

test('groups of fewer than five people are not told apart', () => {
  expect([people(0, 4), people(4, 4)]).toEqual(Array(2).fill('fewer than 5 people to compare with'))
  expect(people(0, 14)).toBe('none of 14 people')
  expect(people(2, 14)).toBe('fewer than 5 of 14 people')
  expect(people(7, 14)).toBe('7 of 14 people')
})

test('numbers are told in words that people use', () => {
  expect(grouped(412_000)).toBe('412,000')
  expect([counted(1, 'row'), counted(0, 'row'), counted(2, 'entry', 'entries')]).toEqual([
    '1 row',
    '0 rows',
    '2 entries',
  ])
  expect([sized(0), sized(1023), sized(1024), sized(3.4 * 1024 ** 2)]).toEqual([
    '0 bytes',
    '1,023 bytes',
    '1.0 KiB',
    '3.4 MiB',
  ])
  expect(clockTime(723_000)).toBe('00:12:03')
  expect([lasting(90_000), lasting(3 * 3_600_000), lasting(143 * 86_400_000)]).toEqual([
    '2 minutes',
    '3 hours',
    '143 days',
  ])
})
