/** Ways to skip a step of the door. Each line marked "must not compile" is an attack; `invariants.test.ts` compiles this file. */
import type { Probe } from '../../../src/audit/audit-log.ts'
import { type MintParts, mintProbeCredential, mintSshCredential } from '../../../src/credentials/mint.ts'
import type { HostProof } from '../../../src/credentials/host-key.ts'
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
