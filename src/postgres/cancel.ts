/** Passes a CancelRequest on to the target of a session, as trusted as the session itself. */
import type { AuditLog } from '../audit/audit-log.ts'
import { type ProvenConnection, reachPostgres } from '../credentials/postgres/target-proof.ts'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Session } from '../session/session.ts'
import type { BackendKeyData } from './wire/backend.ts'
import { encodeCancelRequest } from './wire/startup.ts'

export type CancelParts = {
  readonly audit: AuditLog
  readonly log: Log
  readonly timeoutMs: () => number
}

/** The running session that somebody with its key wants to interrupt. */
export class SessionCancel {
  readonly #session: Session
  readonly #key: BackendKeyData
  readonly #note: (from: string) => void
  readonly #parts: CancelParts
  /** One at a time: more at the same moment interrupt nothing more. */
  #running: Promise<void> | undefined

  /** `key` is the target's; `note` puts the request into the recording. */
  constructor(session: Session, key: BackendKeyData, note: (from: string) => void, parts: CancelParts) {
    this.#session = session
    this.#key = key
    this.#note = note
    this.#parts = parts
  }

  /** Resolves when the target has taken it, or it could not be brought there. */
  request(from: string): Promise<void> {
    if (this.#session.ended) return Promise.resolve()
    this.#note(from)
    this.#parts.audit.append({ kind: 'cancel-request', session: this.#session.id, sourceAddress: from })
    return (this.#running ??= this.#forward()
      .catch((cause: unknown) =>
        this.#parts.log.warn(
          { session: this.#session.id, cause: reasonOf(cause) },
          'a cancel request did not reach its target',
        ),
      )
      .finally(() => (this.#running = undefined)))
  }

  /**
   * Interrupts what a session leaves behind that has just ended: a server hears of a closed connection when it writes. For
   * targets where no role is removed, which would end it too. A process id that came again has another key, so nobody else is met.
   */
  leave(): Promise<void> {
    return this.#forward('ended').catch(() => {})
  }

  async #forward(whose: 'open' | 'ended' = 'open'): Promise<void> {
    const { grant, recording } = this.#session
    const { target } = grant.fields
    if (target.protocol !== 'postgres') return
    const timeoutMs = this.#parts.timeoutMs()
    const connection = await reachPostgres({ grant, recording }, target, { timeoutMs })
    if (whose === 'open' && this.#session.ended) connection.socket.destroy()
    else await say(connection, encodeCancelRequest(this.#key.pid, this.#key.key), timeoutMs)
  }
}

/** The server answers by closing, once it has signalled. */
function say({ socket }: ProvenConnection, packet: Buffer, timeoutMs: number): Promise<void> {
  return new Promise(resolve => {
    socket.on('error', () => socket.destroy())
    socket.once('close', () => resolve())
    socket.setTimeout(timeoutMs, () => socket.destroy())
    socket.once('end', () => socket.destroy())
    socket.resume()
    socket.write(packet)
  })
}
