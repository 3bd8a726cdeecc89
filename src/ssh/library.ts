/** What we use of ssh2, typed: its transport (`lib/protocol`), which the package does not export. Pinned to one version. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A key as ssh2 parses it. */
export type ParsedKey = {
  readonly type: string
  getPublicSSH(): Buffer
  getPrivatePEM(): string | null
  sign(data: Buffer, hash?: string): Buffer | Error
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
  /** Asked before the server has proven the key, and again at each later exchange. */
  hostVerifier?: (key: Buffer) => boolean
  serverSigAlgs?: string
  maxQueuedBytes?: number
  /** Where a packet is built; it goes to `onWrite` before the next one is. By default fresh memory. */
  allocPacket?: (bytes: number) => Buffer
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

type CipherInfo = { readonly keyLen: number; readonly ivLen: number; readonly authLen: number }
type MacInfo = { readonly len: number }

type Keys = { iv: Buffer; key: Buffer; macKey: Buffer | undefined }
export type PacketCipher = { allocPacket(payloadBytes: number): Buffer; encrypt(packet: Buffer): void }
export type PacketDecipher = { decrypt(data: Buffer, start: number, end: number): unknown }

export type Library = {
  readonly version: string
  /** SHA-256 over its source, hex. */
  readonly digest: string
  readonly Protocol: { new (config: ProtocolConfig): ProtocolState; readonly sallyportPatch?: number }
  readonly parseKey: (key: string) => ParsedKey | readonly ParsedKey[] | Error
  readonly crypto: {
    readonly bindingAvailable: boolean
    /** Resolves when ChaCha20-Poly1305 works without the compiled binding. */
    readonly init: Promise<void>
    readonly CIPHER_INFO: Readonly<Record<string, CipherInfo>>
    readonly MAC_INFO: Readonly<Record<string, MacInfo>>
    createCipher(config: { outbound: object }): PacketCipher
    createDecipher(config: { inbound: object }): PacketDecipher
  }
}

/** @throws whatever `require` throws where the package is missing or broken. */
export function loadLibrary(): Library {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('ssh2/package.json')
  return {
    version: (require(manifest) as { version: string }).version,
    digest: digestOf(join(dirname(manifest), 'lib')),
    Protocol: require('ssh2/lib/protocol/Protocol.js') as Library['Protocol'],
    parseKey: (require('ssh2/lib/protocol/keyParser.js') as Pick<Library, 'parseKey'>).parseKey,
    crypto: require('ssh2/lib/protocol/crypto.js') as Library['crypto'],
  }
}

function digestOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => /\.(?:js|cc|gyp)$/.test(name) && !/(?:^|\/)build\//.test(name))
    .toSorted()
  const hash = createHash('sha256')
  for (const name of files)
    hash.update(`${name}\n`).update(
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest(),
    )
  return hash.digest('hex')
}

/** A packet cipher and its decipher under the same keys. */
export function cipherPair(
  library: Library,
  names: { cipher: string; mac: string },
  onWrite: (data: Uint8Array) => void,
  onPayload: (payload: Buffer) => void,
): { cipher: PacketCipher; decipher: PacketDecipher } {
  const info = library.crypto.CIPHER_INFO[names.cipher]
  const macInfo = library.crypto.MAC_INFO[names.mac]
  if (info === undefined || macInfo === undefined)
    throw new TypeError(`unknown algorithm ${names.cipher} or ${names.mac}`)
  const keys = (): Keys => ({
    iv: Buffer.alloc(info.ivLen, 1),
    key: Buffer.alloc(info.keyLen, 2),
    macKey: Buffer.alloc(macInfo.len, 3),
  })
  const out = keys()
  const into = keys()
  return {
    cipher: library.crypto.createCipher({
      outbound: {
        onWrite,
        seqno: 0,
        cipherInfo: info,
        cipherIV: out.iv,
        cipherKey: out.key,
        macInfo,
        macKey: out.macKey,
      },
    }),
    decipher: library.crypto.createDecipher({
      inbound: {
        onPayload,
        seqno: 0,
        decipherInfo: info,
        decipherIV: into.iv,
        decipherKey: into.key,
        macInfo,
        macKey: into.macKey,
      },
    }),
  }
}
