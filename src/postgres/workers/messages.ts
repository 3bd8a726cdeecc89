/** What a worker process and the gateway ask and tell each other. The worker has the sessions; the gateway has everything that counts once. */
import { z } from 'zod'
import type { PasswordUse, RedeemResult } from '../../identity/connection-passwords.ts'
import type { MachineTokenFields } from '../../identity/machine-token.ts'
import type { SignInQuestion } from '../../identity/waiting-sign-in.ts'
import type { LeaseRow, PrincipalFields, SessionRow } from '../../model.ts'
import type { SessionEnd } from '../../store/store.ts'

/** A certificate, a key or a sign-in that is shown to nobody: answers to these take a person's or an issuer's time. */
const issuerWithinMs = 30_000
/** A target is told to cancel, which takes what reaching it may take. */
const cancelWithinMs = 60_000
/** The log of sessions signs once a second, and again after ten where that failed. */
const proofWithinMs = 60_000
/** Opening journal and keys, and reading the configuration. */
const startWithinMs = 60_000
/** All sessions are sealed, and their roles removed. */
const closeWithinMs = 60_000
/** A session is held, or goes on: nothing but a message each way. A worker that does not say so in time is told to end the session. */
const holdWithinMs = 5000

const nothing = z.void()
const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)
const key = bytes.refine(({ length }) => length <= 256)
const count = z.int().nonnegative()
/** As the recorder names recordings. */
const recording = z.string().regex(/^\d{4}\/\d\d\/\d\d\/[A-Za-z0-9_-]{1,64}\.sallyport$/)
const watchEnd = z.object({ reason: z.enum(['ended', 'too-slow', 'left']), text: z.string() })

/** Rows and fields go through as they are, whatever a newer field is called; what decides about access is looked at. */
const principal = z.custom<PrincipalFields>(
  value =>
    z
      .looseObject({
        issuer: z.string(),
        subject: z.string(),
        name: z.string(),
        emailVerified: z.boolean(),
        groups: z.array(z.string()),
        authenticatedAtMs: z.number(),
        expiresAtMs: z.number(),
      })
      .safeParse(value).success,
)
const sessionRow = z.custom<SessionRow>(
  value =>
    z
      .looseObject({
        id: z.string(),
        protocol: z.literal('postgres'),
        issuer: z.string(),
        subject: z.string(),
        owner: z.string(),
        openedAtMs: z.number(),
        state: z.literal('open'),
        recording: z.string(),
      })
      .safeParse(value).success,
)
const leaseRow = z.custom<LeaseRow>(
  value =>
    z
      .looseObject({
        id: z.string(),
        session: z.string(),
        target: z.string(),
        kind: z.enum(['postgres-role', 'postgres-certificate']),
        detail: z.string(),
        owner: z.string(),
        state: z.literal('intended'),
        createdAtMs: z.number(),
      })
      .safeParse(value).success,
)
const sessionEnd = z.custom<SessionEnd>(
  value =>
    z
      .object({ endedAtMs: z.number(), state: z.enum(['ended', 'interrupted']), endReason: z.string() })
      .safeParse(value).success,
)
const passwordUse = z.custom<PasswordUse>(
  value =>
    z
      .looseObject({ sourceAddress: z.string(), protocol: z.literal('postgres'), userName: z.string() })
      .safeParse(value).success,
)
const signInQuestion = z.custom<SignInQuestion>(
  value =>
    z
      .looseObject({ protocol: z.literal('postgres'), userName: z.string(), sourceAddress: z.string() })
      .safeParse(value).success,
)
const machineFields = z.custom<MachineTokenFields>(
  value =>
    z
      .looseObject({ issuer: z.string(), subject: z.string(), name: z.string(), groups: z.array(z.string()) })
      .safeParse(value).success,
)

