import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Protocol } from '../model.ts'
import { makeCode, sameCode } from './code.ts'
import type { Principal } from './principal.ts'
import { plainAddress } from './source-address.ts'
import { sourceNetwork } from './source-network.ts'

/** Wrong codes that one waiting sign-in takes; OpenSSH asks three times as well (NumberOfPasswordPrompts). */
const maxTries = 3

/** Random bytes of the address at which the browser finds a waiting sign-in: beyond guessing, and short enough for one line of a terminal. */
const idBytes = 16

/** What a connection says about itself when it starts to wait for a browser. All of it is typed by a stranger: hostile when shown. */
export type SignInQuestion = {
  readonly protocol: Protocol
  /** The user name as typed. The connection opens another sign-in if it changes. */
  readonly userName: string
  readonly target: string | undefined
  readonly login: string | undefined
  readonly sourceAddress: string
  /** `SHA256:…` of a key that signed in this connection. */
  readonly keyFingerprint?: string
  /** That key may be enrolled, as far as the connection can tell: the page offers it. */
  readonly keyMayBeEnrolled?: boolean
  /**
   * A `code` that the person types at the connection's prompt; or, where the connection has no prompt, the `confirmation` alone, and
   * that only from the connection's own address.
   */
  readonly answer?: 'code' | 'confirmation'
}

/** What the browser may see: who asks and since when. Never the code. */
export type SignInView = SignInQuestion & {
  readonly openedAtMs: number
  /** How long it may still be answered, in milliseconds. */
  readonly remainingMs: number
}

export type WaitingLimits = {
  readonly maxWaitingSignIns: number
  /** Of one IPv4 address, or of one IPv6 network of 64 bits: whoever has one address there has them all. */
  readonly maxWaitingSignInsPerSource: number
  readonly signInCodeLifetimeMs: number
}

export type OpenResult =
  | { readonly kind: 'waiting'; readonly signIn: WaitingSignIn }
  | { readonly kind: 'refused'; readonly userText: string }

export type SubmitResult =
  | {
      readonly kind: 'proven'
      readonly principal: Principal
      /** The person ticked that the key of this connection signs them in from now on. Counts only together with the code. */
      readonly enrolKey?: boolean
    }
  | { readonly kind: 'wrong'; readonly triesLeft: number; readonly userText: string }
  | { readonly kind: 'over'; readonly userText: string }

/** The connection's half. */
export interface WaitingSignIn {
  /** Where the person signs in: `https://gateway/sign-in/<id>`. */
  readonly url: string
  /** True once it was used, denied, cancelled, out of tries or out of time. */
  readonly closed: boolean
  submit(code: string): SubmitResult
  /** How it ended, for connections without a prompt. Being out of time is noticed only by whoever looks: they set a timer and cancel. */
  readonly ended: Promise<Exclude<SubmitResult, { kind: 'wrong' }>>
  /** The connection is gone or asks something else: forget it. */
  cancel(): void
}

/** What a browser gets for a sign-in that is not there: never existed, over, or another browser's. They answer alike. */
export type BrowserAnswer<T> = ({ readonly kind: 'ok' } & T) | { readonly kind: 'gone' }

/** The same for a confirmation without a code, which counts only where the connection is. */
export type ApprovalAnswer =
  | BrowserAnswer<{ readonly principal: Principal; readonly view: SignInQuestion }>
  | { readonly kind: 'elsewhere' }

/** A phase carries what it knows; the code exists only once the person confirmed. */
type Phase =
  | { readonly at: 'asked' }
  | { readonly at: 'bound'; readonly principal: Principal; readonly browserSession: string }
  | {
      readonly at: 'confirmed'
      readonly principal: Principal
      readonly browserSession: string
      readonly code: string
      readonly enrolKey: boolean
    }
  | { readonly at: 'over'; readonly userText: string }

type Entry = {
  readonly key: string
  readonly question: SignInQuestion
  readonly openedAtMs: number
  readonly openedAtUs: number
  readonly settled: PromiseWithResolvers<Ended>
  phase: Phase
  triesLeft: number
}

type Ended = Exclude<SubmitResult, { kind: 'wrong' }>

