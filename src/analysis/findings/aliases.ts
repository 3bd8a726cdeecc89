/**
 * Pseudonyms of people in findings. One key of their own makes them, in the folder of keys; when it is old it is replaced, and nobody can
 * tell any more whom the old ones meant, nor that an old and a new one mean the same person.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../../credentials/key-file.ts'
import { Fault, reasonOf } from '../../errors.ts'

const fileName = 'pseudonyms.json'
const keyBytes = 32
/** Without letters that are read for digits (Crockford's base 32). */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
/** 40 bits: of ten thousand people, two share one with a chance of 1 in 20,000. */
const aliasLength = 8

const fileSchema = z.strictObject({ key: z.base64(), madeAtMs: z.number() })
type Key = { readonly bytes: Buffer; readonly madeAtMs: number }

export class Aliases {
  readonly #file: string
  #key: Key

  /** Makes the key if there is none. Throws Fault KEY_UNUSABLE. */
  constructor(keysFolder: string, nowMs: number) {
    this.#file = join(keysFolder, fileName)
    this.#key = existsSync(this.#file) ? readKey(this.#file) : this.#make(nowMs)
  }

  /** What stands for a person until the key is older than `rotateMs`. */
  of({ issuer, subject }: { issuer: string; subject: string }, nowMs: number, rotateMs: number): string {
    if (nowMs - this.#key.madeAtMs >= rotateMs) this.#key = this.#make(nowMs)
    const digest = this.#digest(`person\n${issuer}\n${subject}`)
    const letters = [...digest.subarray(0, aliasLength)].map(byte => alphabet[byte % alphabet.length] ?? '0')
    return `person-${letters.join('')}`
  }

  /** Whether a session is one of a share of all (0 to 1), drawn by the key, so that nobody can choose to be left out. */
  draws(session: string, share: number): boolean {
    return this.#digest(`sample\n${session}`).readUInt32BE(0) / 2 ** 32 < share
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key.bytes).update(text).digest()
  }

  /** Takes the place of the one before, which nobody has then. */
  #make(nowMs: number): Key {
    const key = { bytes: randomBytes(keyBytes), madeAtMs: nowMs }
    replaceFile(this.#file, JSON.stringify({ key: key.bytes.toString('base64'), madeAtMs: nowMs }))
    return key
  }
}

function readKey(file: string): Key {
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw new Error('others than its owner may read it (chmod 600)')
    const { key, madeAtMs } = fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    const bytes = Buffer.from(key, 'base64')
    if (bytes.length !== keyBytes) throw new Error(`it has ${bytes.length} bytes, not ${keyBytes}`)
    return { bytes, madeAtMs }
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `The key ${file} cannot be used: ${reasonOf(cause)}.`, { cause })
  }
}
