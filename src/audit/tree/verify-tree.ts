/** Proves a log of sessions whole, offline: every entry, every hash, every checkpoint that was ever signed. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../../errors.ts'
import { type Revocation, revokedText } from '../revocation.ts'
import { keyIdOf } from '../signature.ts'
import type { VerifyResult } from '../verify-result.ts'
import { openCheckpoint, parseCheckpoint, type ReadCheckpoint } from './checkpoint.ts'
import { decodeLeaf, type StampedLeaf } from './leaf.ts'
import { CompactRange, hashBytes, leafHash, rootOf } from './merkle.ts'
import { isSignedBy, type NoteVerifier, printNote, verifierOf } from './note.ts'
import { decodeEntries, encodeEntry, tilePath, tileWidth } from './tile.ts'
import { isEd25519 } from './tree-proof.ts'
import { checkpointFile, checkpointsFile, growingFile, TreeFiles } from './tree-files.ts'

export type TreeVerification = {
  readonly result: VerifyResult
  /** What the log says, in order, as far as it is good. */
  readonly leaves: readonly StampedLeaf[]
}

export type TreeTrust = {
  /** Public keys (PEM) that checkpoints may be signed with; without any, signatures are not checked. */
  readonly keys?: readonly string[] | undefined
  /** Those of the keys that must not be believed any more: what they signed counts where a newer checkpoint by a good key covers it. */
  readonly revoked?: readonly Revocation[]
  /** Checkpoints that were kept elsewhere: the log must still begin with what each of them saw. */
  readonly checkpoints?: readonly string[]
}

/** Verifies the log in `folder`: the gateway's own, or a copy of the files that C2SP tlog-tiles names. */
export function verifyTree(folder: string, trust: TreeTrust = {}): TreeVerification {
  const run = new Verification(folder, trust)
  try {
    return { result: run.run(), leaves: run.leaves }
  } catch (error) {
    if (error instanceof TreeProblem)
      return { result: { ok: false, ...error.place, reason: error.message }, leaves: run.leaves }
    const place = { file: join(folder, checkpointFile), record: 0, offset: 0 }
    return { result: { ok: false, ...place, reason: reasonOf(error) }, leaves: run.leaves }
  }
}

type Place = { readonly file: string; readonly record: number; readonly offset: number }

class TreeProblem extends Error {
  readonly place: Place

  constructor(place: Place, reason: string) {
    super(reason)
    this.place = place
  }
}

type Claim = { readonly checkpoint: ReadCheckpoint; readonly place: Place }

class Verification {
  readonly leaves: StampedLeaf[] = []
  readonly #files: TreeFiles
  readonly #trust: TreeTrust
  readonly #range = new CompactRange()
  readonly #signedBy = new Set<string>()
  readonly #notes: string[] = []
  #claims: Claim[] = []
  /** Bytes of an entry that is not whole stand at the end. */
  #isTorn = false
  /** The first hash in a tile that is not that of its entry: where each of the two lies. */
  #wrong: { readonly tile: Place; readonly entry: Place } | undefined

  constructor(folder: string, trust: TreeTrust) {
    this.#files = new TreeFiles(folder)
    this.#trust = trust
  }

