import { expect, test } from 'vitest'
import { isOwnForm } from '../../src/api/csrf.ts'
import { flowLifetimeMs, Flows, maxFlows, maxFlowsPerSource } from '../../src/api/flows.ts'
import { FakeClock } from '../support/fake-clock.ts'

const flow = (state: string, sourceAddress: string) => ({
  checks: { redirectUri: '', state, nonce: '', codeVerifier: '' },
  browser: `browser of ${state}`,
  sourceAddress,
  returnTo: { to: 'sessions' } as const,
})

test('browsers on their way to the issuer have a limit per address, and time makes room', () => {
  const clock = new FakeClock()
  const flows = new Flows(clock)
  for (let i = 0; i < maxFlowsPerSource; i += 1) flows.add(flow(`s${i}`, '10.0.0.7'))
  expect([flows.hasRoomFor('10.0.0.7'), flows.hasRoomFor('10.0.0.8')]).toEqual([false, true])
  clock.advance(flowLifetimeMs)
  expect([flows.hasRoomFor('10.0.0.7'), flows.take('s0', 'browser of s0')]).toEqual([true, undefined])
})

test('all addresses of one network of IPv6 are one source', () => {
  const flows = new Flows(new FakeClock())
  for (let i = 0; i < maxFlows; i += 1) flows.add(flow(`s${i}`, `2001:db8:0:1::${i.toString(16)}`))
  expect([flows.hasRoomFor('2001:db8:0:1:ffff::1'), flows.hasRoomFor('2001:db8:0:2::1')]).toEqual([
    false,
    true,
  ])
  expect(flows.take(`s${maxFlowsPerSource}`, `browser of s${maxFlowsPerSource}`)).toBeUndefined()
})

test('a few sources keep nobody else out: the oldest of the largest makes room', () => {
  const flows = new Flows(new FakeClock())
  for (let i = 0; i < maxFlows; i += 1) flows.add(flow(`s${i}`, `10.0.0.${i % 10}`))
  expect(flows.hasRoomFor('10.0.0.1')).toBe(false)
  expect(flows.add(flow('mine', '192.0.2.1'))).toBe(true)
  expect(flows.take('mine', 'browser of mine')).toBeDefined()
  expect([flows.take('s0', 'browser of s0'), flows.take('s1', 'browser of s1')]).toMatchObject([
    undefined,
    { sourceAddress: '10.0.0.1' },
  ])
})

test('there is a limit in all', () => {
  const flows = new Flows(new FakeClock())
  for (let i = 0; i < maxFlows; i += 1) flows.add(flow(`s${i}`, `10.1.${i >> 8}.${i % 256}`))
  expect(flows.add(flow('mine', '192.0.2.1'))).toBe(false)
  expect(flows.hasRoomFor('192.0.2.1')).toBe(false)
  flows.take('s0', 'browser of s0')
  expect(flows.hasRoomFor('192.0.2.1')).toBe(true)
})

const own = 'https://gw.example'

test.each([
  [{ 'sec-fetch-site': 'same-origin' }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: 'null' }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: own }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, false],
  [{ 'sec-fetch-site': 'same-site' }, false],
  [{ 'sec-fetch-site': 'cross-site', origin: own }, false],
  [{ 'sec-fetch-site': 'none' }, false],
  [{ 'sec-fetch-site': '' }, false],
  [{ origin: own }, true],
  [{ origin: 'null' }, false],
  [{ origin: 'http://gw.example' }, false],
  [{ origin: 'https://gw.example.evil.example' }, false],
  [{}, true],
])('a form with %j comes from our pages: %s', (headers, ours) => {
  expect(isOwnForm(new Headers(headers as Record<string, string>), own)).toBe(ours)
})