const texts = {
  tooMany: 'Too many sign-ins are waiting already. Finish or close one of them, then connect again.',
  used: 'This sign-in was already used. Connect again.',
  cancelled: 'This sign-in was cancelled. Connect again.',
  denied: 'The sign-in was denied in the browser. If that was not you, tell the people who run this gateway.',
  expired: 'The time for this sign-in is over. Connect again.',
  tooManyTries: 'Too many wrong codes. Connect again.',
  wrong: 'That is not the code. Open the address above, confirm, and type the code that the page shows.',
}

/**
 * The sign-ins that connections wait for and browsers answer (DESIGN §7). The code travels from the browser to the terminal,
 * never the other way: it exists only after a signed-in person has confirmed what asks, opens only the connection that asked,
 * once, for a few minutes. Knows no HTTP and no SSH. Lives in memory: a connection does not outlive the process either.
 */
export class WaitingSignIns {
  readonly #clock: Clock
  readonly #limits: WaitingLimits
  readonly #webUrl: string
  /** By SHA-256 of the id, so that looking up takes no time that depends on the id. */
  readonly #entries = new Map<string, Entry>()
  readonly #perSource = new Map<string, number>()

  constructor(options: { clock: Clock; limits: WaitingLimits; webUrl: string }) {
    this.#clock = options.clock
    this.#limits = options.limits
    this.#webUrl = options.webUrl.replace(/\/+$/, '')
  }

  /** How many wait now, expired ones that nobody asked for since not counted. */
  get size(): number {
    this.#sweep()
    return this.#entries.size
  }

  /** Starts to wait. Refused, with a sentence for the person, at the limits of the gateway or of one source. */
  open(question: SignInQuestion): OpenResult {
    this.#sweep()
    const source = plainAddress(question.sourceAddress)
    const full =
      this.#entries.size >= this.#limits.maxWaitingSignIns ||
      (this.#perSource.get(sourceNetwork(source)) ?? 0) >= this.#limits.maxWaitingSignInsPerSource
    if (full) return { kind: 'refused', userText: texts.tooMany }
    const id = randomBytes(idBytes).toString('base64url')
    const entry = this.#insert(id, { ...question, sourceAddress: source })
    return { kind: 'waiting', signIn: this.#connectionHalf(entry, `${this.#webUrl}/sign-in/${id}`) }
  }

  /** What asks, for the page; undefined where nothing waits at this id (any more). */
  find(id: string): SignInView | undefined {
    const entry = this.#live(id)
    if (entry === undefined) return undefined
    return { ...entry.question, openedAtMs: entry.openedAtMs, remainingMs: this.#remainingMs(entry) }
  }

  /**
   * A browser session in which `principal` signed in looks at the question. Until somebody confirms, the last who looks
   * is bound: a person may change browser or account, and looking gives nothing. After that nobody else gets in.
   */
  bind(
    id: string,
    principal: Principal,
    browserSession: string,
  ): BrowserAnswer<{ readonly view: SignInView }> {
    const entry = this.#live(id)
    if (entry === undefined) return { kind: 'gone' }
    if (entry.phase.at === 'confirmed' && !sameSecret(entry.phase.browserSession, browserSession))
      return { kind: 'gone' }
    if (entry.phase.at !== 'confirmed') entry.phase = { at: 'bound', principal, browserSession }
    const view = { ...entry.question, openedAtMs: entry.openedAtMs, remainingMs: this.#remainingMs(entry) }
    return { kind: 'ok', view }
  }

  /**
   * The person confirmed in the browser session that is bound: now there is a code. Asked again there, it is the same code, and
   * the last answer about the key counts. Enrolling waits for the code: a confirmation alone must give nobody anything.
   */
  confirm(
    id: string,
    browserSession: string,
    { enrolKey = false }: { readonly enrolKey?: boolean } = {},
  ): BrowserAnswer<{ readonly code: string; readonly principal: Principal }> {
    const entry = this.#boundTo(id, browserSession)
    if (entry === undefined || entry.question.answer === 'confirmation') return { kind: 'gone' }
    const { phase } = entry
    const code = phase.at === 'confirmed' ? phase.code : makeCode()
    const wanted = enrolKey && entry.question.keyMayBeEnrolled === true
    entry.phase = { at: 'confirmed', principal: phase.principal, browserSession, code, enrolKey: wanted }
    return { kind: 'ok', code, principal: phase.principal }
  }

  /**
   * The person confirmed a connection that has no prompt: it is signed in. Nothing travels back to the terminal, so a link that an
   * attacker sends would be enough; therefore only a browser at the connection's own address counts (docs/decisions/0120).
   */
  approve(id: string, browserSession: string, browserAddress: string): ApprovalAnswer {
    const entry = this.#boundTo(id, browserSession)
    if (entry === undefined || entry.question.answer !== 'confirmation') return { kind: 'gone' }
    if (plainAddress(browserAddress) !== entry.question.sourceAddress) return { kind: 'elsewhere' }
    const { principal } = entry.phase
    this.#end(entry, texts.used, { kind: 'proven', principal })
    return { kind: 'ok', principal, view: entry.question }
  }

  /** The person said that this is not theirs: it ends, and the terminal is told so. */
  deny(id: string, browserSession: string): BrowserAnswer<{ readonly view: SignInQuestion }> {
    const entry = this.#boundTo(id, browserSession)
    if (entry === undefined) return { kind: 'gone' }
    this.#end(entry, texts.denied)
    return { kind: 'ok', view: entry.question }
  }

  #insert(id: string, question: SignInQuestion): Entry {
    const entry: Entry = {
      key: keyOf(id),
      question: Object.freeze(question),
      openedAtMs: this.#clock.nowMs(),
      openedAtUs: this.#clock.monotonicUs(),
      settled: Promise.withResolvers(),
      phase: { at: 'asked' },
      triesLeft: maxTries,
    }
    this.#entries.set(entry.key, entry)
    const source = sourceNetwork(question.sourceAddress)
    this.#perSource.set(source, (this.#perSource.get(source) ?? 0) + 1)
    return entry
  }

  #connectionHalf(entry: Entry, url: string): WaitingSignIn {
    const sweep = () => this.#sweep()
    return {
      url,
      get closed() {
        sweep()
        return entry.phase.at === 'over'
      },
      submit: code => this.#submit(entry, code),
      ended: entry.settled.promise,
      cancel: () => this.#end(entry, texts.cancelled),
    }
  }

  #submit(entry: Entry, typed: string): SubmitResult {
    this.#sweep()
    const { phase } = entry
    if (phase.at === 'over') return { kind: 'over', userText: phase.userText }
    // Before anybody confirmed there is no code: the same comparison, with one that nobody was shown.
    const right = sameCode(typed, phase.at === 'confirmed' ? phase.code : makeCode())
    if (phase.at === 'confirmed' && right) {
      const proven = { kind: 'proven', principal: phase.principal, enrolKey: phase.enrolKey } as const
      this.#end(entry, texts.used, proven)
      return proven
    }
    return this.#wrong(entry)
  }

  #wrong(entry: Entry): SubmitResult {
    entry.triesLeft -= 1
    if (entry.triesLeft > 0) return { kind: 'wrong', triesLeft: entry.triesLeft, userText: texts.wrong }
    this.#end(entry, texts.tooManyTries)
    return { kind: 'over', userText: texts.tooManyTries }
  }

