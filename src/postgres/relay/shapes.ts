/** The shapes that results have: columns are told once, and results refer to them. */
import type { SqlColumn, SqlEvent } from '../../recorder/sql-event.ts'
import { type Column, decodeRowDescription } from '../wire/backend.ts'
import { typeName } from './value-types.ts'

/** Different shapes that are remembered; then all are forgotten, and told again when they come again. */
export const maxShapes = 256
/** A longer description is told each time and not remembered: 256 of these are 4 MiB. */
const maxShapeBytes = 16 * 1024
/** Columns in one event. PostgreSQL has at most 1,664 in a result. */
const maxColumnsTold = 2048

export type Shape = {
  readonly number: number
  readonly columns: readonly Column[]
}

export class Shapes {
  readonly #known = new Map<string, Shape>()
  readonly #tell: (event: SqlEvent) => void
  #last: { body: Buffer; shape: Shape } | undefined
  #count = 0

  constructor(tell: (event: SqlEvent) => void) {
    this.#tell = tell
  }

  /** The shape that a RowDescription gives; told if it was not told before. Throws MalformedMessage. */
  of(body: Buffer): Shape {
    const last = this.#last
    if (last !== undefined && last.body.equals(body)) return last.shape
    const key = body.length > maxShapeBytes ? undefined : body.toString('latin1')
    const shape = (key === undefined ? undefined : this.#known.get(key)) ?? this.#add(body, key)
    if (key !== undefined) this.#last = { body: Buffer.from(body), shape }
    return shape
  }

  #add(body: Buffer, key: string | undefined): Shape {
    const columns = decodeRowDescription(body)
    const shape = { number: ++this.#count, columns }
    this.#tell({
      type: 'columns',
      columns: shape.number,
      fields: columns.slice(0, maxColumnsTold).map(told),
    })
    if (key === undefined) return shape
    if (this.#known.size >= maxShapes) this.#known.clear()
    this.#known.set(key, shape)
    return shape
  }
}

/** Longest name of a column that is told: PostgreSQL's have 63 bytes, a hostile target's may have more. */
const maxNameCharacters = 128

function told({ name, table, attribute, type, format }: Column): SqlColumn {
  return {
    name: name.slice(0, maxNameCharacters),
    type: typeName(type),
    ...(table === 0 ? undefined : { table, attribute }),
    ...(format === 1 ? { binary: true as const } : undefined),
  }
}
