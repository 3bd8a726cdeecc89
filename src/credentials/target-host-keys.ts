/**
 * What the inner servers of `ssh -J` prove themselves with: for each target a host key of its own, kept, so that it may be
 * pinned, and for each connection a certificate of the *hosts* authority that names the target.
 */
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { Signer } from '../model.ts'
import { loadOrCreate } from './authority.ts'
import { issueCertificate } from './ssh-certificate.ts'
import { openSshPrivateKey } from './ssh-key.ts'

/** A client looks at it once, at the start of the connection; this much is for clocks that differ. */
const validSeconds = { before: 5 * 60, after: 10 * 60 } as const

export type TargetHostKeysOptions = {
  /** Made if it does not exist; only its owner may look into it. */
  readonly folder: string
  /** The *hosts* authority. */
  readonly authority: Signer
  readonly clock: Clock
}

export type HostIdentity = {
  /** One private key in OpenSSH's form; the same array for the same target, each time. */
  readonly hostKeys: readonly string[]
  readonly certificate: Buffer
}

export class TargetHostKeys {
  readonly #options: TargetHostKeysOptions
  readonly #known = new Map<string, { publicKey: KeyObject; pems: readonly string[] }>()

  constructor(options: TargetHostKeysOptions) {
    this.#options = options
    mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  }

  /**
   * The key of a target of the configuration, and a certificate for it that names the target and the host that the client
   * asked for. Throws Fault KEY_UNUSABLE.
   */
  async identityOf(target: string, askedFor: string): Promise<HostIdentity> {
    const { publicKey, pems } = this.#keyOf(target)
    const nowSeconds = Math.floor(this.#options.clock.nowMs() / 1000)
    const certificate = await issueCertificate(
      publicKey,
      {
        serial: randomBytes(8).readBigUInt64BE(),
        type: 'host',
        keyId: `sallyport host=${target}`,
        principals: [...new Set([target, askedFor])],
        validAfterSeconds: nowSeconds - validSeconds.before,
        validBeforeSeconds: nowSeconds + validSeconds.after,
        criticalOptions: {},
        extensions: [],
      },
      this.#options.authority,
    )
    return { hostKeys: pems, certificate }
  }

  /** Names of targets are letters, digits and `._-`, a letter or digit first, so that each is a file name too. */
  #keyOf(target: string) {
    const known = this.#known.get(target)
    if (known !== undefined) return known
    const key = loadOrCreate(join(this.#options.folder, `${target}.pem`))
    const entry = { publicKey: createPublicKey(key), pems: [openSshPrivateKey(key)] }
    this.#known.set(target, entry)
    return entry
  }
}
