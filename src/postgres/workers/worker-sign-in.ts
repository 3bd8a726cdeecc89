/** Passwords, tokens and waiting sign-ins as a worker has them: the gateway keeps and counts them. */
import type { PasswordUse, RedeemResult } from '../../identity/connection-passwords.ts'
import { type MachineToken, machineTokenVouchedFor } from '../../identity/machine-token.ts'
import { principalVouchedFor } from '../../identity/principal.ts'
import type {
  OpenResult,
  SignInQuestion,
  SubmitResult,
  WaitingSignIn,
} from '../../identity/waiting-sign-in.ts'
import type { SignInEnd } from './messages.ts'
import type { WorkerLink } from './ports.ts'

/** Ends of waiting sign-ins whose beginning is on its way. */
const maxEarly = 1000
/** Revoked passwords that are remembered for connections that are just being let in. */
const maxRevoked = 1000

export class WorkerPasswords {
  readonly #link: WorkerLink
  readonly #listeners = new Set<(id: string) => void>()
  readonly #revoked = new Set<string>()

  constructor(link: WorkerLink) {
    this.#link = link
  }

  async redeem(password: string, use: PasswordUse): Promise<RedeemResult> {
    const redeemed = await this.#link.ask('redeem', { password, use })
    if (redeemed.kind === 'proven') return { ...redeemed, principal: principalVouchedFor(redeemed.principal) }
    const { kind, why, owner, id } = redeemed
    return {
      kind,
      why,
      ...(owner === undefined ? {} : { owner: principalVouchedFor(owner) }),
      ...(id === undefined ? {} : { id }),
    }
  }

  /** Tells of those that were revoked just before, too: the gateway may say so while the connection is on its way here. */
  onRevoked(listener: (id: string) => void): () => void {
    this.#listeners.add(listener)
    for (const id of this.#revoked) listener(id)
    return () => void this.#listeners.delete(listener)
  }

  /** The gateway says so. */
  revoked(id: string): void {
    this.#revoked.add(id)
    for (const oldest of this.#revoked) {
      if (this.#revoked.size <= maxRevoked) break
      this.#revoked.delete(oldest)
    }
    for (const listener of this.#listeners) listener(id)
  }
}

/** The first address takes a token, whichever process the connection came to. */
export function workerMachines(link: WorkerLink): {
  verify: (jwt: string, fingerprint: string) => Promise<MachineToken>
} {
  return {
    verify: async (jwt, fingerprint) =>
      machineTokenVouchedFor(await link.ask('verifyToken', { jwt, fingerprint })),
  }
}

type Ended = Exclude<SubmitResult, { kind: 'wrong' }>

/** Sign-ins that wait for a browser, which comes to the gateway. */
export class WorkerSignIns {
  readonly #link: WorkerLink
  readonly #waiting = new Map<number, PromiseWithResolvers<Ended>>()
  /** Ended before anybody heard of their beginning. */
  readonly #early = new Map<number, Ended>()

  constructor(link: WorkerLink) {
    this.#link = link
  }

  async open(question: SignInQuestion): Promise<OpenResult> {
    const opened = await this.#link.ask('openSignIn', question, late => {
      if (late.kind === 'waiting') this.#link.tell('cancelSignIn', { id: late.id })
    })
    if (opened.kind === 'refused') return opened
    return { kind: 'waiting', signIn: this.#half(opened.id, opened.url) }
  }

  /** The gateway says how it ended. */
  ended(id: number, how: SignInEnd): void {
    const ended: Ended =
      how.kind === 'proven' ? { kind: 'proven', principal: principalVouchedFor(how.principal) } : how
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) this.#noteEarly(id, ended)
    waiting?.resolve(ended)
    this.#waiting.delete(id)
  }

  /** The gateway is gone: nobody will confirm anything. */
  close(): void {
    for (const waiting of this.#waiting.values())
      waiting.resolve({ kind: 'over', userText: 'The gateway is stopping. Connect again later.' })
    this.#waiting.clear()
  }

  /** Nobody hears of it where the answer to its beginning was late. */
  #noteEarly(id: number, ended: Ended): void {
    if (this.#early.size >= maxEarly) this.#early.clear()
    this.#early.set(id, ended)
  }

  #half(id: number, url: string): WaitingSignIn {
    const waiting = Promise.withResolvers<Ended>()
    const early = this.#early.get(id)
    this.#early.delete(id)
    let closed = early !== undefined
    if (early === undefined) this.#waiting.set(id, waiting)
    else waiting.resolve(early)
    const ended = waiting.promise.finally(() => (closed = true))
    return {
      url,
      get closed() {
        return closed
      },
      submit: () => ({ kind: 'over', userText: 'There is no code to be typed here.' }),
      ended,
      cancel: () => void this.#link.tell('cancelSignIn', { id }),
    }
  }
}
