/** Proves a log of sessions whole, offline: every entry, every hash, every checkpoint that was ever signed. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../../errors.ts'
import { type Revocation, revokedText } from '../revocation.ts'
import { keyIdOf } from '../signature.ts'
import type { VerifyResult } from '../verify-result.ts'
import { openCheckpoint, parseCheckpoint, type ReadCheckpoint } from './checkpoint.ts'
import { decodeLeaf, type StampedLeaf } from './leaf.ts'
import { CompactRange, leafHash, rootOf } from './merkle.ts'
import { isSignedBy, type NoteVerifier, verifierOf } from './note.ts'
import { decodeEntries, tilePath, tileWidth } from './tile.ts'
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
    if (missing !== undefined) {
      const said = `the checkpoint counts ${missing.checkpoint.size} entries, and only ${this.#range.size} are there: the rest was removed`
      throw new TreeProblem(missing.place, said)
    }
    if (this.#trust.keys === undefined)
      this.#notes.push('The signatures were not checked: give the public key to prove whose log it is.')
    return {
      ok: true,
      kind: 'session-log',
      records: this.#range.size,
      sealed: this.#range.size === newest.size,
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
    this.#readHistory()
    for (const file of this.#trust.checkpoints ?? []) this.#readKept(file, newest.origin)
    this.#claims.sort((one, other) => one.checkpoint.size - other.checkpoint.size)
    return newest
  }

  #readHistory(): void {
    const file = this.#files.path(checkpointsFile)
    if (existsSync(file)) this.#readLines(file)
    else this.#notes.push('Earlier checkpoints were not given.')
  }

  /** One checkpoint as it is, or a line for each, as the log itself and `log.publish: file` write them. */
  #readKept(file: string, origin: string): void {
    const text = readFileSync(file, 'utf8')
    if (text.startsWith('{')) this.#readLines(file, origin)
    else this.#claim(text, { file, record: 0, offset: 0 }, origin)
  }

  #readLines(file: string, origin?: string): void {
    let offset = 0
    for (const [record, line] of readFileSync(file, 'utf8').split('\n').entries()) {
      const place = { file, record, offset }
      if (line !== '') this.#claim(noteIn(line, place), place, origin)
      offset += Buffer.byteLength(line) + 1
    }
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
    for (const { keyId } of checkpoint.note.signatures) {
      const key = verifiers.find(verifier => verifier.keyId.equals(keyId))
      if (key !== undefined) this.#signedBy.add(keyName(key))
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
    if (entries.length !== tileWidth || wholeBytes !== bytes.length) {
      const place = { file, record: entries.length, offset: wholeBytes }
      throw new TreeProblem(place, `the bundle should hold ${tileWidth} whole entries`)
    }
    const hashes = entries.map(leafHash)
    this.#compareTile(0, number, hashes, file, entries)
    this.#take(file, entries, hashes)
    this.#checkUpperTiles(0, number, hashes)
  }

  /** Entries after the last full bundle: the gateway's growing file, or the part that the newest checkpoint names. */
  #checkEdge(bundle: number, newest: ReadCheckpoint): void {
    const width = newest.size - bundle * tileWidth
    const own = this.#files.path(growingFile)
    const file = existsSync(own) ? own : this.#files.path(tilePath('entries', bundle, Math.max(width, 1)))
    if (!existsSync(file)) return
    const bytes = readFileSync(file)
    const { entries, wholeBytes } = decodeEntries(bytes)
    if (wholeBytes < bytes.length)
      this.#notes.push(`The last ${bytes.length - wholeBytes} bytes are an entry that is not whole.`)
    this.#take(file, entries, entries.map(leafHash))
    const unsigned = this.#range.size - newest.size
    if (unsigned > 0) this.#notes.push(`The last ${unsigned} entries are not covered by a checkpoint yet.`)
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
        throw new TreeProblem(place, said)
      }
      this.#claims.shift()
    }
  }

  #compareTile(
    level: number,
    number: number,
    hashes: readonly Buffer[],
    file: string,
    entries?: readonly Buffer[],
  ): void {
    if (!this.#files.hasTile(level, number))
      return void this.#notes.push(`Tile ${tilePath(level, number)} is missing.`)
    const stored = this.#files.readTile(level, number)
    const wrong = hashes.findIndex((hash, at) => stored[at]?.equals(hash) !== true)
    if (wrong < 0 && stored.length === hashes.length) return
    const record = Math.max(wrong, 0)
    const offset = (entries ?? []).slice(0, record).reduce((sum, entry) => sum + 2 + entry.length, 0)
    const place =
      entries === undefined
        ? { file: this.#files.path(tilePath(level, number)), record, offset: record * 32 }
        : { file, record, offset }
    throw new TreeProblem(
      place,
      `the entry and its hash in ${tilePath(level, number)} do not belong together: one of the two was changed`,
    )
  }

  /** A tile that fills a tile of the level above is a hash of that. */
  #checkUpperTiles(level: number, number: number, hashes: readonly Buffer[]): void {
    if ((number + 1) % tileWidth !== 0) return
    const above = Math.floor(number / tileWidth)
    const roots = Array.from({ length: tileWidth }, (_, at) =>
      at === tileWidth - 1 ? rootOf(hashes) : rootOf(this.#files.readTile(level, above * tileWidth + at)),
    )
    this.#compareTile(level + 1, above, roots, '')
    this.#checkUpperTiles(level + 1, above, roots)
  }
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
