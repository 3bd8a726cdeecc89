/** ZMODEM as programs send it. */
import { crc32 } from 'node:zlib'
import { crc16 } from '../../../src/ssh/zmodem/frames.ts'

const escape = 0x18

/** `**`, ZDLE, B, and everything in hexadecimal, as lrzsz sends it. */
export function hexHeader(type: number, position = 0): Buffer {
  const body = Buffer.alloc(5)
  body[0] = type
  body.writeUInt32LE(position, 1)
  const sum = Buffer.alloc(2)
  sum.writeUInt16BE(crc16(body))
  return Buffer.concat([
    Buffer.from('**\x18B'),
    Buffer.from(Buffer.concat([body, sum]).toString('hex')),
    Buffer.from('\r\x8a\x11', 'latin1'),
  ])
}

/** Every byte that a line might eat is escaped, and then some. */
function escaped(bytes: Buffer): Buffer {
  return Buffer.from(
    [...bytes].flatMap(byte =>
      (byte & 0x60) === 0 || byte === 0x7f || byte === 0xff ? escapeOf(byte) : [byte],
    ),
  )
}
function escapeOf(byte: number): number[] {
  if (byte === 0x7f) return [escape, 0x6c]
  if (byte === 0xff) return [escape, 0x6d]
  return [escape, byte ^ 0x40]
}

export function binaryHeader(type: number, position = 0): Buffer {
  const body = Buffer.alloc(5)
  body[0] = type
  body.writeUInt32LE(position, 1)
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(body))
  return Buffer.concat([Buffer.from('*\x18C'), escaped(Buffer.concat([body, sum]))])
}

export function subpacket(bytes: Buffer, end = 'k'): Buffer {
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(Buffer.concat([bytes, Buffer.from(end)])))
  return Buffer.concat([escaped(bytes), Buffer.from([escape]), Buffer.from(end), escaped(sum)])
}
