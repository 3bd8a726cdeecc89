/** Claims about the log of sessions: who signed a checkpoint, and that the log only grew between two of them. */
import { fromBase64 } from './bytes.ts'
import { type Checkpoint, claimsOneOf, parseCheckpoint, signerOf } from './checkpoint.ts'
import { provesConsistency } from './merkle.ts'
import type { Check } from './recording.ts'
import type { TrustedKey } from './trust.ts'

export type OpenedCheckpoint = { readonly check: Check; readonly checkpoint: Checkpoint | undefined }

/** Whether a checkpoint is what it says: signed, by a key that is believed, under this log's name. */
export async function checkCheckpoint(
  note: string,
  { origin, keys }: { readonly origin: string; readonly keys: readonly TrustedKey[] },
): Promise<OpenedCheckpoint> {
  const name = 'Signature'
  const checkpoint = parseCheckpoint(note)
  if (typeof checkpoint === 'string')
    return {
      checkpoint: undefined,
      check: { name, state: 'failed', says: `This is no checkpoint: ${checkpoint}.` },
    }
  if (checkpoint.origin !== origin)
    return {
      checkpoint: undefined,
      check: { name, state: 'failed', says: `It is of another log, ${checkpoint.origin}.` },
    }
  return { checkpoint, check: { name, ...(await signatureOf(checkpoint, keys)) } }
}

async function signatureOf(
  checkpoint: Checkpoint,
  keys: readonly TrustedKey[],
): Promise<Pick<Check, 'state' | 'says'>> {
  const signer = await signerOf(checkpoint, keys)
  if (signer?.state === 'revoked')
    return { state: 'not-checked', says: `Signed by ${signer.keyId}, which was revoked.` }
  if (signer !== undefined) return { state: 'verified', says: `Signed by ${signer.keyId}.` }
  if (await claimsOneOf(checkpoint, keys))
    return { state: 'failed', says: 'The signature is not by the key that it names: it was changed.' }
  return { state: 'not-checked', says: 'You have pinned no key that vouches for who signed it.' }
}

/** That the larger one begins with the smaller one. `proof` is what the gateway gives for it, in base64. */
export async function checkGrowth(a: Checkpoint, b: Checkpoint, proof: readonly string[]): Promise<Check> {
  const [earlier, later] = a.size <= b.size ? [a, b] : [b, a]
  const name = `From ${earlier.size} to ${later.size} entries`
  const hashes = proof.map(fromBase64).filter(hash => hash !== undefined)
  const isRight = hashes.length === proof.length && (await provesConsistency(earlier, later, hashes))
  return isRight
    ? {
        name,
        state: 'verified',
        says: 'The log only grew: nothing in it was removed, replaced or put in another order.',
      }
    : {
        name,
        state: 'failed',
        says: 'The gateway cannot show that the log only grew between them. Keep both checkpoints, and ask why.',
      }
}
