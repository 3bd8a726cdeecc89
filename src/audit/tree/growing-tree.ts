import { closeSync, existsSync, fsync, fsyncSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { promisify } from 'node:util'
import type { AppendSync } from '../../model.ts'
import { CompactRange, consistencySpans, inclusionSpans, leafHash, rootOf } from './merkle.ts'
import { decodeEntries, encodeEntry, entryIn, tileWidth } from './tile.ts'
import { growingFile, spanRoot, SubtreeRoots, type TreeFiles } from './tree-files.ts'

/** The tree of one writer: what is full lies in its files, what still grows is in memory, too. */
export class GrowingTree {
  readonly #files: TreeFiles
  readonly #append: AppendSync
  /** The hashes of each level that do not fill a tile yet. */
  readonly #edges: Buffer[][] = []
  /** Entries of the bundle that grows, as they lie in its file. */
  #growing: Buffer[] = []
  #fullBundles = 0
  readonly #range = new CompactRange()
  #fd = -1
  #lastBundle: { readonly number: number; readonly entries: readonly Buffer[] } | undefined
  #lastTile: { readonly name: string; readonly hashes: readonly Buffer[] } | undefined

  constructor(files: TreeFiles, append: AppendSync) {
    this.#files = files
    this.#append = append
  }

  get size(): number {
    return this.#range.size
  }

  get isOpen(): boolean {
    return this.#fd >= 0
  }

  root(): Buffer {
    return this.#range.root()
  }

  rootAt(size: number): Buffer {
    return size === this.size ? this.root() : spanRoot({ from: 0, to: size }, this.#hashAt)
  }

  /** Takes up what is on disk: full tiles, then the bundle that grows. */
  open(): void {
    this.#fullBundles = this.#files.fullBundles()
    this.#restoreEdges()
    this.#takeUpGrowing()
  }

  /** Adds an entry, as it lies in a bundle (`encodeEntry`): it is with the operating system when this returns. */
  add(stored: Buffer): void {
    this.#append(this.#fd, [stored])
    this.#grow(stored)
  }

  /** Throws if there is none. */
  entry(index: number): Buffer {
    const bundle = Math.floor(index / tileWidth)
    const at = index % tileWidth
    const stored = this.#growing[at]
    const growing = stored === undefined ? undefined : entryIn(stored)
    const entry = bundle < this.#fullBundles ? this.#bundle(bundle)[at] : growing
    if (entry === undefined) throw new Error(`entry ${index} is missing`)
    return entry
  }

  /** Hashes that prove that the entry is in the tree of that size (RFC 6962, section 2.1.1). */
  inclusion(index: number, size: number): readonly Buffer[] {
    return inclusionSpans(index, size).map(span => this.#roots.over(span))
  }

  /** Hashes that prove that the tree of the later size begins with that of the earlier one (RFC 6962, section 2.1.2). */
  consistency(earlier: number, later: number): readonly Buffer[] {
    return consistencySpans(earlier, later).map(span => spanRoot(span, this.#hashAt))
  }

  /** What was added must outlive a power cut. A bundle that was closed meanwhile has been handed to the disk then. */
  async reachDisk(): Promise<void> {
    const fd = this.#fd
    await promisify(fsync)(fd).catch((cause: unknown) => {
      if (this.#fd === fd) throw cause
    })
  }

  /** Writes what readers of a checkpoint of that size need of the tiles that are not full. */
  writePartials(size: number): void {
    for (const [level, hashes] of this.#edges.entries())
      if (hashes !== undefined && hashes.length > 0)
        this.#files.writeTile(level, this.#tileNumber(level), hashes)
    const width = size % tileWidth
    if (width > 0) this.#files.writePartialBundle(this.#fullBundles, width, Buffer.concat(this.#growing))
  }

  /** Removes all such tiles but those of these sizes. */
  dropPartials(...sizes: readonly number[]): void {
    for (let level = 0; tileWidth ** level <= this.size; level++) {
      const widths = sizes.map(size => Math.floor(size / tileWidth ** level) % tileWidth)
      this.#files.keepPartials(level, this.#tileNumber(level), widths)
    }
    this.#files.keepPartials(
      'entries',
      this.#fullBundles,
      sizes.map(size => size % tileWidth),
    )
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }

  /** Each level's hashes that fill no tile are the roots of the last full tiles of the level below. */
  #restoreEdges(): void {
    let full = this.#fullBundles
    for (let level = 0; full > 0; level++) {
      this.#ensureTiles(level, full)
      const above = full % tileWidth
      this.#edges[level + 1] = this.#rootsOfTiles(level, full - above, above)
      full = Math.floor(full / tileWidth)
    }
    for (const [level, hashes] of [...this.#edges.entries()].toReversed())
      for (const hash of hashes ?? []) this.#range.append(hash, level * 8)
    this.#edges[0] = []
  }

  /** A crash may come between a bundle and its tile; hashes follow from entries. */
  #ensureTiles(level: number, full: number): void {
    const last = full - 1
    if (this.#files.hasTile(level, last)) return
    const hashes =
      level === 0
        ? this.#files.hashesOfBundle(last)
        : this.#rootsOfTiles(level - 1, last * tileWidth, tileWidth)
    this.#files.writeTile(level, last, hashes)
  }

  #rootsOfTiles(level: number, first: number, count: number): Buffer[] {
    return Array.from({ length: count }, (_, at) => rootOf(this.#files.readTile(level, first + at)))
  }

  #takeUpGrowing(): void {
    const path = this.#files.path(growingFile)
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    const { entries, wholeBytes } = decodeEntries(bytes)
    if (wholeBytes < bytes.length) truncateSync(path, wholeBytes) // torn by a crash: nobody was told that it was written
    this.#fd = openSync(path, 'a', 0o600)
    for (const entry of entries) this.#grow(encodeEntry(entry))
  }

  #grow(stored: Buffer): void {
    const hash = leafHash(entryIn(stored))
    this.#growing.push(stored)
    this.#range.append(hash)
    this.#pushHash(0, hash)
    if (this.#growing.length === tileWidth) this.#closeBundle()
  }

  #closeBundle(): void {
    fsyncSync(this.#fd)
    closeSync(this.#fd)
    this.#fd = -1
    this.#files.closeBundle(this.#fullBundles)
    this.#fullBundles += 1
    this.#growing = []
    this.#fd = openSync(this.#files.path(growingFile), 'a', 0o600)
  }

  /** A level's hashes fill a tile: its root is a hash of the level above. */
  #pushHash(level: number, hash: Buffer): void {
    const edge = (this.#edges[level] ??= [])
    edge.push(hash)
    if (edge.length < tileWidth) return
    this.#files.writeTile(level, this.#tileNumber(level) - 1, edge)
    this.#edges[level] = []
    this.#pushHash(level + 1, rootOf(edge))
  }

  /** How many tiles of a level are full, by the size of the tree. */
  #tileNumber(level: number): number {
    return Math.floor(this.size / tileWidth ** (level + 1))
  }

  readonly #hashAt = (level: number, position: number): Buffer => {
    const number = Math.floor(position / tileWidth)
    const hashes = number < this.#tileNumber(level) ? this.#fullTile(level, number) : this.#edges[level]
    const hash = hashes?.[position % tileWidth]
    if (hash === undefined) throw new Error(`hash ${position} of level ${level} is missing`)
    return hash
  }

  readonly #roots = new SubtreeRoots(this.#hashAt)

  /** The one read last is kept: a subtree asks for its hashes one by one. */
  #fullTile(level: number, number: number): readonly Buffer[] {
    const name = `${level} ${number}`
    if (this.#lastTile?.name !== name) this.#lastTile = { name, hashes: this.#files.readTile(level, number) }
    return this.#lastTile.hashes
  }

  /** The one read last is kept: whoever looks back reads entry by entry. */
  #bundle(number: number): readonly Buffer[] {
    if (this.#lastBundle?.number !== number)
      this.#lastBundle = { number, entries: this.#files.readBundle(number) }
    return this.#lastBundle.entries
  }
}
