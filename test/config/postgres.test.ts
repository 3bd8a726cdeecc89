import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { matchesColumn, matchesTable } from '../../src/config/relation-pattern.ts'
import { matchesWildcard } from '../../src/config/wildcard.ts'
import { makeServerCertificate } from '../../src/demo/server-certificate.ts'
import { complaintsOf, configOf, yamlWith } from './yaml-file.ts'
import { newFolder } from '../support/scratch.ts'

const env = { BROKER: 'secret-of-the-broker', OAUTH: 'secret-of-oauth', METRICS: 'secret-of-metrics' }
const broker = 'broker: { user: b, password: env:BROKER }'
const roleFor = (rule: string) =>
  `roles: { dba: { members: { groups: [dba] }, allow: [{ targets: { name: orders }, logins: [app_readonly], ${rule} }] } }`
const target = (fields: string, rule = 'sessions: {}') =>
  yamlWith({
    targets: `targets: [{ name: orders, protocol: postgres, address: 10.0.0.9, ${fields} }, { name: web1, protocol: ssh, address: a, hostKeys: first-use }]`,
    roles: roleFor(rule),
  })
const rule = (text: string) => target(broker, text)
const section = (text: string) => `${target(broker)}\npostgres: { ${text} }`
const complaints = (text: string) => complaintsOf(text, env)

const folder = newFolder('postgres-config')
const { certificate, key, authority } = await makeServerCertificate(['localhost'])
const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const files = {
  certificate,
  key,
  authority,
  other: otherKey.privateKey.export({ type: 'pkcs8', format: 'pem' }),
}
for (const [name, text] of Object.entries(files))
  writeFileSync(join(folder, name), String(text), { mode: 0o600 })
const file = (name: keyof typeof files) => `"file:${join(folder, name)}"`

