/** The tree's files in a folder: full tiles are written once, tiles that still grow are written beside and replaced. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CompactRange, hashBytes, leafHash, nodeHash, type Span } from './merkle.ts'
import { decodeEntries, tileHeight, tilePath, tileWidth } from './tile.ts'

/** Where the log of sessions keeps its newest checkpoint, and all of them. */
export const checkpointFile = 'checkpoint'
export const checkpointsFile = 'checkpoints.ndjson'
/** Entries that do not fill a bundle yet; it becomes the bundle when they do. */
export const growingFile = 'growing'

/** How the hashes of a level are known: on disk, or for a tile that still grows in memory. */
export type HashSource = (level: number, position: number) => Buffer

/** Subtrees of a tree that only grows never change: so many are remembered, and proofs share all but a few of theirs. */
const maxRememberedRoots = 8192

/** The root over a span of leaves, from the hashes of whole subtrees. */
export function spanRoot(span: Span, hashAt: HashSource): Buffer {
  return new SubtreeRoots(hashAt).over(span)
}

/** Roots over spans of one tree. */
export class SubtreeRoots {
  readonly #hashAt: HashSource
  readonly #known = new Map<string, Buffer>()

  constructor(hashAt: HashSource) {
    this.#hashAt = hashAt
  }

  over({ from, to }: Span): Buffer {
    const range = new CompactRange()
    for (let at = from; at < to; ) {
      let height = 0
      while (at % 2 ** (height + 1) === 0 && at + 2 ** (height + 1) <= to) height++
      range.append(this.#root(height, at / 2 ** height), height)
      at += 2 ** height
    }
    return range.root()
  }

  #root(height: number, index: number): Buffer {
    if (height % tileHeight === 0) return this.#hashAt(height / tileHeight, index)
    const name = `${height} ${index}`
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const root = nodeHash(this.#root(height - 1, index * 2), this.#root(height - 1, index * 2 + 1))
    if (this.#known.size >= maxRememberedRoots) this.#known.clear()
    this.#known.set(name, root)
    return root
  }
}

export class TreeFiles {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** How many bundles of entries are full. */
  fullBundles(): number {
    return countFull(this.path('tile/entries'))
  }

  /** The hashes of a full tile. */
  readTile(level: number, number: number): readonly Buffer[] {
    return splitHashes(readFileSync(this.path(tilePath(level, number))))
  }

  readBundle(number: number): readonly Buffer[] {
    return decodeEntries(readFileSync(this.path(tilePath('entries', number)))).entries
  }

  /** The hashes of a full tile of level 0 are those of its bundle's entries, whatever lies in the tile's file. */
  hashesOfBundle(number: number): readonly Buffer[] {
    return this.readBundle(number).map(leafHash)
  }

  hasTile(level: number, number: number): boolean {
    const path = this.path(tilePath(level, number))
    return existsSync(path) && statSync(path).size === tileWidth * hashBytes // a power cut may leave an empty one
  }

  writeTile(level: number, number: number, hashes: readonly Buffer[]): void {
    this.#write(tilePath(level, number, hashes.length), Buffer.concat(hashes))
    if (hashes.length === tileWidth) this.#removePartial(level, number)
  }

  /** The growing file is full: it becomes its bundle. */
  closeBundle(number: number): void {
    const path = this.path(tilePath('entries', number))
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    renameSync(this.path(growingFile), path)
    this.#removePartial('entries', number)
  }

  writePartialBundle(number: number, width: number, bytes: Buffer): void {
    this.#write(tilePath('entries', number, width), bytes)
  }

  /** Of a tile that grows, keeps the widths named: those of the newest checkpoints. */
  keepPartials(level: number | 'entries', number: number, widths: readonly number[]): void {
    const folder = this.path(`${tilePath(level, number)}.p`)
    if (!existsSync(folder)) return
    for (const name of readdirSync(folder))
      if (!widths.includes(Number(name))) rmSync(join(folder, name), { force: true })
  }

  /** Readers see the old text or the new one, also after a power cut. Off the event loop: it waits for the disk. */
  async writeCheckpoint(text: string): Promise<void> {
    const path = this.path(checkpointFile)
    await writeFile(`${path}.new`, text, { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
  }

  #write(name: string, bytes: Buffer): void {
    const path = this.path(name)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.new`, bytes, { mode: 0o600 }) // follows from the entries: need not outlive a power cut
    renameSync(`${path}.new`, path)
  }

  #removePartial(level: number | 'entries', number: number): void {
    rmSync(this.path(`${tilePath(level, number)}.p`), { recursive: true, force: true })
  }
}

function splitHashes(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / hashBytes }, (_, at) =>
    bytes.subarray(at * hashBytes, (at + 1) * hashBytes),
  )
}

/** Full tiles are numbered without gaps, so the last one tells how many there are. */
function countFull(folder: string): number {
  return existsSync(folder) ? lastNumber(folder, 0) + 1 : 0
}

function lastNumber(folder: string, above: number): number {
  const names = readdirSync(folder)
  const groups = names.filter(name => /^x\d{3}$/.test(name)).toSorted()
  const inner = groups.at(-1)
  if (inner !== undefined) {
    const found = lastNumber(join(folder, inner), above * 1000 + Number(inner.slice(1)))
    if (found >= 0) return found
  }
  const last = names
    .filter(name => /^\d{3}$/.test(name))
    .toSorted()
    .at(-1)
  return last === undefined ? above * 1000 - 1 : above * 1000 + Number(last)
}
