import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explain } from '../../src/policy/explain.ts'
import { decide, type Grant } from '../../src/policy/decide.ts'
import { allowsForward, type ForwardPlace } from '../../src/policy/forward.ts'
import { complaintsOf, yamlWith } from '../config/yaml-file.ts'
import { fieldsOf, NOON, personWith, policyWith } from './people.ts'

const wish = { target: 'web1', login: 'root', sourceAddress: '10.1.1.1' }

function policyOf(rule: string) {
  return policyWith(`ops:
  members: { groups: [ops] }
  allow:
    - { targets: { name: web1 }, logins: [root], ${rule} }`)
}

function grantOf(rule: string): Grant {
  const decision = decide(policyOf(rule), personWith(), wish, NOON)
  if (decision.kind === 'deny') throw new Error(decision.denial.userText)
  return decision.grant
}

const forwarding = (places: string): Grant => grantOf(`channels: [shell, forward], forward: { ${places} }`)
const to = (grant: Grant, place: ForwardPlace): boolean =>
  allowsForward(grant, { direction: 'to', place }).allowed
const port = (host: string, number = 80): ForwardPlace => ({ host, port: number })

describe('without `forward` in its channels a rule forwards', () => {
  test('nothing at all', () => {
    expect(
      allowsForward(grantOf('channels: [shell]'), { direction: 'to', place: port('localhost') }),
    ).toEqual({
      allowed: false,
      reason: 'Policy does not allow forward here, only shell.',
    })
    expect(to(grantOf('exec: [uptime]'), port('localhost'))).toBe(false)
  })
})

describe('without places of its own a rule forwards to', () => {
  const grant = grantOf('channels: [shell, forward]')

  for (const host of [
    '10.0.0.1',
    'localhost.evil.example',
    '::2',
    '127.1',
    '0x7f.1',
    '0',
    '0.0.0.0',
    '::',
    '',
    '::1%lo',
    '128.0.0.1',
    'localhost\0',
  ])
    test(`not ${JSON.stringify(host)}`, () => expect(to(grant, port(host))).toBe(false))
  for (const host of [
    'localhost',
    'LOCALHOST',
    'localhost.',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '::ffff:127.0.0.1',
  ])
    test(`the loopback of the target: ${host}`, () => expect(to(grant, port(host))).toBe(true))

  test('no socket', () => expect(to(grant, { path: '/run/x' })).toBe(false))
  test('nothing that the target listens on', () => {
    expect(allowsForward(grant, { direction: 'from', place: port('localhost', 8000) })).toEqual({
      allowed: false,
      reason: 'Policy does not allow listening on localhost:8000 here, only nowhere.',
    })
  })
})