describe('refuses', () => {
  test.each([
    ['', 'targets[0] has no broker, so nobody could make a role for a session'],
    ['broker: { user: b }', 'targets[0].broker does not say how the broker signs in'],
    [
      'broker: { user: b, password: hunter2 }',
      'targets[0].broker.password must be a reference, never the value itself',
    ],
    [
      `broker: { user: b, certificate: ${file('certificate')} }`,
      'needs both `certificate` and `key`, or neither',
    ],
    [
      `broker: { user: b, certificate: ${file('certificate')}, key: ${file('other')} }`,
      'targets[0].broker.key does not belong to the certificate',
    ],
    [`${broker}, tls: off`, 'targets[0].tls may be off only where `address` is this machine itself'],
    [`${broker}, tls: verify-ca`, 'targets[0].tls says `verify-ca` without an authority'],
    [`${broker}, tls: pinned`, 'targets[0].tls says `pinned` or `fingerprints`, and one needs the other'],
    [`${broker}, tls: { mode: verify-full, fingerprints: ["${'ab'.repeat(32)}"] }`, 'one needs the other'],
    [`${broker}, tls: { mode: pinned, fingerprints: ["abc"] }`, 'must be the SHA-256 of a certificate'],
    [
      `${broker}, tls: prefer`,
      'targets[0].tls must be `verify-full` or `verify-ca` or `pinned` or `off`, or a map with `mode`',
    ],
    [`${broker}, sensitive: ["a.b.c.d"]`, 'targets[0].sensitive[0] must be a table or one of its columns'],
    [`${broker}, hostKeys: first-use`, 'targets[0].hostKeys is not a known key'],
    [`${broker}, brokr: x`, 'targets[0].brokr is not a known key (did you mean `broker`?)'],
    [`${broker}, databases: []`, 'targets[0].databases must not be empty'],
  ])('a target with %s', (fields, complaint) => {
    expect(complaints(target(fields)).join('\n')).toContain(complaint)
  })

  test('a protocol that there is not, and a target that says none', () => {
    const other = (text: string) =>
      complaints(yamlWith({ targets: `targets: [{ name: web1, ${text} address: a }]` }))
    expect(other('protocol: mysql,')).toEqual(['targets[0].protocol must be `ssh` or `postgres`'])
    expect(other('')).toEqual(['targets[0].protocol is missing'])
  })

  test.each([
    ['deny: {}', 'deny must name statements or tables'],
    [
      'deny: { statements: [dropp] }',
      'deny.statements[0] must be a kind of statement that the documentation lists (did you mean `drop`?)',
    ],
    ['deny: { tables: ["a.b.c"] }', 'deny.tables[0] must be a table'],
    ['mask: [{ columns: [payments], with: last4 }]', 'mask[0].columns[0] must be a column of a table'],
    ['mask: [{ columns: [payments.card], with: blur }]', 'mask[0].with must be'],
    ['passwords: { for: 25h, connections: 1 }', 'passwords.for must be at most 24h'],
    ['passwords: { for: 5m, connections: 1001 }', 'passwords.connections must be at most 1000'],
    [
      'exec: [uptime]',
      'exec means something only on targets of the protocol `ssh`, and this rule covers none',
    ],
    ['channels: [shell]', 'channels means something only on targets of the protocol `ssh`'],
  ])('a rule with %s', (text, complaint) => {
    expect(complaints(rule(text)).join('\n')).toContain(complaint)
  })

  test('rules for databases on rules that cover none, and rules for a protocol that no target speaks', () => {
    const roles = (match: string, more: string) =>
      `roles: { r: { members: { groups: [x] }, allow: [{ targets: ${match}, logins: [root], ${more} }] } }`
    expect(complaints(yamlWith({ roles: roles('{ name: web1 }', 'deny: { statements: [drop] }') }))).toEqual([
      'roles.r.allow[0].deny means something only on targets of the protocol `postgres`, and this rule covers none',
    ])
    expect(complaints(yamlWith({ roles: roles('{ protocol: postgres }', 'sessions: {}') }))).toEqual([
      'roles.r.allow[0].targets.protocol is for `postgres`, and no target speaks it',
    ])
  })

  test.each([
    [
      'listen: "0.0.0.0:5432"',
      'postgres.listen is open to the network without TLS (add postgres.tls, or listen on 127.0.0.1)',
    ],
    [
      `listen: "0.0.0.0:5432", tls: { certificate: ${file('certificate')}, key: ${file('other')} }`,
      'postgres.tls.key does not belong to the certificate',
    ],
    ['listen: "127.0.0.1:5432", limits: { maxMessage: 2GiB }', 'postgres.limits.maxMessage must be at most'],
    [
      'listen: "127.0.0.1:5432", oauth: { issuer: "https://i", audience: a }',
      'postgres.oauth does not say which connections it is for',
    ],
    [
      'listen: "127.0.0.1:5432", oauth: { issuer: "https://i", audience: a, listen: "0.0.0.0:5433" }',
      'postgres.oauth.listen is open to the network without TLS',
    ],
  ])('the section %s', (text, complaint) => {
    expect(complaints(section(text)).join('\n')).toContain(complaint)
  })

  test('a listener without pages to sign in on', () => {
    const text = `${target(broker).replace(/^web: .*$/m, '')}\npostgres: { listen: "127.0.0.1:5432" }`
    expect(complaints(text)).toContain('postgres needs `web` beside it: people sign in on its pages')
  })

  test.each([
    ['results: 20', 'recording.results must be `none` or head:N'],
    ['results: head:0', 'recording.results must be `none` or head:N'],
    ['maskPatterns: ["*"]', 'recording.maskPatterns[0] must be one line'],
  ])('recordings with %s', (text, complaint) => {
    expect(complaints(yamlWith({ recording: `recording: { ${text} }` })).join()).toContain(complaint)
  })
})

