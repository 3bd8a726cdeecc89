import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

/** The key of one recording, from which the others are made. Bytes. */
export const dataKeyBytes = 32
export const tagBytes = 16
const nonceBytes = 12

/** HKDF's info (RFC 5869), so that no key is ever used for two things. */
const infos = { chunks: 'sallyport recording v1 chunks', events: 'sallyport recording v1 events' } as const

/** What opens the content of one recording: plain data, so that it can go to a worker thread. */
export type ContentKeys = {
  /** Seals chunks as a whole. */
  readonly chunks: Uint8Array
  /** Seals events one by one. */
  readonly events: Uint8Array
  /** SHA-256 over the stored header, which is bound into everything sealed: link of frame 0. */
  readonly header: Uint8Array
}

/** The recording's own keys: HKDF-SHA-256 without salt. */
export function contentKeysOf(dataKey: Uint8Array, header: Uint8Array): ContentKeys {
  return { chunks: derive(dataKey, infos.chunks), events: derive(dataKey, infos.events), header }
}

function derive(dataKey: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', dataKey, Buffer.alloc(0), info, dataKeyBytes))
}

/**
 * As OpenSSL wants it, over which an event costs a quarter of what it costs with the bytes themselves. The bytes are overwritten; the
 * copy inside is when nothing refers to it any more.
 */
export function takeKey(bytes: Uint8Array): KeyObject {
  const key = createSecretKey(bytes)
  bytes.fill(0)
  return key
}

/** A number as nonce: big-endian, in twelve bytes. */
export function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeUInt32BE(Math.floor(number / 2 ** 32), 4)
  nonce.writeUInt32BE(number >>> 0, 8)
  return nonce
}

/** Additional data of a chunk: its header's link and its own fixed fields. */
export function chunkContext(header: Uint8Array, chunkHead: Uint8Array): Buffer {
  return Buffer.concat([header, chunkHead])
}

/** Additional data of an event: its header's link; the nonce has its number. */
export function eventContext(header: Uint8Array): Uint8Array {
  return header
}
