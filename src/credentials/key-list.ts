/**
 * The key list: the public halves of all keys that a gateway has ever had, with what became of each. It is signed, and each key
 * that follows another is endorsed by it, so that whoever pinned a key long ago can tell which keys are its heirs. Holds nothing secret.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { Fault } from '../errors.ts'
import { keyIdOfKey } from './key-file.ts'

/**
 * `targets`: what sshd servers trust (TrustedUserCAKeys). `sign-in`: what only the gateway trusts. `hosts`: inner servers.
 * `recording-heads`, `log-checkpoints`: what auditors verify with. `gateway-host`: what users' known_hosts hold.
 * `databases`: whose client certificates PostgreSQL servers accept. `sign-in-x509`: whose client certificates the gateway accepts.
 */
export const purposes = [
  'targets',
  'sign-in',
  'hosts',
  'recording-heads',
  'log-checkpoints',
  'gateway-host',
  'databases',
  'sign-in-x509',
] as const
export type Purpose = (typeof purposes)[number]

/** The gateway's second host key. It is no purpose of its own: whoever trusts one of the two trusts the gateway, and they rotate together. */
export const rsaHostKeyName = 'gateway-host-rsa'
export type KeyName = Purpose | typeof rsaHostKeyName
export const keyNames: readonly KeyName[] = [...purposes, rsaHostKeyName]

/** `next`: made known, and signs nothing yet. `current`: signs. `former`: signed once, and what it signed stays good. */
export type KeyState = 'next' | 'current' | 'former' | 'revoked'

export type ListedKey = {
  readonly purpose: KeyName
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly keyId: string
  /** SubjectPublicKeyInfo in PEM. */
  readonly publicKey: string
  readonly state: KeyState
  /** When it was made; ISO 8601, UTC, as all times here. */
  readonly made: string
  /** When it began to sign; of a `next` one, when it will. */
  readonly from: string
  /** When it stopped signing. */
  readonly until?: string
  /** Until then what it signed before is still accepted, or it signs beside its heir. */
  readonly overlapUntil?: string
  readonly revoked?: { readonly at: string; readonly why: string; readonly since?: string }
  /** The key before it says that this one follows. Left out for a first key and for the heir of a revoked one. */
  readonly endorsedBy?: { readonly keyId: string; readonly signature: string }
}

type ListBody = {
  readonly format: 'sallyport key list'
  readonly version: 1
  /** Counts changes: of two lists the one with the larger number is newer. */
  readonly number: number
  readonly at: string
  readonly keys: readonly ListedKey[]
}
/** Signed by the current key of log checkpoints, which vouches for all the others. */
export type KeyList = ListBody & { readonly signature: { readonly keyId: string; readonly value: string } }

/** A list of more keys is none of ours: one a day for a hundred years. */
const maxKeys = 40_000

const listDomain = 'sallyport key list v1\n'
const heirDomain = 'sallyport key succession v1\n'

export function signKeyList(body: ListBody, signer: { keyId: string; key: KeyObject }): KeyList {
  const value = sign(null, signedList(body), signer.key).toString('base64')
  return { ...body, signature: { keyId: signer.keyId, value } }
}

export function printKeyList(list: KeyList): string {
  return `${JSON.stringify(list, undefined, 2)}\n`
}

/** The text that a key signs when another follows it. */
export function endorse(
  { purpose, keyId, made }: Pick<ListedKey, 'purpose' | 'keyId' | 'made'>,
  before: { keyId: string; key: KeyObject },
): NonNullable<ListedKey['endorsedBy']> {
  const text = heirText(purpose, before.keyId, keyId, made)
  return { keyId: before.keyId, signature: sign(null, text, before.key).toString('base64') }
}

function heirText(purpose: KeyName, before: string, heir: string, made: string): Buffer {
  return Buffer.from(`${heirDomain}${purpose}\n${before}\n${heir}\n${made}\n`)
}

