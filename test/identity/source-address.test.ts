import { expect, test } from 'vitest'
import { plainAddress } from '../../src/identity/source-address.ts'

test.each([
  ['::ffff:10.0.0.7', '10.0.0.7'],
  ['::FFFF:10.0.0.7', '10.0.0.7'],
  ['10.0.0.7', '10.0.0.7'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
  ['not an address', 'not an address'],
  ['1.2.3.4]evil', '1.2.3.4]evil'],
  ['', ''],
])('%j is spelt %j', (text, spelt) => {
  expect(plainAddress(text)).toBe(spelt)
})
