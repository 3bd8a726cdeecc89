import { expect, test } from 'vitest'
import { asks } from '../../src/config/notify-schema.ts'
import { maxAsksPerMinute, refusedAsk } from '../../src/policy/webhook-ask.ts'

test.each(asks)('a webhook may not ask for %s unless the configuration says so', ask => {
  const others = asks.filter(one => one !== ask)
  expect(refusedAsk({ ask, may: [], asksInMinute: 1 })).toBe('not-allowed')
  expect(refusedAsk({ ask, may: others, asksInMinute: 1 })).toBe('not-allowed')
  expect(refusedAsk({ ask, may: [ask], asksInMinute: 1 })).toBeUndefined()
})

test('a webhook that asks and asks is refused, whatever it may', () => {
  expect(refusedAsk({ ask: 'end', may: ['end'], asksInMinute: maxAsksPerMinute })).toBeUndefined()
  expect(refusedAsk({ ask: 'end', may: ['end'], asksInMinute: maxAsksPerMinute + 1 })).toBe('too-many')
})
