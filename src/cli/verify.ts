/** `sallyport verify`: proves recordings and audit logs whole, or names the first record that is not. Works offline. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { StampedLeaf } from '../audit/tree/leaf.ts'
import { checkpointFile } from '../audit/tree/tree-files.ts'
import { verifyTree } from '../audit/tree/verify-tree.ts'
import { verifyAudit } from '../audit/verify.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type VerifyResult, verifyRecording } from '../recorder/verify.ts'
import { type Decisions, decisionsIn } from '../recorder/retention/decisions-in.ts'
import { cacheTag } from '../recorder/storage/cache.ts'
import { storedAsToldBy } from '../recorder/storage/stored-as-told.ts'
import {
  type Misplaced,
  type RemovedRecording,
  type SeenRecording,
  verifyPlaces,
} from '../recorder/verify-places.ts'
import { readRecording } from '../recorder/reader.ts'
import { anchorsOf } from '../recorder/register.ts'
import { type AuditorKey, unlock } from '../recorder/encryption/auditor-key.ts'
import type { ContentKeys } from '../recorder/encryption/content-keys.ts'
import { auditorKeyOption, auditorKeysOf, type WithAuditorKey } from './auditor-key.ts'
import { nextGoodFrame } from '../recorder/next-good.ts'
import { printableLine, printJson } from './print.ts'
import { storedRecordings } from './storage.ts'
import { type TrustedKeys, trustedKeys } from './trusted-keys.ts'

type VerifyOptions = WithAuditorKey & {
  key?: string[]
  checkpoint?: string[]
  store?: string
  json?: boolean
}

export function addVerify(program: Command): void {
  auditorKeyOption(
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
        'whose signatures they must be: public keys (PEM), or the list of "sallyport keys export", which names revoked keys too; a list beside a PEM adds what that key vouches for. Without any, each file is held only against itself',
      )
      .option(
        '--checkpoint <file...>',
        'checkpoints of the log of sessions that were kept elsewhere: the log must still begin with what they saw',
      )
      .option(
        '--store <file>',
        'the configuration that names the bucket: recordings that are there and not at the paths are read from it. Without it nothing but files is looked at',
      )
      .option('--json', 'for scripts'),
  ).action(verify)
}

async function verify(paths: string[], options: VerifyOptions): Promise<void> {
  const trusted = trustedKeys(options.key)
  const results = await resultsOf(paths, trusted, options)
  if (options.json === true) printJson(results)
  else for (const result of results) process.stdout.write(`${describe(result)}\n`)
  if (options.json !== true)
    for (const note of notesOn(trusted)) process.stdout.write(`${printableLine(note)}\n`)
  if (results.some(result => !result.ok)) process.exitCode = 1
}

/** Of each recording and log that is found at the paths, and of what the logs of sessions say of them. */
export async function resultsOf(
  paths: readonly string[],
  trusted: TrustedKeys,
  options: Pick<VerifyOptions, 'checkpoint' | 'store'> & WithAuditorKey = {},
): Promise<readonly Result[]> {
  const files = paths.flatMap(path => filesAt(path))
  if (files.length === 0) throw new Fault('NOT_FOUND', 'There is nothing to verify at these paths.')
  const logs = files.filter(isSessionLog).map(file => ({
    ...verifyLog(file, trusted, options.checkpoint ?? []),
    isGivenItself: paths.includes(file),
  }))
  const others = files.filter(file => !isSessionLog(file))
  const auditors = await auditorKeysOf(options)
  const results: Result[] = []
  for (const file of others) {
    const log = logs.find(({ result }) => isBeside(file, result.file))
    results.push(await verifyOne(file, trusted, auditors, log))
  }
  const stored: SeenRecording[] = []
  if (options.store !== undefined) {
    const here = new Set(others.map(file => basename(file)))
    for await (const { name, path } of storedRecordings(options.store, here)) {
      results.push({ ...(await verifyOne(path, trusted, auditors, undefined)), file: name })
      stored.push({ file: name, seen: seenIn(path) })
    }
  }
  results.push(...logs.map(log => log.result))
  const decisions = decisionsOf(others.filter(file => !isRecording(file)))
  const inBucket =
    options.store === undefined ? storedAsToldBy(others.filter(file => !isRecording(file))) : noSessions
  for (const log of logs)
    results.push(...placesIn(log, others.filter(isRecording), decisions, { stored, inBucket }))
  return results
}

