/**
 * Values of the binary format as PostgreSQL prints them (the `*send` and `*out` functions of src/backend/utils/adt), for the common
 * types. What is malformed, or of a type that is not here, is undefined: it stays bytes.
 */
import { isUtf8 } from 'node:buffer'
import { elementTypes } from './value-types.ts'

/** Array dimensions that PostgreSQL allows (MAXDIM). */
const maxDimensions = 6

export function binaryText(bytes: Buffer, oid: number): string | undefined {
  try {
    const element = elementTypes.get(oid)
    return element === undefined ? decoders.get(oid)?.(bytes) : arrayText(bytes, element)
  } catch (cause) {
    if (cause instanceof RangeError) return undefined // it ends too early
    throw cause
  }
}

type Decode = (bytes: Buffer) => string | undefined

const decoders: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [16, exactly(1, bytes => (bytes[0] === 0 ? 'f' : 't'))],
  [17, bytes => `\\x${bytes.toString('hex')}`],
  [18, plain],
  [19, plain],
  [20, exactly(8, bytes => bytes.readBigInt64BE().toString())],
  [21, exactly(2, bytes => bytes.readInt16BE().toString())],
  [23, exactly(4, bytes => bytes.readInt32BE().toString())],
  [25, plain],
  [26, exactly(4, bytes => bytes.readUInt32BE().toString())],
  [114, plain],
  [142, plain],
  [700, exactly(4, bytes => floatText(shortestFloat4(bytes.readFloatBE()), 6))],
  [701, exactly(8, bytes => floatText(bytes.readDoubleBE(), 15))],
  [705, plain],
  [1042, plain],
  [1043, plain],
  [1082, exactly(4, dateText)],
  [1083, exactly(8, bytes => timeText(bytes.readBigInt64BE()))],
  [1114, exactly(8, bytes => timestampText(bytes.readBigInt64BE(), ''))],
  [1184, exactly(8, bytes => timestampText(bytes.readBigInt64BE(), '+00'))],
  [1186, exactly(16, intervalText)],
  [1700, numericText],
  [2950, exactly(16, uuidText)],
  [3802, bytes => (bytes[0] === 1 ? plain(bytes.subarray(1)) : undefined)],
])

function exactly(length: number, decode: Decode): Decode {
  return bytes => (bytes.length === length ? decode(bytes) : undefined)
}

function plain(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}

