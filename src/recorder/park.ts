/**
 * Puts the screens of a terminal aside that nobody writes to: its cells, which are nearly all of it, become one compressed block. Everything
 * else (a sequence that is half received, markers, hooks) stays where it is, so that a terminal can be parked at any instant and goes on as if it
 * had not been.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { type CoreBuffer, type CoreLine, type CoreLines, coreOf, type Terminal } from './terminal.ts'

/** Rows of a ring. Thousands of them are small objects no more. */
type Packed = {
  readonly slots: number
  /** Four numbers a row: its slot, its columns, whether it goes on from the one above, and how many numbers its cells are. */
  readonly heads: Uint32Array
  /** The cells of all rows, compressed. */
  readonly block: Uint8Array
  /** What few rows have, by their slots. */
  readonly combined: ReadonlyMap<number, CoreLine['_combined']>
  readonly extended: ReadonlyMap<number, CoreLine['_extendedAttrs']>
  /** A line of the emulator's own kind; undefined if there is none. */
  readonly like: CoreLine | undefined
}

const headSize = 4
/** Of zstd: rows are alike, and the fastest is small enough. */
const level = 1
/** Emulators are large besides their cells: parsers, hooks, buffers without rows. Bytes. */
const emptyBytes = 180 * 1024

const parked = new WeakMap<CoreLines, number>()

/**
 * Parks what is awake of it; whoever reads or writes it next wakes it up without knowing. Gives the bytes that it takes now. Costs a few
 * milliseconds, and waking up less.
 */
export function park(terminal: Terminal): number {
  const { normal, alt } = coreOf(terminal).buffers
  return emptyBytes + parkBuffer(normal) + parkBuffer(alt)
}

/** Whether nobody has used it since it was parked. */
export function isParked(terminal: Terminal): boolean {
  const { normal, alt } = coreOf(terminal).buffers
  return parked.has(normal.lines) && parked.has(alt.lines)
}

function parkBuffer({ lines }: CoreBuffer): number {
  const known = parked.get(lines)
  if (known !== undefined) return known
  const packed = packLines(lines)
  const bytes = packed.block.length + packed.heads.byteLength
  parked.set(lines, bytes)
  lines._array = sleeping(lines, packed)
  return bytes
}

/** Stands for the rows until one of them is wanted. */
function sleeping(lines: CoreLines, packed: Packed): CoreLines['_array'] {
  const rows = (): CoreLines['_array'] => {
    if (parked.delete(lines)) lines._array = unpackLines(packed)
    return lines._array
  }
  return new Proxy([], {
    get: (_, slot) => Reflect.get(rows(), slot) as unknown,
    set: (_, slot, line) => Reflect.set(rows(), slot, line),
  })
}

function packLines({ _array, _startIndex, _length }: CoreLines): Packed {
  const heads = new Uint32Array(_length * headSize)
  const cells: Buffer[] = []
  const combined = new Map<number, CoreLine['_combined']>()
  const extended = new Map<number, CoreLine['_extendedAttrs']>()
  let like: CoreLine | undefined
  for (let row = 0; row < _length; row++) {
    const slot = (_startIndex + row) % _array.length
    const line = _array[slot]
    if (line === undefined) continue
    like ??= line
    const { _data: data } = line
    heads.set([slot, line.length, line.isWrapped ? 1 : 0, data.length], row * headSize)
    cells.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    if (Object.keys(line._combined).length > 0) combined.set(slot, line._combined)
    if (Object.keys(line._extendedAttrs).length > 0) extended.set(slot, line._extendedAttrs)
  }
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  const block = new Uint8Array(zstdCompressSync(Buffer.concat(cells), { params }))
  return { slots: _array.length, heads, block, combined, extended, like: emptyLike(like) }
}

function unpackLines({ slots, heads, block, combined, extended, like }: Packed): CoreLines['_array'] {
  const rows = Array.from<CoreLine | undefined>({ length: slots })
  const bytes = new Uint8Array(zstdDecompressSync(block))
  const cells = new Uint32Array(bytes.buffer, 0, bytes.length / Uint32Array.BYTES_PER_ELEMENT)
  for (let at = 0, from = 0; at < heads.length; at += headSize) {
    const [slot = 0, columns = 0, isWrapped = 0, size = 0] = heads.subarray(at, at + headSize)
    const line = size === 0 ? undefined : emptyLike(like)
    if (line === undefined) continue
    line.length = columns
    line.isWrapped = isWrapped === 1
    line._data = cells.slice(from, from + size)
    line._combined = combined.get(slot) ?? line._combined
    line._extendedAttrs = extended.get(slot) ?? line._extendedAttrs
    rows[slot] = line
    from += size
  }
  return rows
}

function emptyLike(line: CoreLine | undefined): CoreLine | undefined {
  if (line === undefined) return undefined
  const Line = line.constructor as new (columns: number) => CoreLine
  return new Line(0)
}
