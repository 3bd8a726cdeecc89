import { execFileSync } from 'node:child_process'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jdbcUrl, oauthPsqlLine, psqlLine, sshLine } from '../../src/api/command-lines.ts'
import { placesOf } from '../../src/api/places.ts'
import { configOf } from '../config/yaml-file.ts'
import { fieldsOf, NOON as now } from '../policy/people.ts'

const policy = configOf(`
gateway: { name: bastion.example.com, data: /var/lib/sallyport }
ssh: { listen: "0.0.0.0:22" }
postgres: { listen: "127.0.0.1:5432" }
web: { listen: "127.0.0.1:8443", url: "https://bastion.example.com" }
identity: { issuer: "https://login.example.com", clientId: sallyport }
targets:
  - { name: web1, protocol: ssh, address: 10.0.0.1, labels: { env: prod }, hostKeys: first-use }
  - { name: orders, protocol: postgres, address: 10.0.0.9, labels: { env: prod }, connector: certificate, databases: [shop, postgres] }
  - { name: secret, protocol: postgres, address: 10.0.0.10, connector: certificate }
roles:
  ops:
    members: { groups: [ops] }
    allow:
      - { targets: { name: web1 }, logins: [deploy, root] }
      - { targets: { name: orders }, logins: [app_owner], when: { from: [10.0.0.0/8] } }
      - { targets: { name: orders }, logins: [app_readonly], passwords: { for: 1h, connections: 20 } }
  others:
    members: { groups: [others] }
    allow: [{ targets: { name: secret }, logins: [app_owner] }]
`)

describe('what somebody may open', () => {
  test('is nothing for who has no role, or whose sign-in is over', () => {
    expect(placesOf(policy, fieldsOf({ groups: [] }), '10.0.0.7', now)).toEqual([])
    expect(placesOf(policy, fieldsOf({ expiresAtMs: now }), '10.0.0.7', now)).toEqual([])
  })

  test('is every login of their roles from there, and how often a password works', () => {
    const from = (address: string) =>
      placesOf(policy, fieldsOf(), address, now).map(({ login, target }) => `${login}@${target}`)
    expect(from('10.0.0.7')).toEqual(['deploy@web1', 'root@web1', 'app_owner@orders', 'app_readonly@orders'])
    expect(from('192.0.2.1')).toEqual(['deploy@web1', 'root@web1', 'app_readonly@orders'])
    expect(placesOf(policy, fieldsOf(), '192.0.2.1', now).at(-1)).toEqual({
      protocol: 'postgres',
      target: 'orders',
      labels: { env: 'prod' },
      login: 'app_readonly',
      database: 'shop',
      passwords: { forMs: 3_600_000, connections: 20 },
    })
  })
})

const endpoint = { host: 'bastion.example.com', port: 5432, tls: true, browserSignIn: true }
const place = { login: 'app_readonly', target: 'orders', database: 'shop' }

describe('lines to copy', () => {
  test('leave out what clients assume', () => {
    expect(sshLine({ host: 'bastion.example.com', port: 22 }, place)).toBe(
      'ssh app_readonly@orders@bastion.example.com',
    )
    expect(psqlLine(endpoint, place)).toBe(
      "psql 'host=bastion.example.com user=app_readonly@orders dbname=shop sslmode=verify-full'",
    )
    expect(psqlLine({ ...endpoint, host: '127.0.0.1', port: 6000, tls: false }, place)).toBe(
      "psql 'host=127.0.0.1 port=6000 user=app_readonly@orders dbname=shop'",
    )
    expect(jdbcUrl(endpoint, place)).toBe(
      'jdbc:postgresql://bastion.example.com/shop?user=app_readonly%40orders&sslmode=verify-full',
    )
    expect(jdbcUrl({ ...endpoint, host: '::1', port: 6000 }, place)).toContain(
      'jdbc:postgresql://[::1]:6000/shop?',
    )
    expect(
      oauthPsqlLine({ ...endpoint, issuer: 'https://login.example.com', clientId: 'psql' }, place),
    ).toMatch(/sslmode=verify-full oauth_issuer=https:\/\/login\.example\.com oauth_client_id=psql'$/)
  })

  test('name a file with the certificate of a private authority, for libpq and for JDBC', () => {
    const options = { withAuthority: true }
    expect(psqlLine(endpoint, place, options)).toMatch(/ sslmode=verify-full sslrootcert=authority\.pem'$/)
    expect(jdbcUrl(endpoint, place, options)).toMatch(/&sslmode=verify-full&sslrootcert=authority\.pem$/)
    const oauth = { ...endpoint, issuer: 'https://login.example.com', clientId: 'psql' }
    expect(oauthPsqlLine(oauth, place, options)).toContain(' sslrootcert=authority.pem oauth_issuer=')
  })

  test('are one word of a shell and one value of libpq each, whatever a login or database is called', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }), database => {
        const line = psqlLine(endpoint, { ...place, database })
        const said = execFileSync('/bin/sh', ['-c', `set -- ${line}; printf %s "$#:$2"`], {
          encoding: 'utf8',
        })
        const [, value = ''] = /^2:host=\S+ user=\S+ dbname=(.*) sslmode=verify-full$/s.exec(said) ?? []
        expect(unquoted(value)).toBe(database)
      }),
      { numRuns: 60 },
    )
  })
})

/** As libpq's conninfo_parse reads a value: quoted with ' and \ before ' and \, or bare without spaces. */
function unquoted(value: string): string {
  if (!value.startsWith("'")) {
    expect(value).not.toMatch(/[\s'\\]/)
    return value
  }
  expect(value).toMatch(/^'(?:[^'\\]|\\.)*'$/s)
  return value.slice(1, -1).replaceAll(/\\(.)/gs, '$1')
}
