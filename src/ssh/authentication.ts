/**
 * User authentication towards clients (RFC 4252): keys and certificates, and browser sign-in over keyboard-interactive (RFC 4256).
 * Every user name, target, key and mistake takes the same path and gets the same texts until the person is proven.
 */
import { Fault } from '../errors.ts'
import { isAcceptableOffer, proveKey, type ProvenKey } from '../identity/key-proof.ts'
import type { Principal } from '../identity/principal.ts'
import type { SubmitResult, WaitingSignIn } from '../identity/waiting-sign-in.ts'
import { decodeKeyRequest, encodeKeyOk, type KeyRequest } from './key-request.ts'
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
const methods = ['publickey', 'keyboard-interactive'] as const

/** Empty answers are not tries (people press Enter while they wait), but they are not endless either. */
const maxPrompts = 12

/**
 * Keys that a client may show without signing. An offer proves and costs next to nothing, and agents hold dozens of keys; sshd counts
 * them as attempts and turns such people away.
 */
const maxKeyOffers = 100

/** Of the attempts, so many are kept for the prompt: a client whose keys are all unknown must still get there. */
const attemptsForPrompt = 1

/** How somebody proved who they are, for the audit log and for what follows from it. */
export type SignInProof =
  | {
      readonly method: 'browser-code'
      /** The key that signed in this connection, where its person ticked that it signs them in from now on. */
      readonly enrol: ProvenKey | undefined
    }
  | {
      readonly method: 'enrolled-key'
      readonly key: ProvenKey
      /** Of the enrolment: whoever revokes it ends what it opened. */
      readonly id: string
      /** Shown to the person: what signed them in, and what to do if it was not them. */
      readonly notice: string
    }
  | { readonly method: 'certificate'; readonly key: ProvenKey }

export type KeyVerdict =
  | { readonly kind: 'signed-in'; readonly principal: Principal; readonly proof: SignInProof }
  | { readonly kind: 'unknown' }

export type Admission =
  | { readonly kind: 'admitted'; readonly start: () => void }
  | { readonly kind: 'refused'; readonly userText: string }

export type AuthenticationParts = {
  readonly send: (payload: Uint8Array) => void
  readonly disconnect: (reason: number, text: string) => void
  /** RFC 4253, section 7.2. */
  readonly sessionId: () => Buffer
  /** Whom the key that has signed signs in, if anybody. A look-up that fails rejects, and refuses. */
  readonly judgeKey: (key: ProvenKey) => Promise<KeyVerdict>
  /** `key`: the last that signed in this connection and signs nobody in. */
  readonly openSignIn: (userName: string, key: ProvenKey | undefined) => OpenSignIn
  /** Decides, records and connects; only then is the client told that it is in. */
  readonly admit: (principal: Principal, userName: string, proof: SignInProof) => Promise<Admission>
  readonly banner: string
  readonly maxAttempts: number
}

type OpenSignIn = { kind: 'waiting'; signIn: WaitingSignIn } | { kind: 'refused'; userText: string }

/** Where a client stands. Each state carries what it knows. */
type Phase =
  | { at: 'service' }
  | { at: 'method'; userName: string | undefined }
  | { at: 'key'; userName: string }
  | {
      at: 'prompted'
      userName: string
      signIn: WaitingSignIn
      prompts: number
      key: ProvenKey | undefined
    }
  | { at: 'deciding'; userName: string }
  | { at: 'over' }

export class SshAuthentication {
  readonly #parts: AuthenticationParts
  #phase: Phase = { at: 'service' }
  #attempts = 0
  #keyOffers = 0
  /** The key that signed last and signs nobody in: the page may offer to enrol it. An offer never gets here. */
  #signedKey: ProvenKey | undefined
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
    if (request.method === 'publickey') return this.#key(request, decodeKeyRequest(request.fields))
    this.#countAttempt(request.method)
    if (this.over) return
    if (request.method === 'keyboard-interactive') this.#ask(request.userName)
    else this.#parts.send(encodeAuthFailure(methods))
  }

  /** Whoever has signed with too many unknown keys gets no more of them looked at, and so comes to the prompt. */
  #key(request: AuthRequest, key: KeyRequest): void {
    const spent = this.#attempts >= this.#parts.maxAttempts - attemptsForPrompt
    if (key.signature === undefined || spent) return this.#offer(key, spent)
    this.#countAttempt(request.method)
    if (this.over) return
    const proven = proveKey({
      ...request,
      ...key,
      signature: key.signature,
      sessionId: this.#parts.sessionId(),
    })
    this.#signedKey = undefined
    if (proven === undefined) return this.#parts.send(encodeAuthFailure(methods))
    this.#judgeKey(proven, request.userName)
  }

  /** The same answer for every well-formed key in the world. It changes nothing: an offer is never a login. */
  #offer(key: KeyRequest, spent: boolean): void {
    if (++this.#keyOffers > maxKeyOffers) return this.#refuse('Too many keys were offered. Connect again.')
    const acceptable = !spent && isAcceptableOffer(key)
    this.#parts.send(acceptable ? encodeKeyOk(key) : encodeAuthFailure(methods))
  }

  #judgeKey(proven: ProvenKey, userName: string): void {
    this.#phase = { at: 'key', userName }
    this.#parts
      .judgeKey(proven)
      .then(verdict => this.#keyJudged(proven, userName, verdict))
      .catch(() => this.#fail('The gateway cannot look up keys now, so nobody is signed in. Try again.'))
  }

  /** RFC 4252, section 5.1: no partial success, so that the client goes on to its other keys and then to the prompt. */
  #keyJudged(proven: ProvenKey, userName: string, verdict: KeyVerdict): void {
    if (this.#phase.at !== 'key') return
    if (verdict.kind === 'signed-in') return this.#decide(verdict.principal, userName, verdict.proof)
    this.#signedKey = proven
    this.#phase = { at: 'method', userName }
    this.#parts.send(encodeAuthFailure(methods))
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
    const key = this.#signedKey
    const opened = this.#parts.openSignIn(userName, key)
    if (opened.kind === 'refused') return this.#refuse(opened.userText)
    this.#phase = { at: 'prompted', userName, signIn: opened.signIn, prompts: 0, key }
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
    this.#judge(phase.userName, phase.signIn.submit(code), phase.key)
  }

  #judge(userName: string, result: SubmitResult, key: ProvenKey | undefined): void {
    switch (result.kind) {
      case 'proven': {
        const enrol = result.enrolKey === true ? key : undefined
        return this.#decide(result.principal, userName, { method: 'browser-code', enrol })
      }
      case 'wrong':
        return this.#prompt(`${result.userText} Tries left: ${result.triesLeft}.`)
      case 'over':
        return this.#refuse(result.userText)
    }
  }

  #decide(principal: Principal, userName: string, proof: SignInProof): void {
    this.#phase = { at: 'deciding', userName }
    this.#parts
      .admit(principal, userName, proof)
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
