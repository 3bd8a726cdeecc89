/**
 * The SSH engine: ssh2's transport (version exchange, key exchange, ciphers, framing) from a copy that carries
 * `patches/ssh2+1.17.0.patch`. Nothing here runs on an ssh2 without that patch: `proveEngine` is the only way to an
 * `Engine`, and a transport cannot be built without one.
 */
import { Fault, reasonOf } from '../errors.ts'
import { engineProofs, type Proof } from './engine-proofs.ts'
import {
  type Library,
  loadLibrary,
  type ParsedKey,
  type ProtocolConfig,
  type ProtocolState,
} from './library.ts'

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
      () => undefined, // then ChaCha20 is never offered
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
 * @throws Fault ENGINE_NOT_HARDENED, naming in its log text the first proof that failed.
 */
export function proveEngine(load: () => Library = loadLibrary): Engine {
  const library = attempt(load)
  const failed = engineProofs(library).find(proof => !holds(proof))
  if (failed !== undefined) throw notHardened(`not proven: ${failed.name}`)
  return new Engine(library)
}

function attempt(load: () => Library): Library {
  try {
    return load()
  } catch (error) {
    throw notHardened(reasonOf(error))
  }
}

function holds(proof: Proof): boolean {
  try {
    return proof.holds()
  } catch {
    return false
  }
}

function notHardened(detail: string): Fault {
  return new Fault(
    'ENGINE_NOT_HARDENED',
    'The SSH engine is not the hardened copy. Run `npm ci` in the folder of Sallyport, with its install scripts on.',
    { log: `SSH engine: ${detail}` },
  )
}
