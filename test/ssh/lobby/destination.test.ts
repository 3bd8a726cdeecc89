/** What a jump names, and which target that is. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SshTarget } from '../../../src/config/config.ts'
import { decodeDestination, targetAt } from '../../../src/ssh/lobby/destination.ts'
import { string, uint32 } from '../../../src/wire.ts'

const target = (name: string, host: string, port = 22): SshTarget => ({
  name,
  protocol: 'ssh',
  host,
  port,
  labels: {},
  hostKeys: 'first-use',
  hostAuthorities: [],
})
const targets = [
  target('web1', '10.0.0.5'),
  target('Web2', '10.0.0.6', 2222),
  target('twin-a', '10.0.0.7'),
  target('twin-b', '10.0.0.7'),
  target('CASE', '10.0.0.8'),
  target('case', '10.0.0.9'),
]
const at = (host: string, port: number) => targetAt(targets, { host, port })?.name

test('hosts and ports that are no target are none', () => {
  expect(at('10.0.0.99', 22)).toBeUndefined()
  expect(at('web1', 80)).toBeUndefined()
  expect(at('web1.', 22)).toBeUndefined()
  expect(at('10.0.0.5', 23)).toBeUndefined()
  expect(at('10.0.0.6', 22)).toBeUndefined()
  expect(at('', 22)).toBeUndefined()
  expect(at('w'.repeat(100_000), 22)).toBeUndefined()
})

test('what could be two targets is none', () => {
  expect(at('10.0.0.7', 22)).toBeUndefined()
  expect(at('Case', 22)).toBeUndefined()
})

test('a target goes by its name at the port that ssh dials or its own, and by its address', () => {
  expect(at('web1', 22)).toBe('web1')
  expect(at('web2', 22)).toBe('Web2')
  expect(at('web2', 2222)).toBe('Web2')
  expect(at('10.0.0.6', 2222)).toBe('Web2')
  expect(at('case', 22)).toBe('case')
  expect(at('twin-b', 22)).toBe('twin-b')
})

test('a destination is decoded whole or not at all', () => {
  const fields = Buffer.concat([string('web1'), uint32(22), string('127.0.0.1'), uint32(4321)])
  expect(decodeDestination(fields)).toEqual({ host: 'web1', port: 22 })
  expect(() => decodeDestination(Buffer.concat([fields, Buffer.from('x')]))).toThrow(/malformed/)
  fc.assert(
    fc.property(fc.nat(fields.length - 1), length => {
      expect(() => decodeDestination(fields.subarray(0, length))).toThrow(/malformed/)
    }),
  )
})