/** As `RedeemResult`, with the fields of people in place of the evidence. */
const redeemed = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('proven'),
    principal,
    id: z.string(),
    place: z.object({ target: z.string(), login: z.string() }),
  }),
  z.object({
    kind: z.literal('refused'),
    why: z.custom<Extract<RedeemResult, { kind: 'refused' }>['why']>(value => typeof value === 'string'),
    owner: principal.optional(),
    id: z.string().optional(),
  }),
])

const holdWish = { kind: z.enum(['pause', 'step-up']), userText: z.string() }
const held = z.object({ ...holdWish, sinceMs: z.number(), untilMs: z.number() })

const signInEnd = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('proven'), principal }),
  z.object({ kind: z.literal('over'), userText: z.string() }),
])
export type SignInEnd = z.infer<typeof signInEnd>

/** The keys that a worker uses or checks with; the private halves stay with the gateway. */
const signedWith = z.object({ keyId: z.string(), publicKeyPem: z.string() })
const keys = z.object({
  'recording-heads': signedWith,
  databases: signedWith.extend({ certificatePem: z.string() }),
  /** Tells gateways of one name apart. */
  installation: z.string(),
  /** Whose client certificates sign in: SubjectPublicKeyInfo in PEM. */
  signIn: z.array(z.string()),
})
export type WorkerKeys = z.infer<typeof keys>
export const signingPurposes = ['recording-heads', 'databases'] as const
export type SigningPurpose = (typeof signingPurposes)[number]

/** A configuration file as the gateway has read it. */
const configText = z.object({ file: z.string(), content: bytes })

/** What a worker asks. */
export const workerCalls = {
  /** A place for a session that is about to open; undefined if the person has too many. */
  reserve: {
    asked: z.object({ principal: z.string(), max: count }),
    answer: z.int().optional(),
  },
  insertSession: { asked: sessionRow, answer: nothing },
  endSession: { asked: z.object({ id: z.string(), end: sessionEnd }), answer: z.boolean() },
  insertLease: { asked: leaseRow, answer: nothing },
  advanceLease: {
    asked: z.object({ id: z.string(), state: z.enum(['intended', 'live', 'ending']) }),
    answer: nothing,
  },
  removeLease: { asked: z.object({ id: z.string() }), answer: nothing },
  redeem: { asked: z.object({ password: z.string(), use: passwordUse }), answer: redeemed },
  verifyToken: {
    asked: z.object({ jwt: z.string(), fingerprint: z.string() }),
    answer: machineFields,
    withinMs: issuerWithinMs,
  },
  openSignIn: {
    asked: signInQuestion,
    answer: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('waiting'), id: z.int(), url: z.string() }),
      z.object({ kind: z.literal('refused'), userText: z.string() }),
    ]),
  },
  sign: {
    asked: z.object({ purpose: z.enum(signingPurposes), keyId: z.string(), data: bytes }),
    answer: bytes,
    withinMs: issuerWithinMs,
  },
  /** Of a leaf, by the number of its entry in the outbox. */
  proofOf: {
    asked: z.object({ entry: count }),
    answer: z.object({ entry: z.string(), proof: z.string() }),
    withinMs: proofWithinMs,
  },
  /** Of a session that somebody watches; answered when there is room for more. */
  watched: { asked: z.object({ watch: z.int(), lines: z.array(z.string()) }), answer: nothing },
  checkpoint: { asked: nothing, answer: nothing, withinMs: proofWithinMs },
  /** An encrypted recording is about to be sealed: answered when it was read. */
  recordingEnds: { asked: z.object({ session: z.string() }), answer: nothing },
  cancel: {
    asked: z.object({ pid: z.int(), key, sourceAddress: z.string() }),
    answer: nothing,
    withinMs: cancelWithinMs,
  },
}

