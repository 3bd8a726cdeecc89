/** `--auditor-key` of the commands that read recordings, and `sallyport keys auditor`, which makes such a key. */
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { parseAuditorKey } from '../config/auditor-key.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type AuditorKey, readAuditorKeyFile, unlock } from '../recorder/encryption/auditor-key.ts'
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
export function auditorKeysOf({ auditorKey }: WithAuditorKey): readonly AuditorKey[] {
  return (auditorKey ?? []).map(readAuditorKeyFile)
}

/** What opens this recording. Throws a Fault RECORDING_ENCRYPTED that says what to give, if it is needed. */
export async function readOptionsOf(file: string, options: WithAuditorKey): Promise<ReadOptions> {
  return { keys: await unlock(file, auditorKeysOf(options)) }
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
    .action(makeAuditorKey)
}

function makeAuditorKey({ out, curve }: { out: string; curve: 'P-256' | 'X25519' }): void {
  const pair =
    curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
  const publicJwk = { ...pair.publicKey.export({ format: 'jwk' }), use: 'enc' }
  const parsed = parseAuditorKey(JSON.stringify(publicJwk))
  if (!parsed.ok) throw new TypeError(parsed.message)
  const publicFile = `${out.replace(/\.jwk$/, '')}.pub.jwk`
  writeNew(publicFile, { ...publicJwk, kid: parsed.value.kid }, 0o644)
  writeNew(out, { ...pair.privateKey.export({ format: 'jwk' }), use: 'enc', kid: parsed.value.kid }, 0o600)
  process.stdout.write(
    `${printableLine(out)}: the private key. Keep it where no gateway is, and a copy of it elsewhere: without it, nobody reads what is encrypted to it.
${printableLine(publicFile)}: the public key. Give it to the gateway: recording: { encryptTo: [file:…/${printableLine(publicFile.replace(/^.*\//, ''))}] }
Its name in recordings: ${parsed.value.kid}
`,
  )
}

/** Never over a key that is there: what was encrypted to that would be lost. */
function writeNew(file: string, jwk: object, mode: number): void {
  try {
    writeFileSync(file, `${JSON.stringify(jwk, undefined, 2)}\n`, { flag: 'wx', mode })
  } catch (cause) {
    throw new Fault('KEY_UNUSABLE', `${file} cannot be written: ${reasonOf(cause)}.`, { cause })
  }
}
