/** A private key in a file that only its owner may read. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { Fault, reasonOf } from '../errors.ts'
import type { Signer } from '../model.ts'
import { fingerprint, publicKeyBlob } from './ssh-key.ts'

/** As strong as AES-128 is thought to be (NIST SP 800-57, part 1, table 2). */
const rsaBits = 3072

export type KeyKind = 'ed25519' | 'rsa'

/** The key in `file`, made if there is none. Throws Fault KEY_UNUSABLE. */
export function loadOrCreate(file: string, kind: KeyKind = 'ed25519'): KeyObject {
  return existsSync(file) ? loadKey(file, kind) : createKey(file, kind)
}

/** Throws Fault KEY_UNUSABLE, also if others than its owner may read it. */
export function loadKey(file: string, kind: KeyKind = 'ed25519'): KeyObject {
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw new Error('others than its owner may read it (chmod 600)')
    const key = createPrivateKey(readFileSync(file))
    checkKind(key, kind)
    return key
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `The key ${file} cannot be used: ${reasonOf(cause)}.`, { cause })
  }
}

function checkKind(key: KeyObject, kind: KeyKind): void {
  if (key.asymmetricKeyType !== kind) throw new Error(`not an ${kind === 'rsa' ? 'RSA' : 'Ed25519'} key`)
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (kind === 'rsa' && bits < rsaBits) throw new Error(`${bits} bits are too few, it takes ${rsaBits}`)
}

/** A new key. Exclusive and synced: a half-written authority must not be taken for one, and none may be overwritten. */
export function createKey(file: string, kind: KeyKind): KeyObject {
  const { privateKey } =
    kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: rsaBits }) : generateKeyPairSync('ed25519')
  writeSynced(file, 'wx', 0o600, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return privateKey
}

/** Readers see the old text or the new one, also after a power cut. */
export function replaceFile(file: string, text: string, mode = 0o600): void {
  writeSynced(`${file}.new`, 'w', mode, text)
  moveFile(`${file}.new`, file)
}

/** A move that outlives a power cut. */
export function moveFile(from: string, to: string): void {
  renameSync(from, to)
  const folder = openSync(dirname(to), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function writeSynced(file: string, flags: 'w' | 'wx', mode: number, text: string): void {
  const fd = openSync(file, flags, mode)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** SubjectPublicKeyInfo in PEM. */
export function publicPemOf(key: KeyObject): string {
  const publicKey = key.type === 'public' ? key : createPublicKey(key)
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

/** `SHA256:…` as ssh-keygen prints it; of Ed25519 and RSA keys, private or public. */
export function keyIdOfKey(key: KeyObject): string {
  return fingerprint(publicKeyBlob(key.type === 'public' ? key : createPublicKey(key)))
}

/** A Signer over a key in this process's memory. */
export function fileSigner(key: KeyObject): Signer {
  return {
    keyId: keyIdOfKey(key),
    algorithm: 'ed25519',
    publicKeyPem: publicPemOf(key),
    // At once: it takes 40 µs, and a thread of the pool costs more than that on top of it.
    sign: async data => sign(null, data, key),
  }
}