/** No spaces, members in the order in which they stand. */
function signedList(body: ListBody): Buffer {
  return Buffer.from(listDomain + JSON.stringify(body))
}

/** Reads a list and checks its own signature. Throws Fault KEY_UNUSABLE with what is wrong. */
export function readKeyList(text: string, file: string): KeyList {
  const list = parse(text)
  const problem = typeof list === 'string' ? list : problemOf(list)
  if (problem !== undefined)
    throw new Fault('KEY_UNUSABLE', `The key list ${file} cannot be used: ${problem}.`)
  return list as KeyList
}

function parse(text: string): KeyList | string {
  try {
    const list = JSON.parse(text) as KeyList
    const isList = list.format === 'sallyport key list' && Array.isArray(list.keys)
    const isSigned = [list.signature?.keyId, list.signature?.value].every(text => typeof text === 'string')
    if (!isList || !isSigned || list.keys.length > maxKeys) return 'it is no key list'
    return list.version === 1 ? list : 'it has another version: use a newer version of Sallyport'
  } catch {
    return 'it is not JSON'
  }
}

function problemOf({ signature, ...body }: KeyList): string | undefined {
  const wrong = body.keys.find(key => !isKey(key))
  if (wrong !== undefined) return `its key ${wrong.keyId} is not what it says`
  const signer = body.keys.find(key => isSigner(key, signature.keyId))
  if (signer === undefined) return 'it is not signed by its own key of log checkpoints'
  const isRight = isSigned(signedList(body), signature.value, signer.publicKey)
  return isRight ? undefined : 'its signature is wrong: something in it was changed'
}

function isSigner({ purpose, state, keyId }: ListedKey, signer: string): boolean {
  return purpose === 'log-checkpoints' && state === 'current' && keyId === signer
}

const states: readonly string[] = ['next', 'current', 'former', 'revoked']

function isKey(key: ListedKey): boolean {
  try {
    const isKnown = keyNames.includes(key.purpose) && states.includes(key.state)
    const hasReason = (key.state === 'revoked') === (key.revoked !== undefined)
    return isKnown && hasReason && keyIdOfKey(createPublicKey(key.publicKey)) === key.keyId
  } catch {
    return false
  }
}

function isSigned(text: Buffer, signature: string, publicKey: string): boolean {
  const bytes = Buffer.from(signature, 'base64')
  if (bytes.toString('base64') !== signature) return false // one signature has one spelling
  return verify(null, text, createPublicKey(publicKey), bytes)
}

/** Whether one of these (not revoked) endorsed it. */
function isHeirOf(key: ListedKey, trusted: ReadonlyMap<string, ListedKey>): boolean {
  const before = trusted.get(key.endorsedBy?.keyId ?? '')
  if (before === undefined || before.purpose !== key.purpose || before.state === 'revoked') return false
  const text = heirText(key.purpose, before.keyId, key.keyId, key.made)
  return isSigned(text, key.endorsedBy?.signature ?? '', before.publicKey)
}

export type Believed = {
  readonly keys: readonly ListedKey[]
  /** Those of the list that none of the pinned keys vouches for. */
  readonly strangers: readonly ListedKey[]
}

/**
 * What of a list somebody may believe who has these keys (ids) from elsewhere: they themselves, their heirs, and everything if the key
 * that signed the list is one of those. Without any pinned key the list is believed as it is.
 */
export function believed(list: KeyList, pinned: readonly string[]): Believed {
  if (pinned.length === 0) return { keys: list.keys, strangers: [] }
  const trusted = new Map(list.keys.filter(key => pinned.includes(key.keyId)).map(key => [key.keyId, key]))
  for (let before = -1; before < trusted.size; ) {
    before = trusted.size
    for (const key of list.keys) if (isHeirOf(key, trusted)) trusted.set(key.keyId, key)
  }
  if (trusted.has(list.signature.keyId)) return { keys: list.keys, strangers: [] }
  const strangers = list.keys.filter(key => !trusted.has(key.keyId))
  return { keys: [...trusted.values()], strangers }
}