export type Result = VerifyResult & { readonly file: string; readonly removed?: readonly RemovedRecording[] }

function notesOn({ keys, notes }: TrustedKeys): readonly string[] {
  const none = 'No --key was given: the files agree with themselves, but not with a key that you know.'
  return keys === undefined ? [none] : notes
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
  const names = withoutCaches(path, readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted())
  if (isSessionLog(path)) return [path]
  const audits = new Set(names.filter(isAudit).map(name => dirname(join(path, name))))
  const logs = names.filter(name => basename(name) === checkpointFile).map(name => dirname(join(path, name)))
  const recordings = names.filter(isRecording).map(name => join(path, name))
  return [...recordings, ...audits, ...logs.filter(isSessionLog)]
}

/** Copies of what is kept elsewhere prove nothing of that. */
function withoutCaches(path: string, names: readonly string[]): readonly string[] {
  const caches = names.filter(name => basename(name) === cacheTag).map(name => `${dirname(name)}/`)
  if (caches.includes('./'))
    throw new Fault('NOT_FOUND', `${path} is a cache: what is kept elsewhere is verified there.`)
  return names.filter(name => !caches.some(cache => name.startsWith(cache)))
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
  { keys, revoked }: TrustedKeys,
  checkpoints: readonly string[],
): VerifiedLog {
  for (const checkpoint of checkpoints) readText(checkpoint) // says plainly if it is not there
  const { result, leaves } = verifyTree(file, { keys, revoked, checkpoints })
  return { result: { ...result, file }, leaves }
}

/** What the log says of recordings, if any were given beside it. */
function placesIn(
  { result, leaves, isGivenItself }: VerifiedLog & { readonly isGivenItself: boolean },
  recordings: readonly string[],
  decisions: Decisions | undefined,
  { stored, inBucket }: Elsewhere,
): readonly Result[] {
  if (!result.ok) return []
  if (
    recordings.length + stored.length + inBucket.size === 0 &&
    !areAllRemoved(leaves) &&
    (isGivenItself || !hasFolderBeside(result.file))
  )
    return leaves.some(leaf => leaf.kind === 'session-open')
      ? [{ ...result, records: 0, notes: [notLooked] }]
      : []
  const { misplaced, notes, found, removed } = verifyPlaces(leaves, recordings, decisions, stored)
  const isInBucket = ({ file, isMissing }: Misplaced) =>
    isMissing && inBucket.has(basename(file, '.sallyport'))
  const unseen = misplaced.filter(isInBucket)
  const wrong = misplaced
    .filter(one => !isInBucket(one))
    .map(({ file, reason }) => ({
      ok: false as const,
      file,
      record: 0,
      offset: 0,
      reason,
    }))
  if (wrong.length > 0) return wrong
  const text = toldText(found, unseen.length)
  return [
    { ...result, records: found, notes: [text, ...notes], ...(removed.length === 0 ? {} : { removed }) },
  ]
}

function toldText(found: number, unseen: number): string {
  if (unseen > 0)
    return `Here: ${found} of the recordings that the log tells of. ${unseen} more are in the bucket, as the audit log says: they were not looked at. --store looks at them too.`
  return found === 1
    ? 'The one recording that the log tells of is there, and is the one that it tells of.'
    : `All ${found} recordings that the log tells of are there, and are those that it tells of.`
}

/** Recordings that are not files here: those that were read from the bucket, and sessions that are said to be there. */
type Elsewhere = { readonly stored: readonly SeenRecording[]; readonly inBucket: ReadonlySet<string> }

