import { Fault } from '../../errors.ts'

/** A frame that may not be, as a value: the frames before it are good, nothing after it can be believed. */
export type ProtocolViolation = {
  readonly sqlstate: '08P01'
  /** For whoever sent it: what was wrong, with numbers but without content. */
  readonly message: string
  /** Offset in the chunk of the frame's first byte; negative if it began in an earlier chunk. */
  readonly offset: number
}

/** A body that does not hold what its type says. `userText` may be shown to whoever sent it, with SQLSTATE 08P01. */
export class MalformedMessage extends Fault {
  constructor(what: string) {
    super('POSTGRES_PROTOCOL', `malformed protocol message: ${what}`)
    this.name = 'MalformedMessage'
  }
}
