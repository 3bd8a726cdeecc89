/** What the sign-in sees of a connection: turns of messages, and whether anybody is still there. */
import type { SignInClient } from './authentication.ts'
import type { NegotiatedClient } from './client-socket.ts'
import type { Report } from './wire/backend.ts'
import { bodyLimits, frontend } from './wire/message-types.ts'

const maxAnswerBytes = bodyLimits('frontend-sign-in', 0)[frontend.password] ?? 0

export class SigningIn implements SignInClient {
  readonly #client: NegotiatedClient
  readonly #gone: AbortController
  readonly allowTime: (ms: number) => void
  #violation: Report | undefined

  constructor(
    client: NegotiatedClient,
    { gone, allowTime }: { gone: AbortController; allowTime: (ms: number) => void },
  ) {
    this.#client = client
    this.#gone = gone
    this.allowTime = allowTime
    client.source.onGone(() => gone.abort())
  }

  /** Set if the client broke the protocol: then it is told so. */
  get violation(): Report | undefined {
    return this.#violation
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  readonly send = (bytes: Buffer): void => {
    if (!this.#client.socket.destroyed) this.#client.socket.write(bytes)
  }

  /** The body of the next `p` message. Its length is looked at before anything is kept of it. */
  readonly receive = async (): Promise<Buffer | undefined> => {
    const head = await this.#client.source.take(5)
    if (head === undefined) return undefined
    const length = head.readInt32BE(1) - 4
    if (head[0] === frontend.terminate) return undefined
    if (head[0] !== frontend.password) return this.#broke('expected a password or SASL response')
    if (length < 0 || length > maxAnswerBytes) return this.#broke('its length is invalid')
    return this.#client.source.take(length)
  }

  #broke(what: string): undefined {
    const message = `invalid message while signing in: ${what}`
    this.#violation = { severity: 'FATAL', code: '08P01', message }
    return undefined
  }
}
