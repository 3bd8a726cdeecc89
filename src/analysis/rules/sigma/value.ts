/** Values of a Sigma rule and their modifiers, as tests of a text. */
import { contains, parseAddress, parseNetwork } from '../../../config/network.ts'
import { compileParts } from '../glob.ts'
import { compileRegex, type LinearRegex, type RegexFlags } from './linear-regex.ts'

/** A text as it stands, and in small letters. */
export type Field = { readonly text: string; readonly lower: string; readonly words: readonly string[] }
export type FieldTest = (field: Field) => boolean

/** What an expression reads of a text; a command line is longer only to hide something, and other rules see that. */
const maxRegexText = 65_536
/** Stands for one character in what the glob matcher reads; it is no character of any text. */
const anyOne = '\uffff'

const shapes = ['contains', 'startswith', 'endswith'] as const
const encodings = ['base64', 'base64offset', 'wide', 'utf16le', 'utf16be', 'utf16'] as const
const known = new Set<string>([
  ...shapes,
  ...encodings,
  'all',
  'cased',
  're',
  'i',
  'm',
  's',
  'cidr',
  'windash',
  'exists',
])

/** One test for each value. Throws RangeError with the modifier or value that is not taken. */
export function compileValues(
  values: readonly unknown[],
  modifiers: readonly string[],
): readonly FieldTest[] {
  const unknown = modifiers.find(modifier => !known.has(modifier))
  if (unknown !== undefined) throw new RangeError(`the modifier "${unknown}" is not known`)
  return values.map(value => compileValue(value, modifiers))
}

function compileValue(value: unknown, modifiers: readonly string[]): FieldTest {
  const has = (modifier: string): boolean => modifiers.includes(modifier)
  if (has('exists')) return ({ text }) => (text !== '') === (value === true)
  if (value === null) return ({ text }) => text === ''
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw new RangeError('a value must be a text, a number or null')
  const text = String(value)
  if (has('re')) return regexTest(text, modifiers)
  if (has('cidr')) return networkTest(text)
  const texts = has('windash') ? dashed(text) : [text]
  const tests = texts.flatMap(each => encoded(each, modifiers)).map(each => textTest(each, modifiers))
  return field => tests.some(test => test(field))
}

function regexTest(source: string, modifiers: readonly string[]): FieldTest {
  const matches = compiled(source, {
    ignoreCase: modifiers.includes('i'),
    multiline: modifiers.includes('m'),
    dotAll: modifiers.includes('s'),
  })
  return ({ text }) => matches(text.slice(0, maxRegexText))
}

function compiled(source: string, flags: RegexFlags): LinearRegex {
  try {
    return compileRegex(source, flags)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new RangeError(`an expression that is wrong, or not of the class of RE2: ${cause.message}`)
  }
}

/** An address that stands in one of the words, by itself or as in `user@10.0.0.1:/tmp`. */
function networkTest(text: string): FieldTest {
  const network = parseNetwork(text)
  if (!network.ok) throw new RangeError(`"${text}" is no network`)
  return ({ words }) =>
    words
      .flatMap(word => [word, ...word.split(/[@/,=[\]]|:(?=\/|\d+$)/)])
      .map(parseAddress)
      .some(address => address !== undefined && contains(network.value, address))
}

/** Windows takes several characters for `-`; rules for all systems use the modifier, too. */
function dashed(text: string): readonly string[] {
  return ['-', '/', '–', '—', '―'].map(dash => text.replaceAll(/(^|\s)[-/](?=\w)/g, `$1${dash}`))
}

type Encoded = { readonly parts: readonly string[]; readonly isCased: boolean }

function encoded(text: string, modifiers: readonly string[]): readonly Encoded[] {
  const wide = modifiers.filter(modifier => /^(?:wide|utf16)/.test(modifier))
  const isBase64 = modifiers.includes('base64') || modifiers.includes('base64offset')
  if (!isBase64 && wide.length === 0) return [{ parts: partsOf(text), isCased: modifiers.includes('cased') }]
  const bytes = bytesOf(text, wide[0])
  if (!isBase64) throw new RangeError('a command line is not in UTF-16: only base64 of it can be looked for')
  const made = modifiers.includes('base64offset') ? atAnyOffset(bytes) : [bytes.toString('base64')]
  return made.map(part => ({ parts: [part], isCased: true }))
}

/** `utf16` begins with the mark of its order, U+FEFF. */
function bytesOf(text: string, encoding: string | undefined): Buffer {
  if (encoding === undefined) return Buffer.from(text)
  const bytes = Buffer.from(encoding === 'utf16' ? `\ufeff${text}` : text, 'utf16le')
  return encoding === 'utf16be' ? bytes.swap16() : bytes
}

/** How bytes look within base64 of something longer: three ways, without the characters that depend on their neighbours. */
function atAnyOffset(bytes: Buffer): readonly string[] {
  return [0, 1, 2].map(offset => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const rest = (bytes.length + offset) % 3
    return text.slice([0, 2, 3][offset], rest === 0 ? undefined : rest === 1 ? -3 : -2)
  })
}

function textTest({ parts, isCased }: Encoded, modifiers: readonly string[]): FieldTest {
  const before = modifiers.includes('contains') || modifiers.includes('endswith') ? [''] : []
  const after = modifiers.includes('contains') || modifiers.includes('startswith') ? [''] : []
  const all = [...before, ...(isCased ? parts : parts.map(part => part.toLowerCase())), ...after]
  const glob = compileParts(all, anyOne)
  return isCased ? ({ text }) => glob(text) : ({ lower }) => glob(lower)
}

/** Parts between `*`; `?` is any one character, and `\` takes their meaning from `*`, `?` and itself. */
function partsOf(text: string): readonly string[] {
  const parts = ['']
  const add = (piece: string): void => void (parts[parts.length - 1] += piece)
  for (let at = 0; at < text.length; at++) {
    const [character, next] = [text.charAt(at), text.charAt(at + 1)]
    if (character === '\\' && (next === '*' || next === '?' || next === '\\')) {
      add(next)
      at++
    } else if (character === '*') parts.push('')
    else add(character === '?' ? anyOne : character)
  }
  return parts
}
