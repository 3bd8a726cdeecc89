/** One level of the encodings that commands are hidden in: base64, hexadecimal, gzip, printf's octal. */
import { gunzipSync } from 'node:zlib'
import { unescapeAnsi } from './lexer.ts'

/** What is decoded, and what may come of it. */
const maxEncodedLength = 64 * 1024
const maxDecodedBytes = 64 * 1024
/** A share of printable characters below this is no text. */
const minPrintableShare = 0.9

/** The text, or undefined where it is not one. */
export function decodeBase64(encoded: string): string | undefined {
  const packed = encoded.replaceAll(/\s+/g, '')
  if (packed.length < 8 || packed.length > maxEncodedLength || !/^[\w+/-]+={0,2}$/.test(packed))
    return undefined
  return textOf(Buffer.from(packed, 'base64'))
}

export function decodeHex(encoded: string): string | undefined {
  const packed = encoded.replaceAll(/\\x|0x|[\s:,]/g, '')
  if (packed.length < 8 || packed.length > maxEncodedLength || !/^(?:[\da-fA-F]{2})+$/.test(packed))
    return undefined
  return textOf(Buffer.from(packed, 'hex'))
}

export function decodePrintf(format: string): string | undefined {
  if (format.length > maxEncodedLength || !/\\(?:x[\da-fA-F]|0?[0-7]{2})/.test(format)) return undefined
  return printable(unescapeAnsi(format))
}

function textOf(bytes: Buffer): string | undefined {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  return printable((isGzip ? inflated(bytes) : bytes)?.toString('utf8'))
}

function inflated(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxDecodedBytes })
  } catch {
    return undefined
  }
}

function printable(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  const characters = text.match(/[\t\n\r\u0020-\u007E\u00A0-\uFFFC]/g)?.length ?? 0
  return characters / text.length >= minPrintableShare ? text : undefined
}