  run(): VerifyResult {
    const newest = this.#readCheckpoints()
    const full = this.#files.fullBundles()
    for (let bundle = 0; bundle < full; bundle++) this.#checkBundle(bundle)
    this.#checkEdge(full, newest)
    const missing = this.#claims[0]
    if (missing === undefined && this.#wrong !== undefined)
      throw new TreeProblem(
        this.#wrong.tile,
        'it is not what the entries hash to: it was changed, and the entries were not',
      )
    if (missing !== undefined) {
      const said = `the checkpoint counts ${missing.checkpoint.size} entries, and only ${this.#range.size} are there: the rest was removed`
      throw new TreeProblem(this.#wrong?.entry ?? missing.place, said)
    }
    if (this.#trust.keys === undefined)
      this.#notes.push('The signatures were not checked: give the public key to prove whose log it is.')
    return {
      ok: true,
      kind: 'session-log',
      records: this.#range.size,
      sealed: this.#range.size === newest.size && !this.#isTorn,
      signedBy: [...this.#signedBy],
      notes: this.#notes,
    }
  }

  /** All checkpoints, those of the log and those that were given, by size. Returns the log's newest. */
  #readCheckpoints(): ReadCheckpoint {
    const path = this.#files.path(checkpointFile)
    if (!existsSync(path))
      throw new TreeProblem({ file: path, record: 0, offset: 0 }, 'no checkpoint is here')
    const place = { file: path, record: 0, offset: 0 }
    const newest = this.#claim(readFileSync(path, 'utf8'), place)
    this.#checkNewest(newest, place)
    this.#readHistory(newest)
    for (const file of this.#trust.checkpoints ?? []) this.#readKept(file, newest.origin)
    this.#claims.sort((one, other) => one.checkpoint.size - other.checkpoint.size)
    return newest
  }

  #readHistory(newest: ReadCheckpoint): void {
    const file = this.#files.path(checkpointsFile)
    if (existsSync(file)) this.#checkOrder(file, newest.size, ...this.#readLines(file))
    else this.#notes.push('Earlier checkpoints were not given.')
  }

  /** One checkpoint as it is, or a line for each, as the log itself and `log.publish: file` write them. */
  #readKept(file: string, origin: string): void {
    const text = readFileSync(file, 'utf8')
    if (text.startsWith('{')) this.#readLines(file, origin)
    else this.#claim(text, { file, record: 0, offset: 0 }, origin)
  }

  /** Their claims, and how many bytes whole lines are. */
  #readLines(file: string, origin?: string): readonly [readonly Claim[], number] {
    const claims: Claim[] = []
    const lines = readFileSync(file, 'utf8').split('\n')
    const torn = lines.pop() ?? ''
    let offset = 0
    for (const [record, line] of lines.entries()) {
      const place = { file, record, offset }
      claims.push({ checkpoint: this.#claim(noteIn(line, place), place, origin), place })
      offset += Buffer.byteLength(line) + 1
    }
    if (torn !== '')
      this.#notes.push(`The last ${Buffer.byteLength(torn)} bytes of ${file} are a line that is not whole.`)
    return [claims, offset]
  }

  /** The log's own history grows, says nothing twice, and has the newest. */
  #checkOrder(file: string, newest: number, claims: readonly Claim[], wholeBytes: number): void {
    for (const [index, { checkpoint, place }] of claims.entries()) {
      const before = claims[index - 1]?.checkpoint
      const isTwice =
        before?.size === checkpoint.size && printNote(before.note) === printNote(checkpoint.note)
      if (isTwice || (before?.size ?? 0) > checkpoint.size)
        throw new TreeProblem(
          place,
          'the line does not follow the one before it: one of the two was moved or added',
        )
    }
    const last = claims.at(-1)
    if ((last?.checkpoint.size ?? 0) >= newest) return
    throw new TreeProblem(
      { file, record: claims.length, offset: wholeBytes },
      'the newest checkpoint is not here: lines were removed',
    )
  }

  #claim(text: string, place: Place, origin?: string): ReadCheckpoint {
    const checkpoint = parseCheckpoint(text)
    if (typeof checkpoint === 'string') throw new TreeProblem(place, checkpoint)
    if (origin !== undefined && checkpoint.origin !== origin)
      throw new TreeProblem(
        place,
        `the checkpoint is of ${checkpoint.origin}, and this is the log of ${origin}`,
      )
    this.#checkSignature(checkpoint, text, place)
    this.#claims.push({ checkpoint, place })
    return checkpoint
  }

  #checkSignature(checkpoint: ReadCheckpoint, text: string, place: Place): void {
    if (this.#trust.keys === undefined) return
    const verifiers = this.#trust.keys.filter(isEd25519).map(pem => verifierOf(checkpoint.origin, pem))
    const opened = openCheckpoint(text, verifiers)
    if (typeof opened === 'string') throw new TreeProblem(place, opened)
    for (const signature of checkpoint.note.signatures) {
      const key = verifiers.find(verifier => verifier.keyId.equals(signature.keyId))
      if (key === undefined) continue // of a witness, or of a key that was not given
      if (!isSignedBy({ text: checkpoint.note.text, signatures: [signature] }, key))
        throw new TreeProblem(place, 'a signature of the checkpoint is not by the key that it names')
      this.#signedBy.add(keyName(key))
    }
  }

  /** It covers all there was before, so it alone has to be by a good key. */
  #checkNewest({ origin, note }: ReadCheckpoint, place: Place): void {
    const revoked = this.#trust.revoked ?? []
    const isRevoked = (pem: string): boolean => revoked.some(({ keyId }) => keyId === keyIdOf(pem))
    const good = (this.#trust.keys ?? []).filter(pem => isEd25519(pem) && !isRevoked(pem))
    if (this.#trust.keys === undefined || good.some(pem => isSignedBy(note, verifierOf(origin, pem)))) return
    const by = revoked.find(({ publicKeyPem }) => isSignedBy(note, verifierOf(origin, publicKeyPem)))
    if (by !== undefined)
      throw new TreeProblem(
        place,
        `the newest checkpoint is signed by a revoked key only (${revokedText(by)})`,
      )
  }

  /** A full bundle: 256 entries, and the hash of each in its tile. */
  #checkBundle(number: number): void {
    const file = this.#files.path(tilePath('entries', number))
    const bytes = readFileSync(file)
    const { entries, wholeBytes } = decodeEntries(bytes)
    const hashes = entries.map(leafHash)
    this.#compareWithTile(tilePath(0, number), hashes, file, entries)
    if (entries.length !== tileWidth || wholeBytes !== bytes.length) {
      const place = { file, ...endOf(entries) }
      throw new TreeProblem(this.#wrong?.entry ?? place, `the bundle should hold ${tileWidth} whole entries`)
    }
    this.#take(file, entries, hashes)
    this.#checkUpperTiles(0, number, hashes)
  }

  /**
   * An entry and its hash that do not belong together: which of the two was changed shows at the next checkpoint, whose root follows
   * from the entries alone.
   */
  #compareWithTile(tile: string, hashes: readonly Buffer[], file: string, entries: readonly Buffer[]): void {
    const path = this.#files.path(tile)
    if (!existsSync(path)) return void this.#notes.push(`Tile ${tile} is missing.`)
    const stored = readFileSync(path)
    const width = Number(/\.p\/([0-9]+)$/.exec(tile)?.[1] ?? tileWidth)
    const record = firstDifference(stored, hashes.slice(0, width))
    if (record === undefined && stored.length === width * hashBytes && hashes.length >= width) return
    const at = record ?? Math.min(hashes.length, width)
    const offset = entries.slice(0, at).reduce((sum, entry) => sum + 2 + entry.length, 0)
    this.#wrong ??= {
      tile: { file: path, record: at, offset: at * hashBytes },
      entry: { file, record: at, offset },
    }
  }

