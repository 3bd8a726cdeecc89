/** Where the parts of the tree lie, as C2SP tlog-tiles names them: 256 hashes or entries a file. */

/** Hashes of a full tile; each level of tiles covers eight levels of the tree. */
export const tileWidth = 256
export const tileHeight = 8
/** An entry is preceded by its length in two bytes. */
export const maxEntryBytes = 65_535

/** `tile/<level>/<number>`, or of a tile that is not full `….p/<width>`; `level` may be `entries`. */
export function tilePath(level: number | 'entries', number: number, width: number = tileWidth): string {
  const digits = String(number).padStart(Math.ceil(String(number).length / 3) * 3, '0')
  const groups = digits.match(/.{3}/g) ?? []
  const name = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/')
  return `tile/${level}/${name}${width === tileWidth ? '' : `.p/${width}`}`
}

/** An entry as it lies in its bundle. */
export function encodeEntry(entry: Uint8Array): Buffer {
  if (entry.length > maxEntryBytes) throw new RangeError('an entry of the log is too long')
  const bytes = Buffer.alloc(2 + entry.length)
  bytes.writeUInt16BE(entry.length)
  bytes.set(entry, 2)
  return bytes
}

/** The entry that lies there so. */
export function entryIn(stored: Buffer): Buffer {
  return stored.subarray(2)
}

/** The whole entries at the beginning of a bundle, and how many bytes they take: what follows was torn. */
export function decodeEntries(bundle: Buffer): {
  readonly entries: readonly Buffer[]
  readonly wholeBytes: number
} {
  const entries: Buffer[] = []
  let at = 0
  while (at + 2 <= bundle.length) {
    const end = at + 2 + bundle.readUInt16BE(at)
    if (end > bundle.length) break
    entries.push(bundle.subarray(at + 2, end))
    at = end
  }
  return { entries, wholeBytes: at }
}
