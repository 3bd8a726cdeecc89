/** An encrypted recording, opened in this page with the auditor's own key. Neither the key nor what it opens leaves it. */
import { openRecording } from '../../../recording.ts'
import { isLocked, parseKey, unlockKey } from '../../../unlock.ts'
import { getBytes } from '../../api.ts'
import { readingText } from '../../player/reading.ts'
import { type ReadStatements, statementsIn } from './statements-in.ts'

/** A whole recording is in memory here, and what it inflates to besides. Bytes. */
const maxStoredBytes = 256 * 1024 * 1024

export type OpenedStatements = ReadStatements & {
  /** False if its end is missing. */
  readonly isSealed: boolean
}

/** Throws with a sentence for whoever chose the key. */
export async function openSealedStatements(
  session: string,
  openedAtMs: number,
  key: string,
  passphrase: string,
  say: (text: string) => void,
): Promise<OpenedStatements> {
  const jwk = parseKey(isLocked(key) ? await unlockKey(key, passphrase) : key)
  const stored = await getBytes(`/sessions/${session}/recording`)
  if (stored.byteLength > maxStoredBytes)
    throw new Error(
      'The recording is too large for this page. Take it out with "sallyport export" and your key.',
    )
  const { events, isSealed } = await openRecording(stored, jwk, share => say(readingText(share)))
  return { ...statementsIn(events, openedAtMs), isSealed }
}