/** The shortest digits that give the same float4 again. */
function shortestFloat4(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

/** Shortest digits, as exponent below 1e-4 and from 10^`fixedDigits` on; the exponent has two digits at least. */
function floatText(value: number, fixedDigits: number): string {
  if (value === 0 || !Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < fixedDigits) return String(value)
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Digits of base 10,000: count, weight of the first, sign, digits after the point. */
function numericText(bytes: Buffer): string | undefined {
  const count = bytes.readUInt16BE(0)
  const weight = bytes.readInt16BE(2)
  const sign = bytes.readUInt16BE(4)
  const scale = bytes.readUInt16BE(6)
  const special = specialNumerics.get(sign)
  if (special !== undefined) return special
  if (bytes.length !== 8 + 2 * count || (sign !== 0 && sign !== 0x4000)) return undefined
  const digit = (place: number): string =>
    place < 0 || place >= count ? '0000' : String(bytes.readUInt16BE(8 + 2 * place)).padStart(4, '0')
  let whole = ''
  for (let place = 0; place <= weight; place++) whole += digit(place)
  let fraction = ''
  for (let place = weight + 1; fraction.length < scale; place++) fraction += digit(place)
  const number = `${whole.replace(/^0+/, '') || '0'}${scale === 0 ? '' : `.${fraction.slice(0, scale)}`}`
  return sign === 0 ? number : `-${number}`
}

const specialNumerics: ReadonlyMap<number, string> = new Map([
  [0xc000, 'NaN'],
  [0xd000, 'Infinity'],
  [0xf000, '-Infinity'],
])

const dayUs = 86_400_000_000n
/** Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from. */
const epochDays = 10_957n

function dateText(bytes: Buffer): string {
  const days = bytes.readInt32BE()
  if (days === 0x7fff_ffff) return 'infinity'
  if (days === -0x8000_0000) return '-infinity'
  const { date, era } = civil(BigInt(days) + epochDays)
  return `${date}${era}`
}

/** Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
function civil(days: bigint): { date: string; era: string } {
  const shifted = days + 719_468n
  const cycle = (shifted >= 0n ? shifted : shifted - 146_096n) / 146_097n
  const day = shifted - cycle * 146_097n
  const yearOfCycle = (day - day / 1460n + day / 36_524n - day / 146_096n) / 365n
  const dayOfYear = day - (365n * yearOfCycle + yearOfCycle / 4n - yearOfCycle / 100n)
  const shiftedMonth = (5n * dayOfYear + 2n) / 153n
  const month = shiftedMonth < 10n ? shiftedMonth + 3n : shiftedMonth - 9n
  const year = yearOfCycle + cycle * 400n + (month <= 2n ? 1n : 0n)
  const shown = year > 0n ? year : 1n - year
  const dayOfMonth = dayOfYear - (153n * shiftedMonth + 2n) / 5n + 1n
  const date = `${String(shown).padStart(4, '0')}-${two(month)}-${two(dayOfMonth)}`
  return { date, era: year > 0n ? '' : ' BC' }
}

function two(value: bigint): string {
  return String(value).padStart(2, '0')
}

function timeText(us: bigint): string {
  const seconds = us / 1_000_000n
  const fraction = String(us % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`
  return fraction === '' ? clock : `${clock}.${fraction}`
}

function timestampText(us: bigint, zone: string): string {
  if (us === 0x7fff_ffff_ffff_ffffn) return 'infinity'
  if (us === -0x8000_0000_0000_0000n) return '-infinity'
  const day = us >= 0n ? us / dayUs : (us - dayUs + 1n) / dayUs
  const { date, era } = civil(day + epochDays)
  return `${date} ${timeText(us - day * dayUs)}${zone}${era}`
}

/** As with IntervalStyle `postgres`. */
function intervalText(bytes: Buffer): string {
  const us = bytes.readBigInt64BE(0)
  const days = bytes.readInt32BE(8)
  const months = bytes.readInt32BE(12)
  const years = Math.trunc(months / 12)
  const parts = [unit(years, 'year'), unit(months % 12, 'mon'), unit(days, 'day')].filter(part => part !== '')
  if (us !== 0n || parts.length === 0) parts.push(us < 0n ? `-${timeText(-us)}` : timeText(us))
  return parts.join(' ')
}

function unit(count: number, name: string): string {
  if (count === 0) return ''
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

/** Dimensions, has-NULL, element type; length and lower bound of each; then values with their lengths. */
function arrayText(bytes: Buffer, element: number): string | undefined {
  const dimensions = bytes.readInt32BE(0)
  if (dimensions === 0) return '{}'
  if (dimensions < 0 || dimensions > maxDimensions || bytes.readUInt32BE(8) !== element) return undefined
  const sizes: number[] = []
  for (let i = 0; i < dimensions; i++) sizes.push(bytes.readInt32BE(12 + 8 * i))
  const items = arrayItems(bytes, 12 + 8 * dimensions, element)
  if (items === undefined || sizes.reduce((a, b) => a * b, 1) !== items.length) return undefined
  return nested(items, sizes)
}

function arrayItems(bytes: Buffer, from: number, element: number): string[] | undefined {
  const items: string[] = []
  for (let at = from; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length === -1) {
      items.push('NULL')
      continue
    }
    if (length < 0 || length > bytes.length - at) return undefined
    const text = binaryText(bytes.subarray(at, at + length), element)
    if (text === undefined) return undefined
    items.push(quotedItem(text))
    at += length
  }
  return items
}

function nested(items: readonly string[], sizes: readonly number[]): string {
  const [size = 0, ...inner] = sizes
  if (inner.length === 0) return `{${items.join(',')}}`
  const each = items.length / size
  const parts = Array.from({ length: size }, (_, i) => nested(items.slice(i * each, (i + 1) * each), inner))
  return `{${parts.join(',')}}`
}

function quotedItem(text: string): string {
  const needsQuotes = text === '' || /[\s{}",\\]/.test(text) || text.toLowerCase() === 'null'
  return needsQuotes ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text
}
