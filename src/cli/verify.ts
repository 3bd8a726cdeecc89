/** `sallyport verify`: proves recordings and audit logs whole, or names the first record that is not. Works offline. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Command } from 'commander'
import type { StampedLeaf } from '../audit/tree/leaf.ts'
import { checkpointFile } from '../audit/tree/tree-files.ts'
import { verifyTree } from '../audit/tree/verify-tree.ts'
import { verifyAudit } from '../audit/verify.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type VerifyResult, verifyRecording } from '../recorder/verify.ts'
import { verifyPlaces } from '../recorder/verify-places.ts'
import { printableLine, printJson } from './print.ts'

type VerifyOptions = { key?: string[]; checkpoint?: string[]; json?: boolean }

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description(
      'prove recordings, folders of them, and audit logs whole, or name the first record that fails',
    )
    .argument(
      '<path...>',
      'recordings (*.sallyport), audit logs (audit-*.ndjson), logs of sessions (log/), or folders with any of them',
    )
    .option(
      '--key <file...>',
      'public keys (PEM) that signatures must be of; without any, each file is held only against itself',
    )
    .option(
      '--checkpoint <file...>',
      'checkpoints of the log of sessions that were kept elsewhere: the log must still begin with what they saw',
    )
    .option('--json', 'for scripts')
    .action(verify)
}

function verify(paths: string[], options: VerifyOptions): void {
  const keys = options.key?.flatMap(keysIn)
  const files = paths.flatMap(path => filesAt(path))
  if (files.length === 0) throw new Fault('NOT_FOUND', 'There is nothing to verify at these paths.')
  const logs = files.filter(isSessionLog).map(file => verifyLog(file, keys, options.checkpoint ?? []))
  const others = files.filter(file => !isSessionLog(file))
  const results = [...others.map(file => verifyOne(file, keys)), ...logs.map(log => log.result)]
  for (const log of logs) results.push(...placesIn(log, others.filter(isRecording)))
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
  if (isSessionLog(path)) return [path]
  const audits = new Set(names.filter(isAudit).map(name => dirname(join(path, name))))
  const logs = names.filter(name => basename(name) === checkpointFile).map(name => dirname(join(path, name)))
  const recordings = names.filter(isRecording).map(name => join(path, name))
  return [...recordings, ...audits, ...logs.filter(isSessionLog)]
}

function isRecording(path: string): boolean {
  return path.endsWith('.sallyport')
}

/** A folder with a checkpoint: the gateway's `log`, or a copy of what C2SP tlog-tiles names. */
function isSessionLog(path: string): boolean {
  return existsSync(join(path, checkpointFile))
}

type VerifiedLog = { readonly result: Result; readonly leaves: readonly StampedLeaf[] }

function verifyLog(
  file: string,
  keys: readonly string[] | undefined,
  checkpoints: readonly string[],
): VerifiedLog {
  for (const checkpoint of checkpoints) readText(checkpoint) // says plainly if it is not there
  const { result, leaves } = verifyTree(file, { keys, checkpoints })
  return { result: { ...result, file }, leaves }
}

/** What the log says of recordings, if any were given beside it. */
function placesIn({ result, leaves }: VerifiedLog, recordings: readonly string[]): readonly Result[] {
  if (!result.ok || recordings.length === 0) return []
  const { misplaced, notes, found } = verifyPlaces(leaves, recordings)
  const wrong = misplaced.map(({ file, reason }) => ({
    ok: false as const,
    file,
    record: 0,
    offset: 0,
    reason,
  }))
  if (wrong.length > 0) return wrong
  const text = `All ${found} recordings that the log tells of are there, and are those that it tells of.`
  return [{ ...result, records: found, notes: [text, ...notes] }]
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
  const notes = result.notes.map(note => `\n          ${printableLine(note)}`).join('')
  return `ok      ${printableLine(result.file)}: ${result.records} records, ${signers}${notes}`
}
