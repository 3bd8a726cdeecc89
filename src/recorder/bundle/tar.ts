/** Writes a tar archive (POSIX.1-1988 ustar) of plain files, piece by piece. */
const blockBytes = 512
/** A size is eleven octal digits. */
export const maxTarFileBytes: number = 0o77777777777

/** What tells a file of the archive; its bytes, padded by `tarPadding`, follow. Names are ASCII, and at most 100 bytes. */
export function tarHead(name: string, bytes: number, modifiedAtMs: number): Buffer {
  if (!/^[\x21-\x7e]{1,100}$/.test(name)) throw new TypeError('a name that a tar archive cannot hold')
  if (bytes > maxTarFileBytes) throw new RangeError('a file that is too long for a tar archive')
  const head = Buffer.alloc(blockBytes)
  head.write(name, 0)
  head.write('0000444\0', 100) // mode: to read
  head.write('0000000\0', 108) // uid
  head.write('0000000\0', 116) // gid
  head.write(`${octal(bytes, 11)}\0`, 124)
  head.write(`${octal(Math.floor(modifiedAtMs / 1000), 11)}\0`, 136)
  head.write('        ', 148) // the sum is taken with blanks in its place
  head.write('0', 156) // a plain file
  head.write('ustar\x0000', 257)
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${octal(sum, 6)}\0 `, 148)
  return head
}

export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes)
}

/** Two empty blocks. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * blockBytes)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}
