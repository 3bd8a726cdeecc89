import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseUserName } from '../../src/policy/address.ts'

test('a name is split at its last separator', () => {
  expect(parseUserName('root@web1')).toEqual({ login: 'root', target: 'web1' })
  expect(parseUserName('root+web1')).toEqual({ login: 'root', target: 'web1' })
  expect(parseUserName('a@b@web1')).toEqual({ login: 'a@b', target: 'web1' })
  expect(parseUserName('a+b@web1')).toEqual({ login: 'a+b', target: 'web1' })
  expect(parseUserName('a@b+web1')).toEqual({ login: 'a@b', target: 'web1' })
  expect(parseUserName('CORP\\ann@web1')).toEqual({ login: 'CORP\\ann', target: 'web1' })
})

test('what is empty is left out', () => {
  expect(parseUserName('')).toEqual({})
  expect(parseUserName('@')).toEqual({})
  expect(parseUserName('@web1')).toEqual({ target: 'web1' })
  expect(parseUserName('root@')).toEqual({ login: 'root' })
})

test('a name without a separator is bare', () => {
  expect(parseUserName('web1')).toEqual({ bare: 'web1' })
  expect(parseUserName('a%b:c')).toEqual({ bare: 'a%b:c' })
})

test('a target never holds a separator, whatever was typed', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      expect(parseUserName(text).target ?? '').not.toMatch(/[@+]/)
    }),
  )
})
