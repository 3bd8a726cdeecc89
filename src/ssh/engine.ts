/**
 * The SSH engine: ssh2's transport (version exchange, key exchange, ciphers, framing) from a copy that carries
 * `patches/ssh2+1.17.0.patch`. Nothing here runs on an ssh2 without that patch: `proveEngine` is the only way to an
 * `Engine`, and a transport cannot be built without one.
 */
import { createRequire } from 'node:module'
import { Fault, reasonOf } from '../errors.ts'

/** A key as ssh2 parses it; only what we use. */
export type ParsedKey = {
  readonly type: string
  getPublicSSH(): Buffer
  getPrivatePEM(): string | null
  verify(data: Buffer, signature: Buffer, hash?: string): boolean
}

export type Negotiated = {
  readonly kex: string
  readonly serverHostKey: string
  readonly cs: { readonly cipher: string; readonly mac: string; readonly compress: string }
  readonly sc: { readonly cipher: string; readonly mac: string; readonly compress: string }
}

type Direction = { cipher: readonly string[]; mac: readonly string[]; compress: readonly string[]; lang: [] }

/** The algorithms that one side offers, in its order. */
export type Offer = { kex: readonly string[]; serverHostKey: readonly string[]; cs: Direction; sc: Direction }

export type ProtocolConfig = {
  server: boolean
  ident: string
  offer: Offer
  hostKeys?: Readonly<Record<string, ParsedKey>>
  hostVerifier?: (key: Buffer) => boolean
  serverSigAlgs?: string
  maxQueuedBytes?: number
  onWrite: (data: Uint8Array) => void
  onError: (error: Error) => void
  onHandshakeComplete: (negotiated: Negotiated) => void
  onMessage: (payload: Buffer, sequence: number) => void
  messageHandlers: {
    DISCONNECT?: (protocol: unknown, reason: number, text: string) => void
    EXT_INFO?: (protocol: unknown, extensions: readonly { name: string; algs: string[] }[]) => void
  }
}

/** One connection's protocol state. Underscored members are ssh2's own; their meaning is pinned by its version. */
export type ProtocolState = {
  start(): void
  parse(chunk: Buffer, start: number, end: number): void
  sendPayload(head: Uint8Array, data?: Uint8Array): boolean
  disconnect(reason: number, text: string): void
  rekey(): void
  cleanup(): void
  /** Our own KEXINIT while a key exchange runs, else undefined. */
  readonly _kexinit: Buffer | undefined
  readonly _kex: { readonly sessionID: Buffer | undefined } | undefined
  readonly _strictMode: boolean | undefined
}

type ProtocolClass = { new (config: ProtocolConfig): ProtocolState; readonly sallyportPatch?: number }

type Library = {
  Protocol: ProtocolClass
  parseKey: (key: string) => ParsedKey | readonly ParsedKey[] | Error
  crypto: { readonly bindingAvailable: boolean; readonly init: Promise<void> }
}

/** The one version that the patch is for. */
const engineVersion = '1.17.0'

/** The number that the patch leaves in the library; raised with each change of the patch. */
const patchNumber = 1

class Engine {
  readonly #issued = true
  /** Whether the ciphers run in compiled code; in JavaScript they cost about 2.5 times the CPU. */
  readonly crypto: 'native' | 'javascript'
  readonly #library: Library
  #wasmReady = false

  constructor(library: Library) {
    this.#library = library
    this.crypto = library.crypto.bindingAvailable ? 'native' : 'javascript'
    library.crypto.init.then(
      () => (this.#wasmReady = true),
      () => undefined, // then it is never offered
    )
  }

  static is(x: object): x is Engine {
    return #issued in x
  }

  get hasChacha20(): boolean {
    return this.crypto === 'native' || this.#wasmReady
  }

  newProtocol(config: ProtocolConfig): ProtocolState {
    return new this.#library.Protocol(config)
  }

  /** @throws Fault KEY_UNUSABLE for anything but one unencrypted private key. */
  parsePrivateKey(pem: string): ParsedKey {
    const parsed = this.#library.parseKey(pem)
    const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey | undefined) : (parsed as ParsedKey | Error)
    if (key === undefined || key instanceof Error || key.getPrivatePEM() === null)
      throw new Fault(
        'KEY_UNUSABLE',
        'A host key cannot be read: it must be one private key without a passphrase.',
      )
    return key
  }
}
export type { Engine }

/**
 * Loads the SSH library and proves that it is the hardened copy.
 * @throws Fault ENGINE_NOT_HARDENED, naming the first proof that failed.
 */
export function proveEngine(): Engine {
  const require = createRequire(import.meta.url)
  const library = load(require)
  for (const [what, holds] of proofs(library)) {
    if (!holds()) throw notHardened(`not proven: ${what}`)
  }
  return new Engine(library)
}

function load(require: NodeJS.Require): Library {
  try {
    const version = (require('ssh2/package.json') as { version: string }).version
    if (version !== engineVersion) throw new Error(`ssh2 ${version} instead of ${engineVersion}`)
    return {
      Protocol: require('ssh2/lib/protocol/Protocol.js') as ProtocolClass,
      parseKey: (require('ssh2/lib/protocol/keyParser.js') as Pick<Library, 'parseKey'>).parseKey,
      crypto: require('ssh2/lib/protocol/crypto.js') as Library['crypto'],
    }
  } catch (error) {
    throw notHardened(reasonOf(error))
  }
}

function notHardened(detail: string): Fault {
  return new Fault(
    'ENGINE_NOT_HARDENED',
    'The SSH engine is not the hardened copy. Run `npm ci` in the folder of Sallyport, with its install scripts on.',
    { log: `SSH engine: ${detail}` },
  )
}

function proofs(library: Library): [string, () => boolean][] {
  return [['the patch is applied', () => library.Protocol.sallyportPatch === patchNumber]]
}
