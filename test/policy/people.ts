import type { Config } from '../../src/config/config.ts'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import type { PrincipalFields, SessionRow } from '../../src/model.ts'
import { configOf } from '../config/yaml-file.ts'

/** A Wednesday, 12:00 in UTC. */
export const NOON = Date.UTC(2025, 0, 15, 12)
export const HOUR = 3_600_000

export function fieldsOf(fields: Partial<PrincipalFields> = {}): PrincipalFields {
  return {
    issuer: 'https://login.example.com',
    subject: 'ann-1',
    name: 'ann@example.com',
    email: 'ann@example.com',
    emailVerified: true,
    groups: ['ops'],
    authenticatedAtMs: NOON - HOUR,
    expiresAtMs: NOON + 100 * HOUR,
    ...fields,
  }
}

/** A principal as the store would give it back. */
export function personWith(fields: Partial<PrincipalFields> = {}): Principal {
  const principal = fieldsOf(fields)
  return restorePrincipal({ tokenHash: 'x', principal, createdAtMs: 0, expiresAtMs: principal.expiresAtMs })
}

/** Two targets in production and one in test, with the roles that the test gives (YAML below `roles:`). */
export function policyWith(roles: string): Config {
  return configOf(`
gateway: { name: bastion.example.com, data: /var/lib/sallyport }
ssh: { listen: "0.0.0.0:22" }
web: { listen: "127.0.0.1:8443", url: "https://bastion.example.com" }
identity: { issuer: "https://login.example.com", clientId: sallyport }
targets:
  - { name: web1, protocol: ssh, address: 10.0.0.1, labels: { env: prod, app: web }, hostKeys: first-use }
  - { name: web2, protocol: ssh, address: 10.0.0.2, labels: { env: prod }, hostKeys: first-use }
  - { name: lab, protocol: ssh, address: 10.0.0.3, labels: { env: test }, hostKeys: first-use }
roles:
${roles.replace(/^/gm, '  ')}
`)
}

export function sessionOf(row: Partial<SessionRow> = {}): SessionRow {
  return {
    id: 's1',
    protocol: 'ssh',
    issuer: 'https://login.example.com',
    subject: 'bob-2',
    principalName: 'bob@example.com',
    target: 'web1',
    login: 'root',
    role: 'ops',
    sourceAddress: '10.1.1.1',
    owner: 'o1',
    openedAtMs: NOON,
    endedAtMs: undefined,
    state: 'open',
    endReason: undefined,
    recording: 's1.rec',
    ...row,
  }
}
