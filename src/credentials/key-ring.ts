/**
 * The gateway's keys in their folder: `<purpose>.pem` signs, `<purpose>.next.pem` is made known and waits, `<purpose>.former.pem` still
 * signs beside its heir, and `keys.json` lists the public halves of all there ever were. A private key that is not needed any more is gone.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../errors.ts'
import type { Signer } from '../model.ts'
import {
  createKey,
  fileSigner,
  keyIdOfKey,
  type KeyKind,
  loadKey,
  loadOrCreate,
  moveFile,
  publicPemOf,
  replaceFile,
} from './key-file.ts'
import {
  endorse,
  type KeyList,
  type KeyName,
  keyNames,
  type ListedKey,
  printKeyList,
  type Purpose,
  readKeyList,
  rsaHostKeyName,
  signKeyList,
} from './key-list.ts'

export const keyListFile = 'keys.json'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * `announced`: others have to be told of the new key before it may sign. `at-once`: it signs at once, and what the old one signed is
 * accepted a while longer, or for ever where auditors verify it.
 */
export type Habit = { readonly begins: 'announced' | 'at-once'; readonly overlapMs: number }

export const habits: Readonly<Record<Purpose, Habit>> = {
  targets: { begins: 'announced', overlapMs: 7 * dayMs },
  hosts: { begins: 'announced', overlapMs: 7 * dayMs },
  databases: { begins: 'announced', overlapMs: 7 * dayMs },
  'gateway-host': { begins: 'announced', overlapMs: 30 * dayMs },
  'sign-in': { begins: 'at-once', overlapMs: dayMs }, // as long as a sign-in certificate can live
  'sign-in-x509': { begins: 'at-once', overlapMs: dayMs },
  'recording-heads': { begins: 'at-once', overlapMs: 0 },
  'log-checkpoints': { begins: 'at-once', overlapMs: 30 * dayMs }, // both sign, so that witnesses and auditors have time to learn it
}

/** A year: longer than anybody needs to tell others of a key, and shorter than it is forgotten. */
export const maxOverlapMs: number = 365 * dayMs

/** What happened to a key: a line of the audit log. */
export type KeyChange = {
  readonly change: 'made' | 'announced' | 'activated' | 'overlap-ended' | 'revoked'
  readonly purpose: KeyName
  readonly keyId: string
  /** The key that it follows. */
  readonly before?: string
  readonly why?: string
  readonly since?: string
  /** Until when both count, or when a key that was announced begins to sign. */
  readonly until?: string
}

