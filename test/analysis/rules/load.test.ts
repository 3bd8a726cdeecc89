import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'
import { loadRules, refusedText } from '../../../src/analysis/rules/load.ts'

const samples = join(import.meta.dirname, 'sigma/samples')

test('a Sigma rule that cannot be used keeps no other from being in force, and the log tells of it', () => {
  const { catalogue, refused, notes } = loadRules({ sigma: samples })
  expect(catalogue.rules.length).toBe(readCatalogue().rules.length)
  expect(catalogue.sigma.length).toBe(5)
  expect(notes.length).toBe(1)
  expect(refusedText(refused)).toMatch(
    /^Sigma rules of 10 files are not in force, such as aggregation\.yml: detection\.condition: .+`sallyport rules check` tells of all\.$/,
  )
})

test('without a folder there are ours', () => {
  const { catalogue, refused } = loadRules()
  expect(refused).toEqual([])
  expect(catalogue.sigma).toEqual([])
  expect(catalogue.about('SSH-10')?.severity).toBe('high')
  expect(catalogue.about('SSH-26c')?.title).toBe('A file uploaded and then run')
  expect(catalogue.about('SSH-99')).toBeUndefined()
})
