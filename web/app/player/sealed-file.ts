/** An encrypted recording as it is stored, and the key of an auditor, both in the memory of this page and nowhere else. */
import type { JWK } from 'jose'
import { isLocked } from '../../locked.ts'
import { parseKey, unlockKey } from '../../unlock.ts'
import { getBytes } from '../api.ts'

/** A whole recording is in memory here, and what it inflates to besides. Bytes. */
const maxStoredBytes = 256 * 1024 * 1024

export type SealedFile = { readonly stored: ArrayBuffer; readonly key: JWK }

/** Throws with a sentence for whoever chose the key. */
export async function fetchSealed(session: string, key: string, passphrase: string): Promise<SealedFile> {
  const jwk = parseKey(isLocked(key) ? await unlockKey(key, passphrase) : key)
  const stored = await getBytes(`/sessions/${session}/recording`)
  if (stored.byteLength <= maxStoredBytes) return { stored, key: jwk }
  throw new Error(
    'The recording is too large for this page. Take it out with "sallyport export" and your key.',
  )
}

/** `share`: 0 to 1. In steps, since it is read out. */
export function readingText(share: number): string {
  return `Reading the recording: ${Math.floor(share * 20) * 5} %`
}
