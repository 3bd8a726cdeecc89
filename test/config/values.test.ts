import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseHours } from '../../src/config/hours.ts'
import { contains, isLoopback, parseAddress, parseNetwork } from '../../src/config/network.ts'
import { printable } from '../../src/config/printable.ts'
import { didYouMean, editDistance } from '../../src/config/suggest.ts'
import { parseDuration, parseSize } from '../../src/config/units.ts'
import { parseEndpoint, parseSyslogUrl } from '../../src/config/values.ts'

test('a duration without a unit, or with a strange one, is refused', () => {
  for (const text of [8, '8', '8 h', '8hours', '-8h', '1.5h', '0s', '', 'h', '99999999999s', null, [], '8H'])
    expect(parseDuration(text).ok).toBe(false)
})

test('durations and sizes are read in their units', () => {
  expect(parseDuration('400d')).toEqual({ ok: true, value: 34_560_000_000 })
  expect(parseDuration('15m')).toEqual({ ok: true, value: 900_000 })
  expect(parseDuration('250ms')).toEqual({ ok: true, value: 250 })
  expect(parseSize('64MiB')).toEqual({ ok: true, value: 67_108_864 })
  for (const text of [64, '64', '64MB', '64mib', '0B']) expect(parseSize(text).ok).toBe(false)
})

test('hours that cannot be read are refused, each with its reason', () => {
  const message = (text: string) => {
    const hours = parseHours(text)
    return hours.ok ? 'fine' : hours.message
  }
  expect(message('Mon-Fri 08:00-19:00')).toMatch(/time zone/)
  expect(message('Mon-Fri 08:00-19:00 Mars/Olympus')).toMatch(/zone that is not known/)
  expect(message('Mon-Fry 08:00-19:00 UTC')).toMatch(/day/)
  expect(message('Mon-Fri 8:00-19:00 UTC')).toMatch(/cannot be read/)
  expect(message('Mon-Fri 08:00-24:01 UTC')).toMatch(/does not exist/)
  expect(message('Mon-Fri 08:60-19:00 UTC')).toMatch(/does not exist/)
  expect(message('24:00-06:00 UTC')).toMatch(/does not exist/)
  expect(message('08:00-08:00 UTC')).toMatch(/all day/)
  expect(message('')).toMatch(/cannot be read/)
  expect(message('08:00-09:00 UTC,')).toMatch(/cannot be read/)
  expect(message(Array(21).fill('08:00-09:00 UTC').join(','))).toMatch(/more than 20/)
})

test('hours take the zone of the next window that names one', () => {
  const hours = parseHours('Mon-Wed 08:00-19:00, Sat 22:00-06:00 Europe/Berlin, 12:00-13:00 UTC')
  expect(hours).toMatchObject({
    value: {
      windows: [
        { days: [0, 1, 2], startMinute: 480, endMinute: 1140, zone: 'Europe/Berlin' },
        { days: [5], startMinute: 1320, endMinute: 360, zone: 'Europe/Berlin' },
        { days: [0, 1, 2, 3, 4, 5, 6], zone: 'UTC' },
      ],
    },
  })
  expect(parseHours('fri-mon 08:00-19:00 UTC')).toMatchObject({
    value: { windows: [{ days: [4, 5, 6, 0] }] },
  })
})

test('no text makes the reader of hours throw', () => {
  fc.assert(fc.property(fc.string(), text => void parseHours(text)))
})

test('networks with bits beyond their prefix, mapped or malformed, are refused', () => {
  for (const text of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::ffff:10.0.0.0/104',
    '2001:db8::/129',
    'fe80::1%eth0',
    '010.0.0.0/8',
    '',
    'all',
  ])
    expect(parseNetwork(text).ok, text).toBe(false)
})

