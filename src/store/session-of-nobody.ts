import type { Protocol, SessionRow } from '../model.ts'

/** A row that no session has, and no person: an issuer is an address, and the empty one is none. */
export function sessionOfNobody(protocol: Protocol, target: string): SessionRow {
  return {
    id: '',
    protocol,
    issuer: '',
    subject: '',
    principalName: '',
    target,
    login: '',
    role: '',
    sourceAddress: '',
    owner: '',
    openedAtMs: 0,
    endedAtMs: undefined,
    state: 'ended',
    endReason: undefined,
    recording: '',
  }
}
