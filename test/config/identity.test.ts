import { expect, test } from 'vitest'
import { networkAround, parseAddress, parseNetwork } from '../../src/config/network.ts'
import fc from 'fast-check'
import { complaintsOf, configOf, yamlWith } from './yaml-file.ts'

const start = 'identity: { issuer: "https://login.example.com", clientId: sallyport'
const machine =
  'issuer: "https://ci.example.com", audience: gw, bound: { repository: acme/infra }, name: ci-infra'

function withKeys(text: string) {
  return yamlWith({ identity: `${start}, enrolledKeys: ${text} }` })
}

function withMachine(text: string) {
  return yamlWith({ identity: `${start}, machines: [{ ${text} }] }` })
}

test.each([
  ['{ for: tonight }', 'identity.enrolledKeys.for must be `until-midnight` or a duration such as 8h'],
  ['{ for: 8 }', 'identity.enrolledKeys.for must be `until-midnight` or a duration such as 8h'],
  [
    '{ timeZone: Berlin }',
    'identity.enrolledKeys.timeZone must be the name of a time zone, such as Europe/Berlin or UTC',
  ],
  ['{ accept: hardware }', 'identity.enrolledKeys.accept must be `any` or `fido` or `fido-verified`'],
  ['{ ipv4Prefix: 0 }', 'identity.enrolledKeys.ipv4Prefix must be at least 1'],
  ['{ ipv6Prefix: 129 }', 'identity.enrolledKeys.ipv6Prefix must be at most 128'],
  ['{ enabled: "no" }', 'identity.enrolledKeys.enabled must be true or false'],
])('enrolled keys with %s are refused', (text, complaint) => {
  expect(complaintsOf(withKeys(text))).toEqual([complaint])
})

test.each([
  [
    machine.replace('bound: { repository: acme/infra }', 'bound: {}'),
    'identity.machines[0].bound must bind at least one claim (add { sub: … } or the claim that names the repository)',
  ],
  [machine.replace('bound: { repository: acme/infra }, ', ''), 'identity.machines[0].bound is missing'],
  [
    machine.replace('acme/infra', '7'),
    'identity.machines[0].bound.repository must be text (put it in quotes)',
  ],
  [
    machine.replace('https://ci', 'http://ci'),
    'identity.machines[0].issuer must start with https:// (http:// only on loopback)',
  ],
  [
    machine.replace('ci.example', 'login.example').replace('gw', 'sallyport'),
    "identity.machines[0].audience is also that of people's tokens (let machines ask for another audience)",
  ],
])('a machine with { %s } is refused', (text, complaint) => {
  expect(complaintsOf(withMachine(text))).toEqual([complaint])
})

test('keys can be enrolled until midnight on this machine’s clock unless said otherwise', () => {
  expect(configOf(yamlWith({})).identity).toMatchObject({
    machines: [],
    enrolledKeys: {
      enabled: true,
      for: 'until-midnight',
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      accept: 'any',
      ipv4Prefix: 24,
      ipv6Prefix: 64,
    },
  })
  expect(configOf(withKeys('{ for: 90m, timeZone: UTC }')).identity.enrolledKeys.for).toBe(90 * 60_000)
})

test('a machine has what the file says, and sessions as long as its certificate', () => {
  const [read] = configOf(withMachine(machine)).identity.machines
  expect(read).toEqual({
    issuer: 'https://ci.example.com',
    audience: 'gw',
    bound: { repository: 'acme/infra' },
    name: 'ci-infra',
    groups: [],
    allowHttpIssuer: false,
  })
  expect(configOf(withMachine(`${machine}, session: 1h`)).identity.machines[0]?.sessionMs).toBe(3_600_000)
})

test('the network around an address holds it, and is one that we would read', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  const prefixes = fc.record({
    ipv4Prefix: fc.integer({ min: 1, max: 32 }),
    ipv6Prefix: fc.integer({ min: 1, max: 128 }),
  })
  fc.assert(
    fc.property(address, prefixes, (text, lengths) => {
      const network = networkAround(text, lengths)
      if (parseAddress(text) === undefined) return expect(network).toBeUndefined()
      const read = parseNetwork(network ?? '')
      expect(read).toMatchObject({ ok: true })
    }),
  )
  const lengths = { ipv4Prefix: 24, ipv6Prefix: 64 }
  expect(networkAround('::ffff:10.1.2.3', lengths)).toBe('10.1.2.0/24')
  expect(networkAround('2001:db8:1:2:3::4', lengths)).toBe('2001:db8:1:2::/64')
  expect(networkAround('localhost', lengths)).toBeUndefined()
})
