/** The fields of an audit entry while they are mapped: whatever nobody takes is left for `unmapped`. */
import type { FeedEvent } from '../event.ts'

/** A text is cut here: events stay small whatever people and targets write. In UTF-16 units. */
export const maxTextLength = 1024
/** Of a list, so many. */
const maxItems = 64

export type OcsfValue = string | number | boolean | readonly OcsfValue[] | OcsfObject
export type OcsfObject = { readonly [name: string]: OcsfValue | undefined }

export class EntryReading {
  readonly event: FeedEvent
  readonly #taken = new Set<string>()

  constructor(event: FeedEvent) {
    this.event = event
  }

  /** The text of the first of these fields that has one. */
  text(...names: readonly string[]): string | undefined {
    for (const name of names) {
      const value = this.#take(name)
      if (typeof value === 'string' && value !== '') return cleanText(value)
      if (typeof value === 'number') return String(value)
    }
    return undefined
  }

  /** A list of texts, also where it was written as one text with blanks or commas. */
  texts(name: string): readonly string[] {
    const value = this.#take(name)
    if (typeof value === 'string')
      return value
        .split(/[\s,]+/)
        .filter(part => part !== '')
        .map(cleanText)
        .slice(0, maxItems)
    return Array.isArray(value)
      ? value
          .filter(part => typeof part === 'string')
          .map(cleanText)
          .slice(0, maxItems)
      : []
  }

  number(name: string): number | undefined {
    const value = this.#take(name)
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined
  }

  /** What is not taken yet, as plain values. */
  rest(): OcsfObject | undefined {
    const left = Object.entries(this.event.fields).filter(([name]) => !this.#taken.has(name))
    const mapped = left.flatMap(([name, value]): [string, OcsfValue][] => {
      const plain = plainValue(value)
      return plain === undefined ? [] : [[cleanText(name), plain]]
    })
    return mapped.length === 0 ? undefined : Object.fromEntries(mapped)
  }

  #take(name: string): unknown {
    this.#taken.add(name)
    return this.event.fields[name]
  }
}

/** Cut, and with no half of a character left over. */
function cleanText(text: string): string {
  const cut = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text
  return cut.toWellFormed()
}

function plainValue(value: unknown): OcsfValue | undefined {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value
  if (!Array.isArray(value)) return undefined
  return value.slice(0, maxItems).flatMap(part => plainValue(part) ?? [])
}