test('an address is in a network however it is spelt', () => {
  const inside = (network: string, address: string) => {
    const read = parseNetwork(network)
    const parsed = parseAddress(address)
    return read.ok && parsed !== undefined && contains(read.value, parsed)
  }
  expect(inside('10.0.0.0/8', '10.255.255.255')).toBe(true)
  expect(inside('10.0.0.0/8', '11.0.0.0')).toBe(false)
  expect(inside('10.0.0.0/8', '::ffff:10.1.2.3')).toBe(true)
  expect(inside('10.0.0.0/8', '::FFFF:0a01:0203')).toBe(true)
  expect(inside('0.0.0.0/0', '2001:db8::1')).toBe(false)
  expect(inside('::/0', '10.0.0.1')).toBe(false)
  expect(inside('2001:db8::/32', '2001:DB8:0:0::1')).toBe(true)
  expect(inside('2001:db8::/32', '2001:db9::1')).toBe(false)
  expect(inside('fe80::/10', 'fe80::1%eth0')).toBe(true)
  expect(inside('192.0.2.7', '192.0.2.7')).toBe(true)
  expect(inside('192.0.2.7', '192.0.2.8')).toBe(false)
})

test('every address is in its own network of any length', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(32), (text, length) => {
      const address = parseAddress(text)
      if (address === undefined) throw new Error(`${text} should be an address`)
      const rest = BigInt(address.bits - length)
      expect(contains({ ...address, value: (address.value >> rest) << rest, prefix: length }, address)).toBe(
        true,
      )
    }),
  )
})

test('loopback is what reaches only this machine', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1'])
    expect(isLoopback(host)).toBe(true)
  for (const host of ['0.0.0.0', '::', '128.0.0.1', 'localhost.example.com', '127.0.0.1.example.com', ''])
    expect(isLoopback(host)).toBe(false)
})

test('port 0 is for listeners that ask for it', () => {
  expect(parseEndpoint('127.0.0.1:0', {}).ok).toBe(false)
  expect(parseEndpoint('127.0.0.1:0', { allowAnyPort: true })).toEqual({
    ok: true,
    value: { host: '127.0.0.1', port: 0 },
  })
})

test('a suggestion is a slip away, or there is none', () => {
  expect(didYouMean('hostkeys', ['hostKeys', 'labels'])).toBe('did you mean `hostKeys`?')
  expect(didYouMean('nmae', ['name', 'data'])).toBe('did you mean `name`?')
  expect(didYouMean('zebra', ['name', 'data'])).toBeUndefined()
  expect(didYouMean('x'.repeat(10_000), ['name'])).toBeUndefined()
})

test('edit distance is a distance', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      expect(editDistance(a, a)).toBe(0)
      expect(editDistance(a, b)).toBe(editDistance(b, a))
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
    }),
  )
})

test('text that is shown stays in its line, whatever it holds', () => {
  expect(printable('a\u001b[2Jb\nc\u202ed\u0085')).toBe('a\\u{1b}[2Jb\\u{a}c\\u{202e}d\\u{85}')
  expect(printable('Zoë 日本 🙂')).toBe('Zoë 日本 🙂')
  expect(printable('x'.repeat(100), 10)).toBe('xxxxxxxxxx…')
})

describe('the address of a syslog server', () => {
  test.each(['tls://logs.example.com', 'tls://10.0.0.1:6514', 'tcp://127.0.0.1:601', 'tcp://[::1]:601'])(
    '%s is one',
    url => expect(parseSyslogUrl(url)).toEqual({ ok: true, value: url }),
  )

  test.each([
    ['tcp://logs.example.com:601', 'tls://'],
    ['udp://127.0.0.1:514', 'tls://logs.example.com:6514'],
    ['logs.example.com:6514', 'tls://logs.example.com:6514'],
    ['tls://ada:x@logs.example.com', 'without user'],
    ['tls://logs.example.com/path', 'path'],
    [7, 'tls://logs.example.com:6514'],
  ])('%s is none', (url, message) =>
    expect(parseSyslogUrl(url)).toMatchObject({ ok: false, message: expect.stringContaining(message) }),
  )
})