export class KeyRing {
  readonly folder: string
  readonly #keys = new Map<KeyName, KeyObject>()
  readonly #signers = new Map<KeyName, Signer>()
  readonly #formers = new Map<KeyName, Signer>()
  #listed: readonly ListedKey[] = []
  #list: KeyList | undefined
  #untold: KeyChange[] = []

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Opens the keys in `folder`, making those that do not exist yet, and finishes what a crash interrupted. Throws Fault KEY_UNUSABLE. */
  static open(folder: string, nowMs: number = Date.now()): KeyRing {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const ring = new KeyRing(folder)
    ring.#readList()
    for (const name of keyNames) ring.#openKey(name, nowMs)
    if (ring.#list === undefined || ring.#untold.length > 0) ring.#writeList(nowMs)
    ring.#dropLeftovers()
    return ring
  }

  /** Signed, without secrets. */
  get list(): KeyList {
    if (this.#list === undefined) throw new TypeError('the list is not written yet')
    return this.#list
  }

  /** The key that signs now, and the same one for as long as the value is kept. */
  current(name: Purpose): Signer {
    return this.#signers.get(name) as Signer
  }

  /** Signs with whatever key is current then; id and public key are those of that instant: read them where you call `sign`. */
  live(name: Purpose): Signer {
    const current = (): Signer => this.current(name)
    return {
      get keyId() {
        return current().keyId
      },
      algorithm: 'ed25519',
      get publicKeyPem() {
        return current().publicKeyPem
      },
      sign: data => current().sign(data),
    }
  }

  /** The private half of the current one, for what signs by itself. */
  privateKey(name: KeyName): KeyObject {
    return this.#keys.get(name) as KeyObject
  }

  /** Keys whose signatures are accepted now: the current one, and former ones whose overlap lasts. None that was revoked. */
  accepted(name: Purpose, nowMs: number): readonly Pick<Signer, 'keyId' | 'publicKeyPem'>[] {
    const former = this.#of(name).filter(key => key.state === 'former' && isBefore(nowMs, key.overlapUntil))
    return [this.current(name), ...former.map(({ keyId, publicKey }) => ({ keyId, publicKeyPem: publicKey }))]
  }

  /** Former keys that sign beside the current one, until their overlap ends. */
  alsoSigning(name: Purpose): readonly Signer[] {
    const former = this.#formers.get(name)
    return former === undefined ? [] : [former]
  }

  /** The key that is announced, to try whether others know it already. */
  next(name: KeyName): Signer | undefined {
    const file = this.#file(name, 'next')
    return this.#inState(name, 'next') === undefined ? undefined : fileSigner(loadKey(file, kindOf(name)))
  }

  /** The first key of a purpose, which names this installation for ever. */
  first(name: KeyName): ListedKey {
    return this.#of(name)[0] as ListedKey
  }

  /** What happened since this was asked last, for the audit log. */
  takeChanges(): readonly KeyChange[] {
    return this.#untold.splice(0)
  }

  /** Makes a new key and announces it, or lets it sign at once. Throws Fault KEY_CHANGE_REFUSED. */
  rotate(purpose: Purpose, nowMs: number, overlapMs: number = habits[purpose].overlapMs): void {
    const waiting = this.#inState(purpose, 'next')
    if (waiting !== undefined)
      throw refused(
        `${purpose} has a key that waits already, ${waiting.keyId}: "sallyport keys activate ${purpose}" ends the wait`,
      )
    if (!(overlapMs >= 0 && overlapMs <= maxOverlapMs))
      throw refused('the overlap must be between 0 and 365 days')
    const isAnnounced = habits[purpose].begins === 'announced' && overlapMs > 0
    for (const name of namesOf(purpose)) {
      this.#announce(name, nowMs, isAnnounced ? overlapMs : 0)
      if (!isAnnounced) this.#succeed(name, nowMs, overlapMs)
    }
  }

  /** The key that is announced signs from now on. Throws Fault KEY_CHANGE_REFUSED. */
  activate(purpose: Purpose, nowMs: number): void {
    if (this.#inState(purpose, 'next') === undefined)
      throw refused(`${purpose} has no key that waits: "sallyport keys rotate ${purpose}" makes one`)
    for (const name of namesOf(purpose)) this.#succeed(name, nowMs, 0)
  }

  /** The key counts no more, whatever it signed since. A current one is followed at once. Throws Fault KEY_CHANGE_REFUSED. */
  revoke(keyId: string, reason: { why: string; sinceMs?: number | undefined }, nowMs: number): void {
    const key = this.#listed.find(listed => listed.keyId === keyId)
    if (key === undefined) throw refused(`no key here has the id ${keyId}: "sallyport keys list" shows all`)
    if (key.revoked !== undefined) throw refused(`this key was revoked at ${key.revoked.at}`)
    const since = reason.sinceMs === undefined ? {} : { since: iso(reason.sinceMs) }
    const revoked = { at: iso(nowMs), why: reason.why, ...since }
    const { overlapUntil: _, ...kept } = key
    const until = key.state === 'current' ? { until: iso(nowMs) } : {}
    this.#change({ ...kept, ...until, state: 'revoked', revoked })
    this.#tell({
      change: 'revoked',
      purpose: key.purpose,
      keyId,
      ...(reason.sinceMs === undefined ? {} : since),
      why: reason.why,
    })
    if (key.state === 'next') this.#forget(key.purpose, 'next')
    if (key.state === 'former') this.#forget(key.purpose, 'former')
    if (key.state === 'current') this.#replaceRevoked(key.purpose, nowMs)
    else this.#writeList(nowMs)
  }

  /** Does what is due: announced keys begin to sign, overlaps end. True if anything changed. */
  settle(nowMs: number): boolean {
    const before = this.#list
    for (const key of this.#listed) {
      if (key.state === 'next' && !isBefore(nowMs, key.from)) this.#succeed(key.purpose, nowMs, 0)
      if (key.state === 'former' && key.overlapUntil !== undefined && !isBefore(nowMs, key.overlapUntil))
        this.#endOverlap(key, nowMs)
    }
    return this.#list !== before
  }

  /** A key that waits, and that others may know already, is better than one that nobody knows. */
  #replaceRevoked(name: KeyName, nowMs: number): void {
    if (this.#inState(name, 'next') === undefined) this.#announce(name, nowMs, 0)
    this.#succeed(name, nowMs, 0)
  }

  #announce(name: KeyName, nowMs: number, afterMs: number): void {
    const file = this.#file(name, 'next')
    rmSync(file, { force: true }) // a crash left it before the list named it
    const key = createKey(file, kindOf(name))
    const made = { purpose: name, keyId: keyIdOfKey(key), made: iso(nowMs) }
    const before = this.#inState(name, 'current')
    const canEndorse = before !== undefined && name !== rsaHostKeyName
    this.#listed = [
      ...this.#listed,
      {
        ...made,
        publicKey: publicPemOf(key),
        state: 'next',
        from: iso(nowMs + afterMs),
        ...(canEndorse
          ? { endorsedBy: endorse(made, { keyId: before.keyId, key: this.privateKey(name) }) }
          : {}),
      },
    ]
    if (afterMs > 0)
      this.#tell({ change: 'announced', purpose: name, keyId: made.keyId, until: iso(nowMs + afterMs) })
    this.#writeList(nowMs)
  }

  /** The next key becomes the current one: first in the list, which decides if a crash comes, then in the files. */
  #succeed(name: KeyName, nowMs: number, overlapMs: number): void {
    const next = this.#inState(name, 'next') as ListedKey
    const before = this.#inState(name, 'current')
    const overlap = overlapMs > 0 ? { overlapUntil: iso(nowMs + overlapMs) } : {}
    if (before !== undefined) {
      this.#change({ ...before, state: 'former', until: iso(nowMs), ...overlap })
      if (name === 'log-checkpoints' && overlapMs > 0) this.#keepFormer(name)
    }
    this.#change({ ...next, state: 'current', from: iso(nowMs) })
    this.#take(name, loadKey(this.#file(name, 'next'), kindOf(name)))
    this.#tell({
      change: 'activated',
      purpose: name,
      keyId: next.keyId,
      ...(before === undefined ? {} : { before: before.keyId }),
      ...(before === undefined || overlapMs === 0 ? {} : { until: iso(nowMs + overlapMs) }),
    })
    this.#writeList(nowMs)
    moveFile(this.#file(name, 'next'), this.#file(name))
  }

  #keepFormer(name: Purpose): void {
    copyFileSync(this.#file(name), this.#file(name, 'former'))
    this.#formers.set(name, this.current(name))
  }

  #endOverlap(key: ListedKey, nowMs: number): void {
    const { overlapUntil: _, ...rest } = key
    this.#change(rest)
    this.#tell({ change: 'overlap-ended', purpose: key.purpose, keyId: key.keyId })
    this.#writeList(nowMs)
    if (this.#formers.get(key.purpose)?.keyId === key.keyId) this.#forget(key.purpose, 'former')
  }

  #forget(name: KeyName, which: 'next' | 'former'): void {
    if (which === 'former') this.#formers.delete(name)
    rmSync(this.#file(name, which), { force: true })
  }

  #readList(): void {
    const file = join(this.folder, keyListFile)
    if (!existsSync(file)) return
    this.#list = readKeyList(readFileSync(file, 'utf8'), file)
    this.#listed = this.#list.keys
  }

  /** The list says which key is the current one; where it says nothing, the file does. */
  #openKey(name: KeyName, nowMs: number): void {
    const listed = this.#inState(name, 'current')
    const next = this.#file(name, 'next')
    if (listed !== undefined && existsSync(next) && isKey(next, name, listed.keyId))
      moveFile(next, this.#file(name))
    const isNew = !existsSync(this.#file(name))
    if (isNew && listed !== undefined) throw unusable(`The key ${this.#file(name)} is missing`)
    const key = loadOrCreate(this.#file(name), kindOf(name))
    this.#take(name, key)
    if (listed === undefined)
      this.#enter(name, key, isNew ? nowMs : statSync(this.#file(name)).mtimeMs, isNew)
    else if (listed.keyId !== keyIdOfKey(key))
      throw unusable(`The key ${this.#file(name)} is another than ${keyListFile} names`)
    const former = this.#file(name, 'former')
    if (existsSync(former)) this.#formers.set(name, fileSigner(loadKey(former)))
  }

  #enter(name: KeyName, key: KeyObject, madeMs: number, isNew: boolean): void {
    const entry = {
      purpose: name,
      keyId: keyIdOfKey(key),
      publicKey: publicPemOf(key),
      state: 'current',
    } as const
    this.#listed = [...this.#listed, { ...entry, made: iso(madeMs), from: iso(madeMs) }]
    if (isNew) this.#tell({ change: 'made', purpose: name, keyId: entry.keyId })
  }

  #take(name: KeyName, key: KeyObject): void {
    this.#keys.set(name, key)
    if (name !== rsaHostKeyName) this.#signers.set(name, fileSigner(key))
  }

  /** Private keys that a crash left, and that the list has no use for. */
  #dropLeftovers(): void {
    for (const name of keyNames) {
      if (this.#inState(name, 'next') === undefined) this.#forget(name, 'next')
      const former = this.#formers.get(name)?.keyId
      const isUsed = this.#of(name).some(
        key => key.keyId === former && key.state === 'former' && key.overlapUntil !== undefined,
      )
      if (former !== undefined && !isUsed) this.#forget(name, 'former')
    }
  }

  #writeList(nowMs: number): void {
    const body = {
      format: 'sallyport key list',
      version: 1,
      number: (this.#list?.number ?? 0) + 1,
      at: iso(nowMs),
      keys: this.#listed,
    } as const
    const signer = { keyId: this.current('log-checkpoints').keyId, key: this.privateKey('log-checkpoints') }
    // Nobody is current for an instant while a revoked key is being followed: its heir signs the list.
    if (this.#inState('log-checkpoints', 'current')?.keyId !== signer.keyId) return
    this.#list = signKeyList(body, signer)
    replaceFile(join(this.folder, keyListFile), printKeyList(this.#list), 0o644)
  }

  #change(key: ListedKey): void {
    this.#listed = this.#listed.map(listed => (listed.keyId === key.keyId ? key : listed))
  }

  #tell(change: KeyChange): void {
    this.#untold.push(change)
  }

  #of(name: KeyName): readonly ListedKey[] {
    return this.#listed.filter(key => key.purpose === name)
  }

  #inState(name: KeyName, state: ListedKey['state']): ListedKey | undefined {
    return this.#of(name).find(key => key.state === state)
  }

  #file(name: KeyName, which?: 'next' | 'former'): string {
    return join(this.folder, which === undefined ? `${name}.pem` : `${name}.${which}.pem`)
  }
}

/** Host keys rotate together. */
function namesOf(purpose: Purpose): readonly KeyName[] {
  return purpose === 'gateway-host' ? ['gateway-host', rsaHostKeyName] : [purpose]
}

function kindOf(name: KeyName): KeyKind {
  return name === rsaHostKeyName ? 'rsa' : 'ed25519'
}

function isKey(file: string, name: KeyName, keyId: string): boolean {
  return keyIdOfKey(createPublicKey(loadKey(file, kindOf(name)))) === keyId
}

function isBefore(nowMs: number, instant: string | undefined): boolean {
  return instant !== undefined && nowMs < Date.parse(instant)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function unusable(what: string): Fault {
  return new Fault('KEY_UNUSABLE', `${what}. Restore the folder of keys from its own backup.`)
}

function refused(why: string): Fault {
  return new Fault('KEY_CHANGE_REFUSED', `Nothing was changed: ${why}.`)
}
