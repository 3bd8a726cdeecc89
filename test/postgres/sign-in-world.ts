/** Signing in without sockets: a client that says what it is told to, and the real parts behind it. */
import { generateKeyPairSync } from 'node:crypto'
import type { AuditEvent } from '../../src/audit/audit-log.ts'
import { systemClock } from '../../src/clock.ts'
import type { MachineConfig } from '../../src/config/config.ts'
import { fileSigner } from '../../src/credentials/authority.ts'
import { ConnectionPasswords, type PasswordReuse } from '../../src/identity/connection-passwords.ts'
import { discoverKeys } from '../../src/identity/issuer.ts'
import { MachineTokens } from '../../src/identity/machine-token.ts'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import { RefusalNotes } from '../../src/identity/refusal-notes.ts'
import { WaitingSignIns } from '../../src/identity/waiting-sign-in.ts'
import { checkX509SignIn } from '../../src/identity/x509-sign-in.ts'
import { openLog } from '../../src/log.ts'
import {
  authenticate,
  type AuthenticationParts,
  type SignInAsked,
  type SignInClient,
  type SignInResult,
} from '../../src/postgres/authentication.ts'
import { encodePassword } from '../../src/postgres/wire/frontend.ts'

export const webUrl = 'https://bastion.example.com'
export const office = '10.0.0.7'

export const asked: SignInAsked = {
  user: 'app_readonly@orders',
  sourceAddress: office,
  transport: 'tls',
  tlsServerName: undefined,
  clientCertificate: undefined,
  oauthListener: false,
}

export function principal(name = 'ada@example.com', issuer = 'https://login.example.com'): Principal {
  const fields = {
    issuer,
    subject: `subject-of-${name}`,
    name,
    email: name,
    emailVerified: true,
    groups: ['dba'],
    authenticatedAtMs: Date.now(),
    expiresAtMs: Date.now() + 8 * 3_600_000,
  }
  return restorePrincipal({
    tokenHash: '',
    principal: fields,
    createdAtMs: 0,
    expiresAtMs: fields.expiresAtMs,
  })
}

/** Bodies of `p` messages, in order; after the last one the client is silent until it goes. */
export class ScriptedClient implements SignInClient {
  readonly sent: Buffer[] = []
  readonly allowed: number[] = []
  readonly #answers: (Buffer | undefined)[]
  readonly #gone = new AbortController()
  readonly #said = Promise.withResolvers<void>()

  constructor(...answers: readonly (string | Buffer)[]) {
    this.#answers = answers.map(one => (typeof one === 'string' ? bodyOf(encodePassword(one)) : one))
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  readonly send = (bytes: Buffer): void => {
    this.sent.push(bytes)
    if (this.text.includes('/sign-in/')) this.#said.resolve()
  }

  readonly receive = async (): Promise<Buffer | undefined> => this.#answers.shift()
  readonly allowTime = (ms: number): void => void this.allowed.push(ms)
  readonly leave = (): void => this.#gone.abort()

  get text(): string {
    return Buffer.concat(this.sent).toString('latin1')
  }

  /** The types of the messages that it was sent, with the code of each `R`. */
  get types(): readonly string[] {
    return this.sent.flatMap(framesOf).map(frame => {
      const type = String.fromCharCode(frame[0] ?? 0)
      return type === 'R' ? `R${frame.readInt32BE(5)}` : type
    })
  }

  /** The link of the notice, once it was sent. */
  async link(): Promise<string> {
    await this.#said.promise
    return /https:\S+\/sign-in\/[\w-]+/.exec(this.text)?.[0] ?? ''
  }
}

export function framesOf(bytes: Buffer): readonly Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length; at += bytes.readInt32BE(at + 1) + 1)
    frames.push(bytes.subarray(at, at + bytes.readInt32BE(at + 1) + 1))
  return frames
}

export function bodyOf(frame: Buffer): Buffer {
  return frame.subarray(5)
}

export type SignInWorld = {
  readonly parts: AuthenticationParts
  readonly passwords: ConnectionPasswords
  readonly waiting: WaitingSignIns
  readonly audit: AuditEvent[]
  readonly machines: MachineConfig[]
  readonly authority: ReturnType<typeof fileSigner>
  readonly knobs: { reuse: PasswordReuse | undefined; signInTimeoutMs: number; aheadMs: number }
  signIn(client: SignInClient, more?: Partial<SignInAsked>): Promise<SignInResult>
}

export function openSignInWorld(more: Partial<AuthenticationParts> = {}): SignInWorld {
  const audit: AuditEvent[] = []
  const append = (event: AuditEvent): void => void audit.push(event)
  const knobs = { reuse: undefined as PasswordReuse | undefined, signInTimeoutMs: 300_000, aheadMs: 0 }
  const clock = {
    nowMs: () => systemClock.nowMs() + knobs.aheadMs,
    monotonicUs: () => systemClock.monotonicUs() + knobs.aheadMs * 1000,
  }
  const passwords = new ConnectionPasswords({ clock, audit: { append }, reuse: () => knobs.reuse })
  const limits = { maxWaitingSignIns: 4, maxWaitingSignInsPerSource: 2, signInCodeLifetimeMs: 300_000 }
  const waiting = new WaitingSignIns({ clock, limits, webUrl })
  const machines: MachineConfig[] = []
  const authority = fileSigner(generateKeyPairSync('ed25519').privateKey)
  const parts: AuthenticationParts = {
    passwords,
    machines: new MachineTokens({ clock, machines: () => machines, keysOf: discoverKeys }),
    waiting,
    signInTimeoutMs: () => knobs.signInTimeoutMs,
    checkCertificate: (der, sourceAddress) =>
      checkX509SignIn(der, {
        authorities: [authority],
        gatewayName: 'bastion.example.com',
        sourceAddress,
        nowMs: clock.nowMs(),
        trustsIssuer: () => true,
      }),
    oauth: undefined,
    places: () => ({
      domain: 'bastion.example.com',
      targetNamed: name => ['orders', 'payments'].find(one => one === name),
    }),
    refusals: { webUrl, browserSignIn: true },
    notes: new RefusalNotes({ audit: { append }, clock }),
    audit: { append },
    clock,
    log: openLog('silent'),
    ...more,
  }
  const signIn = (client: SignInClient, about: Partial<SignInAsked> = {}) =>
    authenticate(client, { ...asked, ...about }, parts)
  return { parts, passwords, waiting, audit, machines, authority, knobs, signIn }
}