const noSessions: ReadonlySet<string> = new Set()

/** What the log speaks of, before the copy goes again. */
function seenIn(path: string): SeenRecording['seen'] {
  try {
    const reader = readRecording(path)
    reader.close()
    return { ...anchorsOf(path), openedAt: reader.header.openedAt }
  } catch (error) {
    return reasonOf(error)
  }
}

const notLooked =
  'No recordings were given, so whether those that the log tells of are there was not looked at: name their folder too.'

/** Where recordings lie by default: that it is empty says something, if the whole data folder is looked at. */
function hasFolderBeside(log: string): boolean {
  return existsSync(join(dirname(resolve(log)), 'recordings'))
}

/** Without any recording: either none was given, or there is none any more. */
function areAllRemoved(leaves: readonly StampedLeaf[]): boolean {
  const removed = new Set(leaves.flatMap(leaf => (leaf.kind === 'tombstone' ? leaf.session : [])))
  return removed.size > 0 && leaves.every(leaf => leaf.kind !== 'session-open' || removed.has(leaf.session))
}

/** Of the audit logs that were given; undefined without any. */
function decisionsOf(audits: readonly string[]): Decisions | undefined {
  const found = audits.map(decisionsIn)
  if (found.length === 0) return undefined
  const byHash = new Map(found.flatMap(each => [...each.byHash]))
  return { byHash, isWhole: found.every(each => each.isWhole) }
}

function isAudit(path: string): boolean {
  return /(^|\/)audit-[^/]*\.ndjson$/.test(path)
}

async function verifyOne(
  file: string,
  { keys: trusted, revoked }: TrustedKeys,
  auditors: readonly AuditorKey[],
  log: VerifiedLog | undefined,
): Promise<Result> {
  const isLog = isAudit(file) || statSync(file).isDirectory()
  if (isLog) return { ...verifyAudit(file, trusted, { revoked, entered: linesIn(log) }), file }
  return { ...verifyRecording(file, trusted, { revoked, keys: await contentKeys(file, auditors) }), file }
}

/** The log of sessions of an audit log is in the same data folder. */
function isBeside(audit: string, log: string): boolean {
  const folder = isAudit(audit) ? dirname(audit) : audit
  return dirname(resolve(folder)) === dirname(resolve(log))
}

/** How far the audit log went at its checkpoints, as a log that was proven says. */
function linesIn(log: VerifiedLog | undefined): ReadonlyMap<number, string> {
  const leaves = log?.result.ok === true ? log.leaves : []
  return new Map(leaves.flatMap(leaf => (leaf.kind === 'audit-log' ? [[leaf.upTo, leaf.sha256]] : [])))
}

/** Of a recording that none of the auditors' keys opens the chain is proven, and a note says that what it holds was not looked at. */
async function contentKeys(file: string, auditors: readonly AuditorKey[]): Promise<ContentKeys | undefined> {
  if (auditors.length === 0) return undefined
  return unlock(file, auditors).catch(() => undefined)
}

function describe(result: Result): string {
  if (!result.ok) {
    return `FAILED  ${printableLine(result.file)}: record ${result.record} at byte ${result.offset}: ${printableLine(result.reason)}${nextGoodText(result)}`
  }
  const signers = result.signedBy.length === 0 ? 'not signed' : `signed by ${result.signedBy.join(', ')}`
  const notes = result.notes.map(note => `\n          ${printableLine(note)}`).join('')
  return `ok      ${printableLine(result.file)}: ${result.records} records, ${signers}${notes}`
}

/** Where a damaged recording can be read again, as `export --past-damage` does. */
function nextGoodText({ file, offset }: Extract<Result, { ok: false }>): string {
  if (offset === 0 || !isRecording(file) || !existsSync(file)) return ''
  const next = nextGoodFrame(file, offset + 1)
  return next === undefined
    ? '\n          No whole record follows.'
    : `\n          The next whole record begins at byte ${next}.`
}
