/**
 * Which keys somebody may believe who has some key, or the fingerprint of one, from elsewhere. The page's own gateway is not asked whom to
 * trust: it shows keys, and what was pinned decides. recordings/README.md, "The key list", has the rules.
 */
import { type Bytes, fromBase64, utf8 } from './bytes.ts'
import { isSignature, keyIdOf, keyOfPem, publicKeyBytes } from './ed25519.ts'

export type TrustedKey = {
  readonly keyId: string
  readonly publicKey: Bytes
  readonly purpose: string
  readonly state: string
  /** Why it is believed: `pinned` itself, `heir` of a pinned key, `listed` by a believed signer of the list. */
  readonly by: 'pinned' | 'heir' | 'listed'
}

/** A name for a key that somebody got from elsewhere. */
export type Pin = { readonly keyId: string; readonly publicKey?: Bytes }

/** More pins than anybody typed. */
const maxPins = 20
const keyIdPattern = /^SHA256:[A-Za-z0-9+/]{43}$/

/**
 * Reads what an auditor typed, pasted or loaded: fingerprints (`SHA256:…`), public keys in PEM, verifier keys of a log
 * (`name+id+key`), or lines of ssh-ed25519. A sentence if there is something else in it.
 */
export async function readPins(text: string): Promise<readonly Pin[] | string> {
  const pems = text.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? []
  const rest = pems.reduce((left, pem) => left.replace(pem, ' '), text)
  const words = [
    ...pems,
    ...rest
      .split('\n')
      .map(line => line.trim())
      .filter(line => line !== '' && !line.startsWith('#'))
      .flatMap(line => (line.startsWith('ssh-ed25519 ') ? [line] : line.split(/[\s,]+/))),
  ]
  if (words.length > maxPins) return `At most ${maxPins} keys at once.`
  const pins: Pin[] = []
  for (const word of words) {
    const pin = await readPin(word)
    if (pin === undefined) return `“${word.slice(0, 60)}” is no fingerprint and no Ed25519 key.`
    if (!pins.some(({ keyId }) => keyId === pin.keyId)) pins.push(pin)
  }
  return pins
}

async function readPin(word: string): Promise<Pin | undefined> {
  if (keyIdPattern.test(word)) return { keyId: word }
  const publicKey = keyOfPem(word) ?? keyOfVerifier(word) ?? keyOfSshLine(word)
  return publicKey === undefined ? undefined : { keyId: await keyIdOf(publicKey), publicKey }
}

/** C2SP signed-note, "Verifier keys": the last part is the type and the key. */
function keyOfVerifier(word: string): Bytes | undefined {
  const encoded = /^[^\s+]{1,255}\+[0-9a-f]{8}\+([A-Za-z0-9+/]+={0,2})$/.exec(word)?.[1]
  const bytes = fromBase64(encoded ?? '')
  return bytes?.length === 1 + publicKeyBytes && bytes[0] === 1 ? bytes.slice(1) : undefined
}

function keyOfSshLine(line: string): Bytes | undefined {
  const bytes = fromBase64(/^ssh-ed25519 ([A-Za-z0-9+/]+={0,2})( |$)/.exec(line)?.[1] ?? '')
  return bytes?.length === 4 + 11 + 4 + publicKeyBytes ? bytes.slice(-publicKeyBytes) : undefined
}

type ListedKey = {
  readonly purpose: string
  readonly keyId: string
  readonly publicKey: string
  readonly state: string
  readonly made: string
  readonly endorsedBy?: { readonly keyId: string; readonly signature: string }
}
type KeyList = {
  readonly keys: readonly ListedKey[]
  readonly signature: { readonly keyId: string; readonly value: string }
}

export type Believed = {
  readonly keys: readonly TrustedKey[]
  /** Ids of the list's keys that nothing vouches for. */
  readonly strangers: readonly string[]
  /** What is wrong with the list, if something is: then only pins count. */
  readonly problem?: string
}

