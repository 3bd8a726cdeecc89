/** Whether what a webhook's answer asks for is done. Pure. Whoever holds a webhook's address can ask; the configuration alone allows. */
import type { AskWord } from '../config/notify-schema.ts'

/** Of one webhook, so many asks are looked at in a minute: a receiver that was taken over must not end session after session. */
export const maxAsksPerMinute = 30

export type AskRefusal =
  /** The configuration does not let this webhook ask for it. */
  | 'not-allowed'
  | 'too-many'
  /** No such session is open. */
  | 'not-open'
  /** There is no such session. */
  | 'not-known'
  /** This gateway cannot do it. */
  | 'not-available'

export type AskFacts = {
  readonly ask: AskWord
  /** Of the webhook's configuration. */
  readonly may: readonly AskWord[]
  /** Asks of this webhook in the last minute, this one included. */
  readonly asksInMinute: number
}

/** Undefined: it is allowed. */
export function refusedAsk({ ask, may, asksInMinute }: AskFacts): AskRefusal | undefined {
  if (asksInMinute > maxAsksPerMinute) return 'too-many'
  return may.includes(ask) ? undefined : 'not-allowed'
}