  /** Entries after the last full bundle: the gateway's growing file, or the part that the newest checkpoint names. */
  #checkEdge(bundle: number, newest: ReadCheckpoint): void {
    const width = newest.size - bundle * tileWidth
    const own = this.#files.path(growingFile)
    const file = existsSync(own) ? own : this.#files.path(tilePath('entries', bundle, Math.max(width, 1)))
    if (!existsSync(file)) return
    const bytes = readFileSync(file)
    const { entries, wholeBytes } = decodeEntries(bytes)
    const hashes = entries.map(leafHash)
    if (width > 0) this.#checkPartials(bundle, width, hashes, file, entries)
    this.#isTorn = wholeBytes < bytes.length
    if (this.#isTorn)
      this.#notes.push(`The last ${bytes.length - wholeBytes} bytes are an entry that is not whole.`)
    this.#take(file, entries, hashes)
    const unsigned = this.#range.size - newest.size
    if (unsigned > 0) this.#notes.push(`The last ${unsigned} entries are not covered by a checkpoint yet.`)
  }

  /** What the newest checkpoint names of tiles that are not full: other people's tools read those. */
  #checkPartials(
    bundle: number,
    width: number,
    hashes: readonly Buffer[],
    file: string,
    entries: readonly Buffer[],
  ): void {
    this.#compareWithTile(tilePath(0, bundle, width), hashes, file, entries)
    const copy = this.#files.path(tilePath('entries', bundle, width))
    if (existsSync(copy) && copy !== file) this.#compareCopy(copy, entries.slice(0, width))
    const size = bundle * tileWidth + width
    for (let level = 1; Math.floor(size / tileWidth ** level) > 0; level++) {
      const full = Math.floor(size / tileWidth ** level)
      if (full % tileWidth > 0) this.#checkPartialAbove(level, Math.floor(full / tileWidth), full % tileWidth)
    }
  }

  #compareCopy(copy: string, entries: readonly Buffer[]): void {
    const stored = decodeEntries(readFileSync(copy)).entries
    const wanted = Buffer.concat(entries.map(encodeEntry))
    if (readFileSync(copy).equals(wanted)) return
    const same = entries.findIndex((entry, at) => stored[at]?.equals(entry) !== true)
    const record = same < 0 ? entries.length : same
    const offset = entries.slice(0, record).reduce((sum, entry) => sum + 2 + entry.length, 0)
    this.#wrong ??= { tile: { file: copy, record, offset }, entry: { file: copy, record, offset } }
  }

  #checkPartialAbove(level: number, number: number, width: number): void {
    const path = this.#files.path(tilePath(level, number, width))
    if (!existsSync(path)) return void this.#notes.push(`Tile ${tilePath(level, number, width)} is missing.`)
    const roots = Array.from({ length: width }, (_, at) =>
      rootOf(this.#files.readTile(level - 1, number * tileWidth + at)),
    )
    const stored = readFileSync(path)
    const record = firstDifference(stored, roots)
    if (record === undefined && stored.length === width * hashBytes) return
    const at = record ?? width
    const place = { file: path, record: at, offset: at * hashBytes }
    this.#wrong ??= { tile: place, entry: place }
  }

  #take(file: string, entries: readonly Buffer[], hashes: readonly Buffer[]): void {
    let offset = 0
    for (const [at, hash] of hashes.entries()) {
      this.#checkClaims({ file, record: at, offset })
      this.#range.append(hash)
      const entry = entries[at] ?? Buffer.alloc(0)
      const leaf = decodeLeaf(entry)
      if (leaf === undefined)
        this.#notes.push(`Entry ${this.#range.size - 1} is of a kind that this version does not know.`)
      else this.leaves.push(leaf)
      offset += 2 + entry.length
    }
    this.#checkClaims({ file, record: hashes.length, offset })
  }

  /** Each checkpoint of the size that is reached must have this root. */
  #checkClaims(place: Place): void {
    for (let claim = this.#claims[0]; claim?.checkpoint.size === this.#range.size; claim = this.#claims[0]) {
      if (!claim.checkpoint.root.equals(this.#range.root())) {
        const said = `the first ${this.#range.size} entries are not those that a checkpoint of ${claim.place.file} was signed over: one up to here was changed, moved, added or removed`
        throw new TreeProblem(this.#wrong?.entry ?? place, said)
      }
      this.#claims.shift()
    }
  }

  #compareUpperTile(level: number, number: number, roots: readonly Buffer[]): void {
    const path = this.#files.path(tilePath(level, number))
    if (!existsSync(path)) return void this.#notes.push(`Tile ${tilePath(level, number)} is missing.`)
    const stored = readFileSync(path)
    const record = firstDifference(stored, roots)
    if (record === undefined && stored.length === roots.length * hashBytes) return
    const at = record ?? roots.length
    const place = { file: path, record: at, offset: at * hashBytes }
    this.#wrong ??= { tile: place, entry: place }
  }

  /** A tile that fills a tile of the level above is a hash of that. */
  #checkUpperTiles(level: number, number: number, hashes: readonly Buffer[]): void {
    if ((number + 1) % tileWidth !== 0) return
    const above = Math.floor(number / tileWidth)
    const roots = Array.from({ length: tileWidth }, (_, at) =>
      at === tileWidth - 1 ? rootOf(hashes) : rootOf(this.#files.readTile(level, above * tileWidth + at)),
    )
    this.#compareUpperTile(level + 1, above, roots)
    this.#checkUpperTiles(level + 1, above, roots)
  }
}

