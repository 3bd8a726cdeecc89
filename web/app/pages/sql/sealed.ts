/** An encrypted recording, opened in this page with the auditor's own key. Neither the key nor what it opens leaves it. */
import type { SessionFact } from '../../../../src/api/schema.ts'
import { openingFactsIn } from '../../../../src/api/v1/replay/opening-words.ts'
import { openRecording } from '../../../recording.ts'
import { fetchSealed, readingText } from '../../player/sealed-file.ts'
import { type ReadStatements, statementsIn } from './statements-in.ts'

export type OpenedStatements = ReadStatements & {
  /** What the details say of a recording that the gateway can read. */
  readonly facts: readonly SessionFact[]
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
  const { stored, key: jwk } = await fetchSealed(session, key, passphrase)
  const { events, isSealed } = await openRecording(stored, jwk, share => say(readingText(share)))
  return { ...statementsIn(events, openedAtMs), facts: [...openingFactsIn(events)], isSealed }
}
