/** The keys that `verify` believes: PEM files, the output of `keys show`, and key lists (`keys export`). */
import { readFileSync } from 'node:fs'
import type { Revocation } from '../audit/revocation.ts'
import { keyIdOf } from '../audit/signature.ts'
import { believed, type KeyList, type ListedKey, readKeyList } from '../credentials/key-list.ts'
import { Fault, reasonOf } from '../errors.ts'

export type TrustedKeys = {
  /** Undefined if none were given. Good ones first, then revoked ones, whose signatures are told apart. */
  readonly keys: readonly string[] | undefined
  readonly revoked: readonly Revocation[]
  /** What the reader should know of the keys, in sentences. */
  readonly notes: readonly string[]
}

/**
 * A list alone is believed as it is. Beside a key that somebody has from elsewhere, it adds what that key vouches for: its heirs, and all
 * of them if it is the key of log checkpoints. Throws Fault KEY_UNUSABLE or NOT_FOUND.
 */
export function trustedKeys(files: readonly string[] | undefined): TrustedKeys {
  if (files === undefined) return { keys: undefined, revoked: [], notes: [] }
  const read = files.map(file => keysIn(file))
  const pems = read.flatMap(given => ('pems' in given ? given.pems : []))
  const lists = read.flatMap(given => ('list' in given ? [given.list] : []))
  const results = lists.map(list => believed(list, pems.map(keyIdOf)))
  const listed = results.flatMap(({ keys }) => keys).filter(isForAuditors)
  // A list can always take trust away: what it calls revoked is not believed, whoever vouches for it.
  const revoked = lists.flatMap(list => list.keys.filter(isForAuditors).flatMap(revocationOf))
  const isRevoked = (pem: string): boolean => revoked.some(({ keyId }) => keyId === keyIdOf(pem))
  const all = [...new Set([...pems, ...listed.map(({ publicKey }) => publicKey)].map(pem => pem.trim()))]
  const keys = all.toSorted((a, b) => Number(isRevoked(a)) - Number(isRevoked(b)))
  return { keys, revoked, notes: results.flatMap(({ strangers }) => strangersText(strangers)) }
}

function strangersText(strangers: readonly ListedKey[]): readonly string[] {
  const ids = strangers.filter(isForAuditors).map(({ keyId }) => keyId)
  return ids.length === 0
    ? []
    : [`No key that was given vouches for these of the list, so they are not believed: ${ids.join(', ')}.`]
}

/** A key of another purpose must not stand for these. */
function isForAuditors({ purpose }: ListedKey): boolean {
  return purpose === 'recording-heads' || purpose === 'log-checkpoints'
}

function revocationOf({ keyId, publicKey, revoked }: ListedKey): readonly Revocation[] {
  return revoked === undefined ? [] : [{ keyId, publicKeyPem: publicKey, ...revoked }]
}

type Given = { readonly pems: readonly string[] } | { readonly list: KeyList }

function keysIn(file: string): Given {
  const text = readKeyFile(file)
  if (text.trimStart().startsWith('{')) return { list: readKeyList(text, file) }
  const pems = text.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g)
  if (pems !== null) return { pems }
  throw new Fault(
    'KEY_UNUSABLE',
    `${file} holds no public key in PEM (-----BEGIN PUBLIC KEY-----), and is no key list.`,
  )
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Fault('NOT_FOUND', `${file} cannot be read: ${reasonOf(cause)}.`, { cause })
  }
}
