import { expect, test } from 'vitest'
import { isNew, usageText, usageWords } from '../../../web/app/session/usage.ts'

const own = { isNewForPerson: false, isNewForTarget: false, ownTimes: 3 }

test('what is unknown is not new', () => {
  expect(isNew(undefined)).toBe(false)
  expect(isNew(own)).toBe(false)
})

test('few people are not counted out', () => {
  expect(usageText(own)).toBe('3 times by this person; by fewer than five people in all, in 30 days')
})

test('what was not counted is not said to be few', () => {
  expect(usageText({ ...own, isUncounted: true })).toBe(
    '3 times by this person; not counted in all, in 30 days',
  )
})

test('the numbers stand where there are enough people, and say if they are not all', () => {
  const everybody = { times: 1234, people: 31, isLowerBound: false }
  expect(usageWords({ ...own, everybody })).toBe('1,234 times by 31 people in 30 days')
  const many = { ...everybody, isLowerBound: true }
  expect(usageText({ ...own, everybody: many })).toBe(
    '3 times by this person; at least 1,234 times by at least 31 people in all, in 30 days',
  )
})

test('what is new says for whom, and of a line which program', () => {
  const fresh = { program: 'nc', isNewForPerson: true, isNewForTarget: false, ownTimes: 1 }
  expect(isNew(fresh)).toBe(true)
  expect(usageWords(fresh)).toBe('nc: new for this person')
  expect(usageWords({ ...fresh, isNewForTarget: true })).toBe('nc: new for this person and target')
  expect(usageWords({ ...fresh, isNewForPerson: false, isNewForTarget: true })).toBe('nc: new on this target')
})

test('a name that would not show is not told', () => {
  const hidden = { program: 'n\u{202e}c', isNewForPerson: true, isNewForTarget: false, ownTimes: 1 }
  expect(usageText(hidden)).toBe('new for this person; by fewer than five people in all, in 30 days')
})