/** What a worker tells. */
export const workerTells = {
  /** There is something in its outbox. */
  said: nothing,
  /** It has the connection's socket. */
  arrived: z.object({ connection: z.int() }),
  /** A connection is no stranger's any more. */
  signedIn: z.object({ connection: z.int() }),
  /** A connection is closed. */
  gone: z.object({ connection: z.int() }),
  /** A place that was reserved. */
  release: z.object({ place: z.int() }),
  /** Its recording is sealed, or will be by the next start; `sealed` says which. */
  sessionOver: z.object({ id: z.string() }),
  sealed: z.object({ id: z.string() }),
  /** It waits now, or goes on. */
  holdChanged: z.object({ id: z.string(), held: held.optional() }),
  /** It was not opened, whatever became of its row. */
  withdrawSession: z.object({ id: z.string() }),
  /** A session looks after this lease, from before it is inserted on. */
  inHand: z.object({ lease: z.string() }),
  outOfHand: z.object({ lease: z.string() }),
  cancelSignIn: z.object({ id: z.int() }),
  watchOver: z.object({ watch: z.int(), end: watchEnd }),
  /** Where recordings are kept elsewhere: one was begun, and one has its proofs. */
  recordingOpened: z.object({ recording }),
  recordingFinished: z.object({ recording }),
  /** What opens an encrypted recording that was begun; before its session is told. */
  recordingKeys: z.object({
    session: z.string(),
    keys: z.object({ chunks: key, events: key, header: key }),
  }),
}

const startOrder = z.object({
  number: z.int(),
  /** Its own: journal, outbox and lock. */
  folder: z.string(),
  config: configText,
  keys,
})
export type StartOrder = z.infer<typeof startOrder>

/** What the gateway asks a worker. */
export const gatewayCalls = {
  start: {
    asked: startOrder,
    answer: z.object({ owner: z.string() }),
    withinMs: startWithinMs,
  },
  /** Reads a configuration that is not in force yet; says what is wrong with it, or nothing. */
  prepare: { asked: configText, answer: z.object({ problems: z.string() }) },
  /** Puts what was prepared into force. How many sessions ended. */
  adopt: { asked: nothing, answer: z.object({ ended: count }) },
  cancel: {
    asked: z.object({ pid: z.int(), key, sourceAddress: z.string() }),
    answer: nothing,
    withinMs: cancelWithinMs,
  },
  /** Ends and seals everything. */
  close: { asked: z.object({ reason: z.string() }), answer: nothing, withinMs: closeWithinMs },
  /** Holds a session; false if it is not open any more. */
  hold: {
    asked: z.object({ id: z.string(), ...holdWish, waitMs: z.number() }),
    answer: z.object({ isHeld: z.boolean() }),
    withinMs: holdWithinMs,
  },
  /** Lets it go on; false if it was not held. */
  goOn: {
    asked: z.object({ id: z.string() }),
    answer: z.object({ goesOn: z.boolean() }),
    withinMs: holdWithinMs,
  },
  areYouThere: { asked: nothing, answer: nothing },
}

/** What the gateway tells a worker. */
export const gatewayTells = {
  /** With its socket. `endpoint` counts the listeners. */
  connection: z.object({ id: z.int(), endpoint: z.int(), sourceAddress: z.string() }),
  makeRoom: z.object({ connection: z.int() }),
  endSession: z.object({ id: z.string(), reason: z.string(), userText: z.string() }),
  passwordRevoked: z.object({ id: z.string() }),
  signInEnded: z.object({ id: z.int(), how: signInEnd }),
  /** Entries of the outbox up to this one are in the logs. */
  taken: z.object({ upTo: count }),
  /** The logs cannot be written: nothing may go on. */
  failed: z.object({ reason: z.string() }),
  /** There is no room for recordings, here or where they are kept: what is open has to end. */
  full: z.object({ userText: z.string(), reason: z.string() }),
  watch: z.object({ session: z.string(), watch: z.int() }),
  unwatch: z.object({ watch: z.int() }),
  keys,
}

export const workerSide = { ask: workerCalls, tell: workerTells, answer: gatewayCalls, hear: gatewayTells }
export const gatewaySide = { ask: gatewayCalls, tell: gatewayTells, answer: workerCalls, hear: workerTells }