  #live(id: string): Entry | undefined {
    this.#sweep()
    return this.#entries.get(keyOf(id))
  }

  #boundTo(
    id: string,
    browserSession: string,
  ): (Entry & { phase: Phase & { at: 'bound' | 'confirmed' } }) | undefined {
    const entry = this.#live(id)
    if (entry === undefined || entry.phase.at === 'asked' || entry.phase.at === 'over') return undefined
    if (!sameSecret(entry.phase.browserSession, browserSession)) return undefined
    return entry as Entry & { phase: Phase & { at: 'bound' | 'confirmed' } }
  }

  #end(entry: Entry, userText: string, how: Ended = { kind: 'over', userText }): void {
    if (entry.phase.at === 'over') return
    entry.phase = { at: 'over', userText }
    entry.settled.resolve(how)
    this.#entries.delete(entry.key)
    const source = sourceNetwork(entry.question.sourceAddress)
    const left = (this.#perSource.get(source) ?? 1) - 1
    if (left > 0) this.#perSource.set(source, left)
    else this.#perSource.delete(source)
  }

  #remainingMs(entry: Entry): number {
    return this.#limits.signInCodeLifetimeMs - (this.#clock.monotonicUs() - entry.openedAtUs) / 1000
  }

  /** Ends what is out of time. The map is in order of opening and all live equally long, so this stops at the first live one. */
  #sweep(): void {
    for (const entry of this.#entries.values()) {
      if (this.#remainingMs(entry) > 0) return
      this.#end(entry, texts.expired)
    }
  }
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

function sameSecret(one: string, other: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(one).digest(),
    createHash('sha256').update(other).digest(),
  )
}
