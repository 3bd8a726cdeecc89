/** Ways to skip a step of the door. Each line marked "must not compile" is an attack; `invariants.test.ts` compiles this file. */
import type { Probe } from '../../../src/audit/audit-log.ts'
import type { PostgresTarget } from '../../../src/config/config.ts'
import { type MintParts, mintProbeCredential, mintSshCredential } from '../../../src/credentials/mint.ts'
import type { HostProof } from '../../../src/credentials/host-key.ts'
import {
  mintPostgresCredential,
  type PostgresCredentialParts,
} from '../../../src/credentials/postgres/certificate.ts'
import type { About, PostgresCredential } from '../../../src/credentials/postgres/role.ts'
import {
  type ClientCertificate,
  reachAgain,
  reachPostgres,
  type TargetProof,
} from '../../../src/credentials/postgres/target-proof.ts'
import type { ProvenKey } from '../../../src/identity/key-proof.ts'
import type { MachineToken } from '../../../src/identity/machine-token.ts'
import { type Principal, principalOfCertificate, principalOfKey } from '../../../src/identity/principal.ts'
import type { SignInCertificate } from '../../../src/identity/sign-in-certificate.ts'
import type { EnrolledKeyRow } from '../../../src/model.ts'
import { decide, type Grant, type GrantFields, type Policy } from '../../../src/policy/decide.ts'
import type { Recorder, Recording } from '../../../src/recorder/recorder.ts'
import type { Session } from '../../../src/session/session.ts'
import { openUpstream, type UpstreamHandlers, type UpstreamParts } from '../../../src/ssh/upstream.ts'

declare const fields: GrantFields
declare const proven: ProvenKey
declare const certificate: SignInCertificate
declare const token: MachineToken
declare const enrolled: EnrolledKeyRow
declare const policy: Policy
declare const recorder: Recorder
declare const recording: Recording
declare const proof: HostProof
declare const probe: Probe
declare const grant: Grant
declare const mint: MintParts
declare const upstream: UpstreamParts
declare const handlers: UpstreamHandlers
declare const database: PostgresTarget
declare const targetProof: TargetProof
declare const about: About
declare const postgres: PostgresCredentialParts
declare const client: ClientCertificate

export const forgedPrincipal: Principal = { fields: fields.principal.fields } // must not compile
export const forgedGrant: Grant = { fields, endingNoLaterThan: () => grant } // must not compile
export const forgedKey: ProvenKey = { fields: proven.fields } // must not compile
export const forgedCertificate: SignInCertificate = { fields: certificate.fields } // must not compile
export const forgedToken: MachineToken = { fields: token.fields } // must not compile
principalOfKey(enrolled, { fields: proven.fields }, 0) // must not compile
principalOfCertificate({ fields: certificate.fields }) // must not compile
decide(policy, { fields: fields.principal.fields }, { sourceAddress: '127.0.0.1' }, 0) // must not compile
recorder.open({ fields }, { session: 'x', protocol: 'ssh' }) // must not compile
void mintSshCredential({ grant: { fields }, recording, proof }, '127.0.0.1', mint) // must not compile
void mintSshCredential({ grant, recording: { session: 'x' }, proof }, '127.0.0.1', mint) // must not compile
void mintSshCredential({ grant, recording, proof: { target: fields.target } }, '127.0.0.1', mint) // must not compile
void mintProbeCredential({ probe: { target: 'web1' }, proof, login: 'root' }, '127.0.0.1', mint) // must not compile
export const forgedSession: Session = { id: 'x', recording, grant } // must not compile
void openUpstream({ id: 'x', recording, grant }, upstream, handlers) // must not compile
export const forgedProof: TargetProof = { target: database, by: 'pinned', fingerprint: 'ab' } // must not compile
void mintPostgresCredential({ grant: { fields }, recording, proof: targetProof }, about, postgres) // must not compile
void mintPostgresCredential({ grant, recording: { session: 'x' }, proof: targetProof }, about, postgres) // must not compile
void mintPostgresCredential({ grant, recording, proof: { target: database } }, about, postgres) // must not compile
void mintPostgresCredential({ grant, recording, proof }, about, postgres) // must not compile
void reachPostgres({ grant, recording: { session: 'x' } }, database, { timeoutMs: 1 }) // must not compile
void reachPostgres({ target: 'orders', why: 'no reason' }, database, { timeoutMs: 1 }) // must not compile
void reachAgain({ target: database, by: 'pinned', fingerprint: 'ab' }, client, { timeoutMs: 1 }) // must not compile
export const forgedCredential: PostgresCredential = { kind: 'role', user: 'sp_x', applicationName: 'x' } // must not compile
