/** `--auditor-key` of the commands that read recordings, and `sallyport keys auditor`, which makes such a key. */
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { parseAuditorKey } from '../config/auditor-key.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type AuditorKey, lockKey, readAuditorKeyFile, unlock } from '../recorder/encryption/auditor-key.ts'
import type { ReadOptions } from '../recorder/reader.ts'
import { printableLine } from './print.ts'

export type WithAuditorKey = { readonly auditorKey?: readonly string[] }

export function auditorKeyOption(command: Command): Command {
  return command.option(
    '--auditor-key <file...>',
    'private keys of auditors (JWK), for recordings that are encrypted to them',
  )
}

/** The keys that were given. */
export function auditorKeysOf({ auditorKey }: WithAuditorKey): Promise<readonly AuditorKey[]> {
  return Promise.all((auditorKey ?? []).map(file => readAuditorKeyFile(file, askPassphrase)))
}

/** For scripts, and for machines without a terminal. */
const passphraseVariable = 'SALLYPORT_PASSPHRASE'

async function askPassphrase(file: string): Promise<string> {
  const given = process.env[passphraseVariable]
  if (given !== undefined) return given
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new Fault(
      'KEY_UNUSABLE',
      `${file} is locked with a passphrase. Give it in ${passphraseVariable}, or use a terminal.`,
    )
  return readHidden(`Passphrase of ${printableLine(file)}: `)
}

/** A line that the terminal does not show. */
async function readHidden(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  process.stderr.write(question)
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () => reject(new Fault('KEY_UNUSABLE', 'Nothing was read.')))
      lines.once('close', () => reject(new Fault('KEY_UNUSABLE', 'No passphrase was given.')))
    })
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

/** Of a new key: asked twice, since nobody can ask later what it was. */
async function newPassphrase(out: string): Promise<string> {
  const passphrase = await askPassphrase(out)
  if (passphrase.length < minPassphraseLength)
    throw new Fault('KEY_UNUSABLE', `The passphrase must have at least ${minPassphraseLength} characters.`)
  const again = process.env[passphraseVariable] ?? (await readHidden('The same again: '))
  if (again !== passphrase)
    throw new Fault('KEY_UNUSABLE', 'The two passphrases differ. Nothing was written.')
  return passphrase
}

/** Whoever has the file may try as many as they like. */
const minPassphraseLength = 12

/** What opens this recording. Throws a Fault RECORDING_ENCRYPTED that says what to give, if it is needed. */
export async function readOptionsOf(file: string, options: WithAuditorKey): Promise<ReadOptions> {
  return { keys: await unlock(file, await auditorKeysOf(options)) }
}

/**
 * A recording that was copied to where the auditor's key is, given by its file. There is no gateway there that could note the reading; it
 * noted that the copy was taken.
 */
export function isCopy(recording: string, { auditorKey }: WithAuditorKey): boolean {
  return auditorKey !== undefined && recording.endsWith('.sallyport') && existsSync(recording)
}

export function addAuditorKey(keys: Command): void {
  keys
    .command('auditor')
    .description(
      "make an auditor's pair of keys, on the auditor's own machine: recordings are encrypted to its public half",
    )
    .requiredOption(
      '--out <file>',
      'where to write the private key; the public one goes beside it as FILE.pub.jwk',
    )
    .addOption(
      new Option('--curve <curve>', 'browsers older than 2025 know P-256 alone')
        .choices(['P-256', 'X25519'])
        .default('P-256'),
    )
    .option('--passphrase', 'lock the private key with a passphrase, which is asked for')
    .action(makeAuditorKey)
}

type MakeOptions = { out: string; curve: 'P-256' | 'X25519'; passphrase?: boolean }

async function makeAuditorKey({ out, curve, passphrase }: MakeOptions): Promise<void> {
  const pair =
    curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
  const publicJwk = { ...pair.publicKey.export({ format: 'jwk' }), use: 'enc' }
  const parsed = parseAuditorKey(JSON.stringify(publicJwk))
  if (!parsed.ok) throw new TypeError(parsed.message)
  const publicFile = `${out.replace(/\.jwk$/, '')}.pub.jwk`
  const privateJwk = { ...pair.privateKey.export({ format: 'jwk' }), use: 'enc', kid: parsed.value.kid }
  const lock = passphrase === true ? await newPassphrase(out) : undefined
  writeNew(publicFile, textOf({ ...publicJwk, kid: parsed.value.kid }), 0o644)
  writeNew(out, lock === undefined ? textOf(privateJwk) : `${await lockKey(privateJwk, lock)}\n`, 0o600)
  process.stdout.write(
    `${printableLine(out)}: the private key. Keep it where no gateway is, and a copy of it elsewhere: without it, nobody reads what is encrypted to it.
${printableLine(publicFile)}: the public key. Give it to the gateway: recording: { encryptTo: [file:…/${printableLine(publicFile.replace(/^.*\//, ''))}] }
Its name in recordings: ${parsed.value.kid}
`,
  )
}

function textOf(jwk: object): string {
  return `${JSON.stringify(jwk, undefined, 2)}\n`
}

/** Never over a key that is there: what was encrypted to that would be lost. */
function writeNew(file: string, text: string, mode: number): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode })
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `${file} cannot be written: ${reasonOf(cause)}.`, { cause })
  }
}
