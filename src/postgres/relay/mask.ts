/** Masks values in results: by the table and the number of the column that the target says each one is, as rows pass. */
import { createHmac, randomBytes } from 'node:crypto'
import type { MaskKind } from '../../config/config.ts'
import type { Column, ReportFields } from '../wire/backend.ts'
import { cstring } from '../wire/frame-writer.ts'
import { MalformedMessage } from '../wire/protocol-violation.ts'
import type { ResultMask, RowMask } from './hooks.ts'
import type { MaskedCatalog } from './masked-catalog.ts'

/** OIDs below are of the catalogs that come with PostgreSQL (transam.h, FirstNormalObjectId). */
const firstOwnOid = 16_384
/** Whose text and binary forms are the same characters: text, varchar, bpchar, name. Values of other types become NULL. */
const textTypes = new Set([25, 1043, 1042, 19])
/** A shorter value has too little left when four characters of it are shown. */
const minForLast4 = 8
const stars = '************'
const redacted = Buffer.from('[masked]')
/** Equal values look equal, until the gateway starts again; without the key nobody can try values out. */
const hashKey = randomBytes(32)
/** Hexadecimal digits of a hash that are shown: enough to tell values apart. */
const hashLength = 32

/** What is done to one value; null is NULL. */
type ValueMask = (value: Buffer) => Buffer | null

const nothing: ValueMask = () => null

const textMasks: Readonly<Record<MaskKind, ValueMask>> = {
  null: nothing,
  redact: () => redacted,
  hash: value => Buffer.from(createHmac('sha256', hashKey).update(value).digest('hex').slice(0, hashLength)),
  last4: value => {
    const characters = Array.from(value.toString().trimEnd())
    return Buffer.from(characters.length < minForLast4 ? stars : stars + characters.slice(-4).join(''))
  },
}

/** `catalog` is what is known at the time of the result. */
export function resultMask(
  catalog: () => MaskedCatalog | undefined,
  onUnknown: () => void = () => {},
): ResultMask {
  return {
    plan: columns => {
      const known = catalog()
      // Nobody asked what the columns are, or what is masked is not known: they could be any.
      if (columns === undefined || known === undefined) return new MaskedRow(() => nothing)
      const masks = columns.map(column => maskOf(column, known, onUnknown))
      return masks.every(mask => mask === undefined) ? undefined : new MaskedRow(at => masks[at])
    },
    report: withoutRow,
  }
}

/** A table that was made since the look-up is masked by the names of its columns. */
function maskOf(column: Column, known: MaskedCatalog, onUnknown: () => void): ValueMask | undefined {
  const { table, attribute, name, type } = column
  let kind = known.columns.get(table)?.get(attribute)
  if (kind === undefined && table >= firstOwnOid && !known.known.has(table)) {
    onUnknown()
    kind = known.names.get(name)
  }
  if (kind === undefined) return undefined
  return textTypes.has(type) ? textMasks[kind] : nothing
}

/**
 * A constraint that fails tells the row ("Failing row contains (1, 4111 …)") or the key in its detail, in the language of the
 * session: class 23, and 44000 of WITH CHECK OPTION. The names of constraint, table and column stay.
 */
function withoutRow(fields: ReportFields): Buffer | undefined {
  const code = fields.get('C') ?? ''
  if (!fields.has('D') || !(code.startsWith('23') || code === '44000')) return undefined
  const shown = [...fields].map(([letter, text]) => [letter, letter === 'D' ? hiddenDetail : text] as const)
  return Buffer.concat([
    ...shown.flatMap(([letter, text]) => [Buffer.from(letter), cstring(text)]),
    Buffer.alloc(1),
  ])
}

const hiddenDetail = 'The gateway does not show this detail, because columns are masked here.'

class MaskedRow implements RowMask {
  readonly #maskAt: (column: number) => ValueMask | undefined

  constructor(maskAt: (column: number) => ValueMask | undefined) {
    this.#maskAt = maskAt
  }

  /** A DataRow's body: int16 count, then int32 length (−1: NULL) and bytes of each value. Lengths are checked: the target may lie. */
  apply(row: Buffer): Buffer {
    const parts: Buffer[] = [row.subarray(0, 2)]
    if (row.length < 2) throw new MalformedMessage('a row and its values are not of one length')
    const count = row.readUInt16BE(0)
    let at = 2
    for (let column = 0; column < count; column++) {
      if (at + 4 > row.length) throw new MalformedMessage('a row and its values are not of one length')
      const length = row.readInt32BE(at)
      const end = at + 4 + Math.max(length, 0)
      if (length < -1 || end > row.length)
        throw new MalformedMessage('a row and its values are not of one length')
      const mask = length === -1 ? undefined : this.#maskAt(column)
      if (mask === undefined) parts.push(row.subarray(at, end))
      else pushValue(parts, mask(row.subarray(at + 4, end)))
      at = end
    }
    if (at !== row.length) throw new MalformedMessage('a row and its values are not of one length')
    return Buffer.concat(parts)
  }
}

function pushValue(parts: Buffer[], value: Buffer | null): void {
  const length = Buffer.alloc(4)
  length.writeInt32BE(value === null ? -1 : value.length)
  parts.push(length)
  if (value !== null) parts.push(value)
}
