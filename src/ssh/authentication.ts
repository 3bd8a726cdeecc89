/**
 * User authentication towards clients (RFC 4252): browser sign-in over keyboard-interactive (RFC 4256).
 * Every user name, target and mistake takes the same path and gets the same texts until the person is proven.
 */
import { Fault } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import type { SubmitResult, WaitingSignIn } from '../identity/waiting-sign-in.ts'
import {
  type AuthRequest,
  decodeAuthRequest,
  decodeInfoResponse,
  decodeServiceRequest,
  disconnectReason,
  encodeAuthFailure,
  encodeAuthSuccess,
  encodeBanner,
  encodeInfoRequest,
  encodeServiceAccept,
  messageNumber,
} from './messages.ts'

/** What a client may try. The same for everybody, so that it tells nothing about a user name. */
const methods = ['keyboard-interactive'] as const

/** Empty answers are not tries (people press Enter while they wait), but they are not endless either. */
const maxPrompts = 12

export type Admission =
  | { readonly kind: 'admitted'; readonly start: () => void }
  | { readonly kind: 'refused'; readonly userText: string }

export type AuthenticationParts = {
  readonly send: (payload: Uint8Array) => void
  readonly disconnect: (reason: number, text: string) => void
  readonly openSignIn: (userName: string) => OpenSignIn
  /** Decides, records and connects; only then is the client told that it is in. */
  readonly admit: (principal: Principal, userName: string) => Promise<Admission>
  readonly banner: string
  readonly maxAttempts: number
}

type OpenSignIn = { kind: 'waiting'; signIn: WaitingSignIn } | { kind: 'refused'; userText: string }

/** Where a client stands. Each state carries what it knows. */
type Phase =
  | { at: 'service' }
  | { at: 'method'; userName: string | undefined }
  | { at: 'prompted'; userName: string; signIn: WaitingSignIn; prompts: number }
  | { at: 'deciding'; userName: string }
  | { at: 'over' }

export class SshAuthentication {
  readonly #parts: AuthenticationParts
  #phase: Phase = { at: 'service' }
  #attempts = 0
  #bannerSent = false

  constructor(parts: AuthenticationParts) {
    this.#parts = parts
  }

  /** True once the connection protocol runs; until then its messages are an error. */
  get over(): boolean {
    return this.#phase.at === 'over'
  }

  /** One message of the client. Throws Fault SSH_PROTOCOL for what must end the connection. */
  message(payload: Buffer): void {
    switch (payload[0]) {
      case messageNumber.serviceRequest:
        return this.#service(decodeServiceRequest(payload))
      case messageNumber.authRequest:
        return this.#request(decodeAuthRequest(payload))
      case messageNumber.infoResponse:
        return this.#response(decodeInfoResponse(payload, 1))
      default:
        throw new Fault('SSH_PROTOCOL', 'Sign in before using the connection.', {
          log: `message ${payload[0]} before authentication`,
        })
    }
  }

  /** The connection is gone: what waits for a browser is forgotten. */
  close(): void {
    if (this.#phase.at === 'prompted') this.#phase.signIn.cancel()
    this.#phase = { at: 'over' }
  }

  #service(name: string): void {
    if (this.#phase.at !== 'service' || name !== 'ssh-userauth') {
      throw new Fault('SSH_PROTOCOL', 'This service is not available now.')
    }
    this.#phase = { at: 'method', userName: undefined }
    this.#parts.send(encodeServiceAccept(name))
  }

  #request(request: AuthRequest): void {
    const phase = this.#phase
    if (phase.at !== 'method' && phase.at !== 'prompted')
      throw new Fault('SSH_PROTOCOL', 'Not the time to sign in.')
    if (request.service !== 'ssh-connection')
      throw new Fault('SSH_PROTOCOL', 'This service is not available.')
    if (phase.userName !== undefined && phase.userName !== request.userName) {
      throw new Fault('SSH_PROTOCOL', 'The user name must not change during sign-in. Connect again.')
    }
    if (phase.at === 'prompted') phase.signIn.cancel()
    this.#phase = { at: 'method', userName: request.userName }
    this.#sendBannerOnce()
    this.#countAttempt(request.method)
    if (this.over) return
    if (request.method === 'keyboard-interactive') this.#ask(request.userName)
    else this.#parts.send(encodeAuthFailure(methods))
  }

  /** "none" is how clients ask which methods there are; it is free once. */
  #countAttempt(method: string): void {
    if (method !== 'none' || this.#attempts > 0) this.#attempts++
    if (this.#attempts <= this.#parts.maxAttempts) return
    this.#parts.disconnect(disconnectReason.noMoreAuthMethods, 'Too many sign-in attempts. Connect again.')
    this.close()
  }

  #sendBannerOnce(): void {
    if (this.#bannerSent) return
    this.#bannerSent = true
    this.#parts.send(encodeBanner(this.#parts.banner))
  }

  #ask(userName: string): void {
    const opened = this.#parts.openSignIn(userName)
    if (opened.kind === 'refused') return this.#refuse(opened.userText)
    this.#phase = { at: 'prompted', userName, signIn: opened.signIn, prompts: 0 }
    this.#prompt(
      `To sign in, open this page in your browser:\n\n  ${opened.signIn.url}\n\n` +
        'It shows a code once you have confirmed. Type that code here.\n',
    )
  }

  #prompt(instruction: string): void {
    this.#parts.send(encodeInfoRequest('', instruction, 'Code: '))
  }

  #response(responses: readonly string[]): void {
    const phase = this.#phase
    const [code] = responses
    if (phase.at !== 'prompted' || code === undefined)
      throw new Fault('SSH_PROTOCOL', 'Nobody asked for this answer.')
    phase.prompts++
    if (phase.prompts > maxPrompts) return this.#refuse('Too many answers. Connect again.')
    if (code.trim() === '') return this.#prompt(`Still waiting. The page is ${phase.signIn.url}`)
    this.#judge(phase.userName, phase.signIn.submit(code))
  }

  #judge(userName: string, result: SubmitResult): void {
    switch (result.kind) {
      case 'proven':
        return this.#decide(result.principal, userName)
      case 'wrong':
        return this.#prompt(`${result.userText} Tries left: ${result.triesLeft}.`)
      case 'over':
        return this.#refuse(result.userText)
    }
  }

  #decide(principal: Principal, userName: string): void {
    this.#phase = { at: 'deciding', userName }
    this.#parts
      .admit(principal, userName)
      .then(admission => this.#conclude(admission))
      .catch(() => this.#fail('The gateway could not open this session. Tell the operator.'))
  }

  /** The connection may have closed meanwhile; then what was opened is ended by its owner, and nothing is said. */
  #conclude(admission: Admission): void {
    if (this.#phase.at !== 'deciding') return
    if (admission.kind === 'refused') return this.#refuse(admission.userText)
    this.#phase = { at: 'over' }
    this.#parts.send(encodeAuthSuccess())
    admission.start()
  }

  /** Also after the client was told that it is in: a session that cannot start does not stay half open. */
  #fail(userText: string): void {
    this.close()
    this.#parts.disconnect(disconnectReason.byApplication, userText)
  }

  #refuse(userText: string): void {
    if (this.over) return
    this.close()
    this.#parts.disconnect(disconnectReason.noMoreAuthMethods, userText)
  }
}
