/** CRC-32 as in zlib (IEEE). */
export function crc32(bytes: Uint8Array, value = 0): number {
  let crc = ~value
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0)
  }
  return ~crc >>> 0
}
