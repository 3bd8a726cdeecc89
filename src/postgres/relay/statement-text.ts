/** What is said of a statement's text and of its parameters: in one event if they fit, in those behind it if they do not. */
import { createHash } from 'node:crypto'
import type { SqlEvent, SqlValue, TextFields } from '../../recorder/sql-event.ts'
import { type NameEffect, nameEffects } from './name-effects.ts'
import { formatOf, keptValuesBytes, maxValuesPerEvent, recordedValue, wholeCharacters } from './values.ts'

/** Text in one event: with every character escaped in JSON it stays below the limit of an event. */
export const maxTextBytesPerEvent: number = 128 * 1024
/** A shorter text costs no more than to say which one it was. */
const leastRepeatedCharacters = 48
/** ... and a longer one is told again when it comes again. */
const mostRepeatedCharacters = 64 * 1024
/** Texts that are remembered, and their characters; then all are forgotten, and told again. */
const maxRepeatedTexts = 1000
const maxRepeatedCharacters = 1024 * 1024

/** The text of a statement as it may be recorded, and what it does to names. */
export type StatementText = {
  readonly fields: TextFields
  /** What follows the event: the rest of a long text. */
  readonly rest: readonly TextPiece[]
  readonly effects: readonly NameEffect[]
}

/** `from`: its offset in the text in bytes. */
export type TextPiece =
  | { readonly from: number; readonly text: string }
  | { readonly from: number; readonly textBase64: string }

export type Arguments = {
  /** Told in the event, and what follows it. */
  readonly first: readonly SqlValue[]
  readonly rest: readonly (readonly SqlValue[])[]
}

const noPieces: readonly TextPiece[] = []
export const noArguments: Arguments = { first: [], rest: [] }

/** Replaces what must not be recorded: passwords in statements. The same text if there is nothing. */
export type MaskSecrets = (text: string) => string

export class StatementTexts {
  readonly #mask: MaskSecrets
  readonly #told = new Map<string, number>()
  #toldCharacters = 0

  constructor(mask: MaskSecrets) {
    this.#mask = mask
  }

  /** `decoded`: the text if it is UTF-8. */
  of(bytes: Buffer, decoded: string | undefined, plainEscapes: boolean): StatementText {
    if (decoded === undefined) return this.#undecoded(bytes, plainEscapes)
    const effects = nameEffects(decoded, plainEscapes)
    const text = this.#mask(decoded)
    const same = text.length >= leastRepeatedCharacters ? this.#told.get(text) : undefined
    if (same !== undefined) return { fields: { same }, rest: noPieces, effects }
    if (bytes.length <= maxTextBytesPerEvent) return { fields: { text }, rest: noPieces, effects }
    return { ...inPieces(text === decoded ? bytes : Buffer.from(text), true), effects }
  }

  #undecoded(bytes: Buffer, plainEscapes: boolean): StatementText {
    const characters = bytes.toString('latin1')
    const masked = this.#mask(characters)
    const kept = masked === characters ? bytes : Buffer.from(masked, 'latin1')
    const effects = nameEffects(characters, plainEscapes)
    if (kept.length > maxTextBytesPerEvent) return { ...inPieces(kept, false), effects }
    return { fields: { textBase64: kept.toString('base64') }, rest: noPieces, effects }
  }

  /** The text was told under this number: whoever says it again refers to it. */
  remember(fields: TextFields, number: number): void {
    const { text } = fields
    if (text === undefined || fields.textBytes !== undefined) return
    if (text.length < leastRepeatedCharacters || text.length > mostRepeatedCharacters) return
    if (this.#told.size >= maxRepeatedTexts || this.#toldCharacters >= maxRepeatedCharacters) {
      this.#told.clear()
      this.#toldCharacters = 0
    }
    this.#told.set(text, number)
    this.#toldCharacters += text.length
  }
}

function inPieces(bytes: Buffer, isText: boolean): { fields: TextFields; rest: readonly TextPiece[] } {
  const pieces: TextPiece[] = []
  for (let from = 0; from < bytes.length; ) {
    const least = Math.min(from + maxTextBytesPerEvent, bytes.length)
    const end = isText && least < bytes.length ? wholeCharacters(bytes, least) : least
    const piece = bytes.subarray(from, end)
    pieces.push(
      isText ? { from, text: piece.toString('utf8') } : { from, textBase64: piece.toString('base64') },
    )
    from = end
  }
  const [first = { from: 0, text: '' }, ...rest] = pieces
  const textSha256 = createHash('sha256').update(bytes).digest('hex')
  const { from: _, ...beginning } = first
  return { fields: { ...beginning, textBytes: bytes.length, textSha256 }, rest }
}

/** Values of a Bind or a FunctionCall. `types` may be fewer. */
export function argumentsOf(
  values: readonly (Buffer | null)[],
  formats: readonly number[],
  types: readonly number[],
): Arguments {
  if (values.length === 0) return noArguments
  const budget = { left: keptValuesBytes }
  const told = values.map((value, index) =>
    recordedValue(value, types[index] ?? 0, formatOf(formats, index), budget),
  )
  if (told.length <= maxValuesPerEvent) return { first: told, rest: [] }
  const rest: SqlValue[][] = []
  for (let at = maxValuesPerEvent; at < told.length; at += maxValuesPerEvent)
    rest.push(told.slice(at, at + maxValuesPerEvent))
  return { first: told.slice(0, maxValuesPerEvent), rest }
}

/** Tells the rest of a long text. */
export function tellText(
  tell: (event: SqlEvent) => void,
  statement: number,
  { rest }: Pick<StatementText, 'rest'>,
): void {
  for (const piece of rest) tell({ type: 'statement-text', statement, ...piece })
}

/** Tells the values that one event could not hold. */
export function tellParameters(
  tell: (event: SqlEvent) => void,
  statement: number,
  { first, rest }: Arguments,
): void {
  let from = first.length + 1
  for (const parameters of rest) {
    tell({ type: 'statement-parameters', statement, from, parameters })
    from += parameters.length
  }
}

/** What an event says of its values. */
export function parameterFields({
  first,
  rest,
}: Arguments): { readonly parameters: readonly SqlValue[]; readonly moreParameters?: number } | undefined {
  if (first.length === 0) return undefined
  if (rest.length === 0) return { parameters: first }
  return { parameters: first, moreParameters: moreOf({ rest }) }
}

/** How many values the events behind the first one have. */
export function moreOf({ rest }: Pick<Arguments, 'rest'>): number {
  return rest.reduce((sum, values) => sum + values.length, 0)
}
