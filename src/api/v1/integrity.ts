/** The log of sessions and the keys, as the interface shows them. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { checkpointFile, checkpointsFile } from '../../audit/tree/tree-files.ts'
import type { SessionLogView } from '../../audit/tree/session-log.ts'
import { type KeyList, printKeyList } from '../../credentials/key-list.ts'
import type { BundleParts } from '../../recorder/bundle/bundle.ts'
import type { Trust } from './recording-checks.ts'
import type { IntegrityView } from '../schema.ts'

/** Checkpoints that are shown, and bytes of their file that are read for that. */
const maxCheckpoints = 50
const tailBytes = 256 * 1024

export type Integrity = {
  readonly view: () => IntegrityView
  readonly keyList: () => string
  /** Undefined where the log has no such sizes. */
  readonly consistency: (from: number, to: number) => readonly Buffer[] | undefined
}

/** What proves recordings elsewhere: the keys that signed them and the logs, and how far the log of sessions is. */
export function proofsOf({
  folder,
  sessionLog,
  keys,
}: IntegrityParts): Pick<BundleParts, 'keys' | 'keyList' | 'checkpoint' | 'origin'> {
  const list = keys()
  const file = join(folder, checkpointFile)
  return {
    keys: list.keys.flatMap(({ purpose, keyId, publicKey }) =>
      purpose === 'recording-heads' || purpose === 'log-checkpoints'
        ? [{ purpose, keyId, publicKeyPem: publicKey }]
        : [],
    ),
    keyList: printKeyList(list),
    checkpoint: existsSync(file) ? readFileSync(file, 'utf8') : undefined,
    origin: sessionLog.origin,
  }
}

export type IntegrityParts = {
  /** Of the log of sessions. */
  readonly folder: string
  readonly sessionLog: SessionLogView
  readonly keys: () => KeyList
}

export function integrityOf({ folder, sessionLog, keys }: IntegrityParts): Integrity {
  return {
    view: () => ({
      origin: sessionLog.origin,
      treeSize: sessionLog.size,
      checkpoints: checkpointsIn(folder).map(({ size, note }) => ({
        size,
        atMs: timeOf(sessionLog, size),
        note,
      })),
      keys: keys().keys.map(({ purpose, keyId, publicKey, state }) => ({
        purpose,
        keyId,
        publicKeyPem: publicKey,
        state,
      })),
      publishers: sessionLog.publishers.map(({ name, lastMs, problem }) => ({
        place: name,
        ...(lastMs === undefined ? {} : { lastMs }),
        ...(problem === undefined ? {} : { problem }),
      })),
    }),
    keyList: () => printKeyList(keys()),
    consistency: (from, to) => {
      const isThere = from > 0 && from <= to && to <= sessionLog.size
      return isThere ? sessionLog.consistency(from, to) : undefined
    },
  }
}

/** A checkpoint says no time; the last entry that it covers does. */
function timeOf(log: IntegrityParts['sessionLog'], size: number): number {
  const at = size === 0 ? undefined : log.leafAt(size - 1)?.at
  return at === undefined ? 0 : Date.parse(at)
}

const storedCheckpoint = z.object({ size: z.int(), note: z.string() })

/** The newest of the log's history, the newest first, each size once. */
function checkpointsIn(folder: string): readonly z.output<typeof storedCheckpoint>[] {
  const bySize = new Map<number, z.output<typeof storedCheckpoint>>()
  for (const text of tailOf(join(folder, checkpointsFile)).split('\n').toReversed()) {
    const read = storedCheckpoint.safeParse(jsonOf(text))
    if (read.success && !bySize.has(read.data.size)) bySize.set(read.data.size, read.data)
    if (bySize.size === maxCheckpoints) break
  }
  return [...bySize.values()]
}

/** The first line of a tail may be cut. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function tailOf(path: string): string {
  if (!existsSync(path)) return ''
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.alloc(Math.min(size, tailBytes))
    const read = readSync(fd, bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString('utf8', 0, read)
  } finally {
    closeSync(fd)
  }
}

/** Of the gateway's own list: the keys that recordings and the log of sessions are signed with, those that were revoked apart. */
export function trustOf({ number, keys }: KeyList): Trust {
  const ours = keys.filter(({ purpose }) => purpose === 'recording-heads' || purpose === 'log-checkpoints')
  return {
    number,
    keys: ours.toSorted((a, b) => Number(isRevoked(a)) - Number(isRevoked(b))).map(key => key.publicKey),
    revoked: ours.flatMap(({ keyId, publicKey, revoked }) =>
      revoked === undefined ? [] : [{ keyId, publicKeyPem: publicKey, ...revoked }],
    ),
  }
}

function isRevoked({ revoked }: KeyList['keys'][number]): boolean {
  return revoked !== undefined
}