/** Where whole entries end, or where those begin that are too many. */
function endOf(entries: readonly Buffer[]): { readonly record: number; readonly offset: number } {
  const whole = entries.slice(0, tileWidth)
  return { record: whole.length, offset: whole.reduce((sum, entry) => sum + 2 + entry.length, 0) }
}

/** Of a tile's file, the first hash that is not the one it should be; undefined if all are. */
function firstDifference(stored: Buffer, hashes: readonly Buffer[]): number | undefined {
  const at = hashes.findIndex(
    (hash, index) => !stored.subarray(index * hashBytes, (index + 1) * hashBytes).equals(hash),
  )
  return at < 0 ? undefined : at
}

/** The note in a line of the history, which has one spelling. */
function noteIn(line: string, place: Place): string {
  try {
    const { size, note } = JSON.parse(line) as { size?: unknown; note?: unknown }
    const checkpoint = typeof note === 'string' ? parseCheckpoint(note) : ''
    const isRight = typeof checkpoint !== 'string' && checkpoint.size === size
    if (isRight && line === JSON.stringify({ size, note })) return String(note)
  } catch {
    // falls through
  }
  throw new TreeProblem(place, 'the line is no checkpoint')
}

/** As other results name keys. */
function keyName({ name, keyId }: NoteVerifier): string {
  return `${name}+${keyId.toString('hex')}`
}
