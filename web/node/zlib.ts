/** CRC-32 as in zlib (IEEE). */
export function crc32(bytes: Uint8Array, value = 0): number {
  let crc = ~value
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0)
  }
  return ~crc >>> 0
}

/** What somebody typed was compressed: browsers inflate asynchronously only, so it stays as it was typed. */
export function gunzipSync(): never {
  return refuse()
}

/** Nothing is parked in a browser (src/recorder/park.ts): a recording is read in one go. */
export const constants = { ZSTD_c_compressionLevel: 100 }

export function zstdCompressSync(): never {
  return refuse()
}

export function zstdDecompressSync(): never {
  return refuse()
}

function refuse(): never {
  throw new Error('there is no such thing in a browser')
}
