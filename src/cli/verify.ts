/** `sallyport verify`: proves recordings and audit logs whole, or names the first record that is not. Works offline. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { verifyAudit } from '../audit/verify.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type VerifyResult, verifyRecording } from '../recorder/verify.ts'
import { printableLine, printJson } from './print.ts'

type VerifyOptions = { key?: string[]; json?: boolean }

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description(
      'prove recordings, folders of them, and audit logs whole, or name the first record that fails',
    )
    .argument('<path...>', 'recordings (*.sallyport), audit logs (audit-*.ndjson), or folders')
    .option(
      '--key <file...>',
      'public keys (PEM) that signatures must be of; without any, each file is held only against itself',
    )
    .option('--json', 'for scripts')
    .action(verify)
}

function verify(paths: string[], options: VerifyOptions): void {
  const keys = options.key?.flatMap(keysIn)
  const files = paths.flatMap(path => filesAt(path))
  if (files.length === 0) throw new Fault('NOT_FOUND', 'There is nothing to verify at these paths.')
  const results = files.map(file => verifyOne(file, keys))
  if (options.json === true) printJson(results)
  else for (const result of results) process.stdout.write(`${describe(result)}\n`)
  if (keys === undefined && options.json !== true) {
    process.stdout.write(
      'No --key was given: the files agree with themselves, but not with a key that you know.\n',
    )
  }
  if (results.some(result => !result.ok)) process.exitCode = 1
}

type Result = VerifyResult & { readonly file: string }

/** Every public key in a file, so that the output of `keys show` will do as it is. */
function keysIn(file: string): readonly string[] {
  const keys = readText(file).match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g)
  if (keys !== null) return keys
  throw new Fault('KEY_UNUSABLE', `${file} holds no public key in PEM (-----BEGIN PUBLIC KEY-----).`)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Fault('NOT_FOUND', `${file} cannot be read: ${reasonOf(cause)}.`, { cause })
  }
}

/** Everything below a folder. An audit log is its folder: its files are one chain. */
function filesAt(path: string): readonly string[] {
  let isFolder: boolean
  try {
    isFolder = statSync(path).isDirectory()
  } catch (cause) {
    throw new Fault('NOT_FOUND', `${path} is not there.`, { cause })
  }
  if (!isFolder) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted()
  const logs = new Set(names.filter(isAudit).map(name => dirname(join(path, name))))
  return [...names.filter(name => name.endsWith('.sallyport')).map(name => join(path, name)), ...logs]
}

function isAudit(path: string): boolean {
  return /(^|\/)audit-[^/]*\.ndjson$/.test(path)
}

function verifyOne(file: string, keys: readonly string[] | undefined): Result {
  const isLog = isAudit(file) || statSync(file).isDirectory()
  const result = isLog ? verifyAudit(file, keys) : verifyRecording(file, keys)
  return { ...result, file }
}

function describe(result: Result): string {
  if (!result.ok) {
    return `FAILED  ${printableLine(result.file)}: record ${result.record} at byte ${result.offset}: ${printableLine(result.reason)}`
  }
  const signers = result.signedBy.length === 0 ? 'not signed' : `signed by ${result.signedBy.join(', ')}`
  const notes = result.notes.map(note => `; ${printableLine(note)}`).join('')
  return `ok      ${printableLine(result.file)}: ${result.records} records, ${signers}${notes}`
}
