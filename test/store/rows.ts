import type { LeaseRow, SignInRow } from '../../src/model.ts'
import { newFolder } from '../support/scratch.ts'

export function dataFolder(): string {
  return newFolder('data')
}

export function leaseOf(row: Partial<LeaseRow> = {}): LeaseRow {
  return {
    id: 'l1',
    session: 's1',
    target: 'web1',
    kind: 'ssh-certificate',
    detail: '42',
    owner: 'o1',
    state: 'intended',
    createdAtMs: 1000,
    expiresAtMs: 61_000,
    ...row,
  }
}

export function signInOf(row: Partial<SignInRow> = {}): SignInRow {
  const principal = {
    issuer: 'https://login.example.com',
    subject: 'ann-1',
    name: 'Ann',
    email: undefined,
    emailVerified: false,
    groups: ['ops'],
    authenticatedAtMs: 1000,
    expiresAtMs: 9000,
  }
  return { tokenHash: 'h1', principal, createdAtMs: 1000, expiresAtMs: 9000, ...row }
}