describe('places of a rule', () => {
  test('refusals name what was asked for, harmless to show, and what is allowed', () => {
    expect(
      allowsForward(forwarding('to: ["localhost:*", "/run/*"]'), {
        direction: 'to',
        place: port('a\u001b[2Jb', 5432),
      }),
    ).toEqual({
      allowed: false,
      reason: 'Policy does not allow forwards to a\\u{1b}[2Jb:5432 here, only localhost:*, /run/*.',
    })
  })

  const cases: [string, ForwardPlace, boolean][] = [
    ['db1.internal:5432', port('db1.internal', 5433), false],
    ['db1.internal:5432', port('xdb1.internal', 5432), false],
    ['db1.internal:5432', port('DB1.internal.', 5432), true],
    ['web:8000-8999', port('web', 7999), false],
    ['web:8000-8999', port('web', 9000), false],
    ['web:8000-8999', port('web', 8000), true],
    ['web:8000-8999', port('web', 8999), true],
    ['10.0.8.0/24:*', port('10.0.9.1'), false],
    ['10.0.8.0/24:*', port('10.0.8.9.example.com'), false],
    ['10.0.8.0/24:*', port('::ffff:10.0.8.9'), true],
    ['[2001:db8::/32]:443', port('2001:db8::7', 443), true],
    ['[2001:db8::/32]:443', port('2001:db9::7', 443), false],
    ['[::1]:22', port('0:0:0:0:0:0:0:1', 22), true],
    ['*.example.com:443', port('example.com', 443), false],
    ['*.example.com:443', port('badexample.com', 443), false],
    ['*.example.com:443', port('a.b.example.com', 443), true],
    ['*:443', port('127.1', 443), true],
    ['*:443', { path: '/run/x' }, false],
    ['/run/postgresql/*', { path: '/run/postgresql/.s.PGSQL.5432' }, true],
    ['/run/postgresql/*', { path: '/run/postgresql/a/b' }, false],
    ['/run/postgresql/*', { path: '/run/postgresql/..' }, false],
    ['/run/postgresql/*', { path: '/run/postgresql/../docker.sock' }, false],
    ['/run/postgresql/*', { path: '/run//postgresql/x' }, false],
    ['/run/postgresql/*', { path: 'run/postgresql/x' }, false],
    ['/run/postgresql/*', { path: '/run/postgresql/x\0/y' }, false],
    ['/run/postgresql/*', { path: '/run/postgresql/' }, false],
    ['/tmp/**', { path: '/tmp/a/b/c' }, true],
    ['/tmp/**', { path: '/tmp/a/../../run/docker.sock' }, false],
    ['/tmp/**', { path: '/tmp' }, false],
    ['/tmp/a*b*c', { path: '/tmp/abc' }, true],
    ['/tmp/ab*bc', { path: '/tmp/abc' }, false],
    ['/tmp/a*b*c', { path: '/tmp/a12c' }, false],
  ]
  for (const [rule, place, expected] of cases)
    test(`${rule} ${expected ? 'covers' : 'does not cover'} ${JSON.stringify(place)}`, () =>
      expect(to(forwarding(`to: ["${rule}"]`), place)).toBe(expected))

  test('any free port may be asked for only where any port may be', () => {
    const listen = (rule: string, host: string): boolean =>
      allowsForward(forwarding(`from: ["${rule}"]`), { direction: 'from', place: { host, port: 0 } }).allowed
    expect(listen('localhost:8000-8999', 'localhost')).toBe(false)
    expect(listen('localhost:*', 'localhost')).toBe(true)
    expect(listen('localhost:*', '')).toBe(false)
    expect(listen('*:*', '')).toBe(true)
  })

  test('`from` alone leaves `to` at the loopback', () => {
    const grant = forwarding('from: ["localhost:8000"]')
    expect(to(grant, port('localhost'))).toBe(true)
    expect(to(grant, port('web2'))).toBe(false)
  })

  test('property: a path is covered by a step pattern exactly when the regular expression says so', () => {
    const text = fc
      .string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 })
      .filter(s => s.length > 0 && s !== '**')
    const step = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(text, step, (pattern, path) => {
        const expected = new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`).test(path)
        expect(to(forwarding(`to: ["/${pattern}"]`), { path: `/${path}` })).toBe(expected)
      }),
      { numRuns: 60 },
    )
  })
})

describe('the configuration', () => {
  const complaints = (rule: string): string[] =>
    complaintsOf(
      yamlWith({
        roles: `roles: { ops: { members: { groups: [x] }, allow: { targets: { name: web1 }, logins: [a], ${rule} } } }`,
      }),
    )

  test('says which place cannot be read, and why', () => {
    const found = complaints(
      'channels: [forward], forward: { to: [localhost, "a:0", "a:9-8", "a:70000", "/a/../b", "/a/**/b", "[x]:1", "10.0.0.1/8:1", 7, "*.1.2.3.4:1"], from: ["::1:5"] }',
    )
    expect(found).toHaveLength(11)
    expect(found[0]).toContain('allow.forward.to[0] must be host:port or a path')
    expect(found[10]).toContain('allow.forward.from[0]')
  })

  test('does not take places where nothing is forwarded', () => {
    expect(complaints('forward: { to: ["localhost:*"] }')[0]).toContain(
      'forward says where forwards may lead, but `channels` does not allow any',
    )
    expect(complaints('channels: [forward], forward: {}')[0]).toContain('must say where forwards may lead')
  })
})

test('explain says where forwards may lead', () => {
  const said = explain(policyOf('channels: [forward], forward: { to: ["db:5432"] }'), fieldsOf(), wish, NOON)
  expect(said).toContain('  forwards to: db:5432 (as the target sees it)\n  listening on the target: nowhere')
})
