import { expect, test } from 'vitest'
import type { EntryView } from '../../../src/api/schema.ts'
import { type Entries, fetchEntries, maxEntries } from '../../../web/app/session/entries.ts'

const page = (count: number): readonly EntryView[] =>
  Array.from({ length: count }, (_, number) => ({
    number,
    kind: 'command' as const,
    offsetMs: 0,
    atMs: 0,
    text: '',
    detail: {},
    hits: [],
  }))

test('a page that cannot be had is a failure, never the end of the list', async () => {
  const told: Entries[] = []
  const asking = fetchEntries(
    async cursor => {
      if (cursor !== undefined) throw new Error('The index is away.')
      return { items: page(2), next: 'more' }
    },
    entries => told.push(entries),
  )
  await expect(asking).rejects.toThrow('The index is away.')
  expect(told).toEqual([])
})

test('a list that is longer than a page takes says so', async () => {
  const told: Entries[] = []
  await fetchEntries(
    async () => ({ items: page(1000), next: 'more' }),
    entries => told.push(entries),
  )
  expect(told.at(-1)).toMatchObject({ isComplete: false, isCut: true })
  expect(told.at(-1)?.items.length).toBe(maxEntries)
})

test('the last page makes it whole', async () => {
  const told: Entries[] = []
  await fetchEntries(
    async cursor => (cursor === undefined ? { items: page(3), next: 'more' } : { items: page(1) }),
    entries => told.push(entries),
  )
  expect(told).toMatchObject([{ isComplete: true, items: { length: 4 } }])
})