test('a target says what it means in one word or in full, and keeps its secrets', () => {
  const short = configOf(target(broker), env).targets[0]
  expect(short).toMatchObject({
    protocol: 'postgres',
    host: '10.0.0.9',
    port: 5432,
    tls: { mode: 'verify-full' },
    broker: { user: 'b', database: 'postgres' },
    connector: 'role',
    sensitive: [],
  })
  expect(JSON.stringify(short)).not.toContain(env.BROKER)
  const pin = Array(32).fill('AB').join(':')
  const full = configOf(
    target(
      `connector: certificate, sensitive: [customers, "payments.card_*"], databases: [shop], tls: { mode: pinned, fingerprints: ["sha256 Fingerprint=${pin}"] }`,
    ),
    env,
  ).targets[0]
  expect(full).toMatchObject({
    connector: 'certificate',
    tls: { mode: 'pinned', fingerprints: ['ab'.repeat(32)] },
    sensitive: ['customers', 'payments.card_*'],
    databases: ['shop'],
  })
  const authorized = configOf(
    target(`${broker}, tls: { mode: verify-ca, authority: ${file('authority')} }`),
    env,
  )
  expect(authorized.targets[0]).toMatchObject({ tls: { authority: authority.trimEnd() } })
  const local = target(`${broker}, tls: "off"`).replace('10.0.0.9', '127.0.0.1')
  expect(configOf(local, env).targets[0]).toMatchObject({ tls: { mode: 'off' } })
})

test('the section, its rules and its recordings are read in our own units', () => {
  const oauth =
    'oauth: { listen: "127.0.0.1:5433", issuer: "http://127.0.0.1:9", audience: a, introspection: { endpoint: "https://i/introspect", clientId: c, clientSecret: env:OAUTH } }'
  const text = `${rule('deny: { statements: [drop] }, mask: [{ columns: [payments.card_number], with: last4 }], passwords: { for: 15m, connections: 10 }, replication: true')}
postgres: { listen: "127.0.0.1:5432", limits: { maxMessage: 1MiB }, ${oauth} }`
  const config = configOf(
    text.replace('recording: {}', 'recording: { results: "head:20", maskPatterns: ["sk-*"] }'),
    env,
  )
  expect(config.postgres).toMatchObject({
    serverName: 'bastion.example.com',
    limits: { maxMessageBytes: 1024 * 1024, startupTimeoutMs: 60_000 },
    oauth: { scope: 'openid', allowHttpIssuer: true },
  })
  expect(config.roles[0]?.allow[0]).toMatchObject({
    deny: { statements: ['drop'], tables: [] },
    mask: [{ columns: ['payments.card_number'], with: 'last4' }],
    passwords: { forMs: 900_000, connections: 10 },
    replication: true,
  })
  expect(config.recording).toMatchObject({ results: 20, maskPatterns: ['sk-*'] })
})

describe('patterns of tables and columns', () => {
  test.each([
    ['customers', { name: 'customers' }, true],
    ['customers', { schema: 'audit', name: 'customers' }, true],
    ['audit.customers', { name: 'customers' }, true],
    ['audit.customers', { schema: 'public', name: 'customers' }, false],
    ['audit.*', { schema: 'audit', name: 'log' }, true],
    ['audit.*', { schema: 'public', name: 'log' }, false],
    ['Customers', { name: 'customers' }, false],
    ['customers', { name: 'customers2' }, false],
  ])('%s and %o: %s', (pattern, table, expected) => {
    expect(matchesTable(pattern, table)).toBe(expected)
  })

  test('columns are those of the table that the pattern names', () => {
    expect(matchesColumn('payments.card_*', { name: 'payments' }, 'card_number')).toBe(true)
    expect(matchesColumn('payments.card_*', { name: 'orders' }, 'card_number')).toBe(false)
    expect(matchesColumn('app.payments.card_*', { schema: 'public', name: 'payments' }, 'card_number')).toBe(
      false,
    )
  })

  test('a wildcard means the same as in a regular expression', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
    fc.assert(
      fc.property(word, name, (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`)
        expect(matchesWildcard(pattern, text)).toBe(expression.test(text))
      }),
    )
  })
})
