/** The recordings folder as the place from which recordings go to where they are kept. */
import type { Fault } from '../../errors.ts'

/** What the recorder tells and asks. */
export type Spool = {
  /** A recording was begun; the path is relative to the recordings folder. */
  readonly opened: (recording: string) => void
  /** It is sealed and has its proofs. */
  readonly finished: (recording: string) => void
  /** Why no recording may be begun now, if so. */
  readonly refusal: () => Fault | undefined
  /** Hears why what is open has to end: there is no room for more. */
  readonly onFull: (listener: (fault: Fault) => void) => void
}