/** What of the gateway's key list may be believed with these pins. Without pins nothing is. */
export async function believe(listText: string, pins: readonly Pin[]): Promise<Believed> {
  const list = await readKeyList(listText)
  if (typeof list === 'string') return { keys: await pinnedKeys(pins), strangers: [], problem: list }
  const listed = list.keys.map(key => ({ key, publicKey: keyOfPem(key.publicKey) }))
  const known = new Map<string, TrustedKey>()
  for (const { key, publicKey } of listed)
    if (publicKey !== undefined && pins.some(({ keyId }) => keyId === key.keyId))
      known.set(key.keyId, trusted(key, publicKey, 'pinned'))
  for (let before = -1; before < known.size; ) {
    before = known.size
    for (const { key, publicKey } of listed)
      if (publicKey !== undefined && !known.has(key.keyId) && (await isHeir(key, known)))
        known.set(key.keyId, trusted(key, publicKey, 'heir'))
  }
  if (known.has(list.signature.keyId))
    for (const { key, publicKey } of listed)
      if (publicKey !== undefined && !known.has(key.keyId))
        known.set(key.keyId, trusted(key, publicKey, 'listed'))
  const extra = (await pinnedKeys(pins)).filter(({ keyId }) => !known.has(keyId))
  return {
    keys: [...known.values(), ...extra],
    strangers: list.keys.filter(({ keyId }) => !known.has(keyId)).map(({ keyId }) => keyId),
  }
}

function trusted(key: ListedKey, publicKey: Bytes, by: TrustedKey['by']): TrustedKey {
  return { keyId: key.keyId, publicKey, purpose: key.purpose, state: key.state, by }
}

/** Pins that are whole keys count without any list; of a fingerprint alone nobody knows the key. */
async function pinnedKeys(pins: readonly Pin[]): Promise<readonly TrustedKey[]> {
  return pins.flatMap(({ keyId, publicKey }) =>
    publicKey === undefined
      ? []
      : [{ keyId, publicKey, purpose: 'unknown', state: 'unknown', by: 'pinned' as const }],
  )
}

/** The list, if each key has the id that it says and its own current key of log checkpoints signed it; else what is wrong. */
async function readKeyList(text: string): Promise<KeyList | string> {
  const list = parseList(text)
  if (list === undefined) return 'The gateway gives no key list that this page can read.'
  const { signature, ...body } = list
  for (const key of list.keys) {
    const publicKey = keyOfPem(key.publicKey)
    if (publicKey !== undefined && (await keyIdOf(publicKey)) !== key.keyId)
      return `The key list gives a key another id than it has: ${key.keyId}.`
  }
  const signer = list.keys.find(
    ({ purpose, state, keyId }) =>
      purpose === 'log-checkpoints' && state === 'current' && keyId === signature.keyId,
  )
  const publicKey = keyOfPem(signer?.publicKey ?? '')
  const signed = utf8(`sallyport key list v1\n${JSON.stringify(body)}`)
  const isRight =
    publicKey !== undefined &&
    (await isSignature(publicKey, fromBase64(signature.value) ?? new Uint8Array(), signed))
  return isRight ? list : 'The key list is not signed by its own key of log checkpoints.'
}

function parseList(text: string): KeyList | undefined {
  try {
    const list = JSON.parse(text) as KeyList & { format?: unknown; version?: unknown }
    const isList =
      list.format === 'sallyport key list' && list.version === 1 && typeof list.signature.value === 'string'
    return isList && list.keys.every(isListedKey) ? list : undefined
  } catch {
    return undefined
  }
}

function isListedKey(key: ListedKey): boolean {
  return [key.purpose, key.keyId, key.publicKey, key.state, key.made].every(text => typeof text === 'string')
}

/** Whether a believed key of the same purpose, not revoked, says that this one follows it. */
async function isHeir(key: ListedKey, known: ReadonlyMap<string, TrustedKey>): Promise<boolean> {
  const before = known.get(key.endorsedBy?.keyId ?? '')
  if (before === undefined || before.purpose !== key.purpose || before.state === 'revoked') return false
  const { purpose, keyId, made } = key
  const signed = utf8(`sallyport key succession v1\n${purpose}\n${before.keyId}\n${keyId}\n${made}\n`)
  const signature = fromBase64(key.endorsedBy?.signature ?? '') ?? new Uint8Array()
  return isSignature(before.publicKey, signature, signed)
}
