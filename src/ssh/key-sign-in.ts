/** What a key that has signed means at the SSH door: a certificate, an enrolled key, or nobody yet. */
import type { EnrolledKeys } from '../identity/enrolled-keys.ts'
import type { ProvenKey } from '../identity/key-proof.ts'
import { type Principal, principalOfCertificate } from '../identity/principal.ts'
import type { SignInCertificate, SignInCertificateRefusal } from '../identity/sign-in-certificate.ts'
import type { SignInQuestion } from '../identity/waiting-sign-in.ts'
import type { Log } from '../log.ts'
import type { Ending } from '../session/session.ts'
import type { KeyVerdict, SignInProof } from './authentication.ts'

export type KeySignInParts = {
  readonly enrolled: Pick<EnrolledKeys, 'signIn' | 'enrol' | 'mayBeEnrolled' | 'onRevoked'>
  readonly checkCertificate: (
    key: ProvenKey,
    sourceAddress: string,
  ) => SignInCertificate | SignInCertificateRefusal
  /** Where people see their keys, without `/keys`. */
  readonly webUrl: string
  readonly log: Log
}

/** Whom the key signs in from there. Rejects where the store does not answer. */
export async function judgeKey(
  key: ProvenKey,
  sourceAddress: string,
  parts: KeySignInParts,
): Promise<KeyVerdict> {
  return key.fields.certificate === undefined
    ? await judgeEnrolled(key, sourceAddress, parts)
    : judgeCertificate(key, sourceAddress, parts)
}

async function judgeEnrolled(
  key: ProvenKey,
  sourceAddress: string,
  { enrolled, log, webUrl }: KeySignInParts,
): Promise<KeyVerdict> {
  const { fingerprint } = key.fields.key
  const answer = await enrolled.signIn(key, sourceAddress)
  if (answer.kind === 'not-enrolled') {
    log.debug({ source: sourceAddress, fingerprint, why: answer.why }, 'a key signed that signs nobody in')
    return { kind: 'unknown' }
  }
  const notice = `Signed in with your enrolled key ${fingerprint}, until ${answer.until}. Not you? Revoke it: ${webUrl}/keys`
  return {
    kind: 'signed-in',
    principal: answer.principal,
    proof: { method: 'enrolled-key', key, id: answer.row.id, notice },
  }
}

/** Why a certificate is refused is for the log: anybody can make one, and the audit log is not theirs to fill. */
function judgeCertificate(
  key: ProvenKey,
  sourceAddress: string,
  { checkCertificate, log }: KeySignInParts,
): KeyVerdict {
  const { fingerprint } = key.fields.key
  const checked = checkCertificate(key, sourceAddress)
  if (typeof checked === 'string') {
    log.info({ source: sourceAddress, fingerprint, why: checked }, 'a certificate was refused')
    return { kind: 'unknown' }
  }
  const principal = principalOfCertificate(checked)
  return { kind: 'signed-in', principal, proof: { method: 'certificate', key } }
}

/** For the page that the browser sees: which key signed, and whether it could be enrolled. */
export function describeKey(
  key: ProvenKey,
  { enrolled }: KeySignInParts,
): Pick<SignInQuestion, 'keyFingerprint' | 'keyMayBeEnrolled'> {
  if (key.fields.certificate !== undefined) return {}
  return { keyFingerprint: key.fields.key.fingerprint, keyMayBeEnrolled: enrolled.mayBeEnrolled(key) }
}

/** For the audit log. A FIDO key's counter that goes back says that there are two of it. */
export function describeProof(proof: SignInProof): Readonly<Record<string, string | number>> {
  if (proof.method === 'browser-code') return {}
  const { key, facts, certificate } = proof.key.fields
  return {
    fingerprint: key.fingerprint,
    keyType: key.type,
    ...(facts.fido === undefined
      ? {}
      : { fidoCounter: facts.fido.counter, userVerified: facts.fido.userVerified ? 'yes' : 'no' }),
    ...(certificate === undefined ? {} : { serial: String(certificate.serial), keyId: certificate.keyId }),
  }
}

/**
 * Says what there is to say about keys after a sign-in: a key that signs in without a prompt never does so unseen. Enrols the
 * key of this connection, if its person ticked it. Empty where there is nothing to say.
 */
export async function noticeOf(
  proof: SignInProof,
  principal: Principal,
  sourceAddress: string,
  parts: KeySignInParts,
): Promise<string> {
  switch (proof.method) {
    case 'browser-code':
      return await enrolProvenKey(proof.enrol, principal, sourceAddress, parts)
    case 'enrolled-key':
      return proof.notice
    case 'certificate':
      return ''
  }
}

/** Calls `end` when the key that signed in is revoked, until the returned function is called. */
export function whenRevoked(
  proof: SignInProof,
  { enrolled }: KeySignInParts,
  end: (ending: Ending) => void,
): () => void {
  if (proof.method !== 'enrolled-key') return () => {}
  return enrolled.onRevoked(id => {
    if (id !== proof.id) return
    end({
      reason: 'the key that opened it was revoked',
      userText: 'The key that opened this session was revoked, so the session ends.',
    })
  })
}

async function enrolProvenKey(
  key: ProvenKey | undefined,
  principal: Principal,
  sourceAddress: string,
  { enrolled, webUrl }: KeySignInParts,
): Promise<string> {
  if (key === undefined) return ''
  const result = await enrolled.enrol(key, principal, sourceAddress)
  if (result.kind === 'refused') return result.userText
  const { fingerprint, network } = result.row
  return `Your key ${fingerprint} signs you in from ${network} until ${result.until}. Your keys: ${webUrl}/keys`
}
