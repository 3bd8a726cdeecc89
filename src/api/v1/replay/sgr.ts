/** How xterm.js keeps the looks of a cell in numbers, and the sequence that sets them (ECMA-48, 8.3.117). */

export type Attributes = { readonly fg: number; readonly bg: number; readonly ext: number }

const colourMode = 0x3000000
const mode16 = 0x1000000
const mode256 = 0x2000000

const foregroundFlags: readonly (readonly [number, number])[] = [
  [0x8000000, 1],
  [0x20000000, 5],
  [0x4000000, 7],
  [0x40000000, 8],
  [0x80000000, 9],
]
const backgroundFlags: readonly (readonly [number, number])[] = [
  [0x8000000, 2],
  [0x4000000, 3],
  [0x40000000, 53],
]
const underlineFlag = 0x10000000
const extendedFlag = 0x10000000
const underlineStyleShift = 26
const underlineStyleBits = 7
const underlineColourBits = 0x3ffffff

export function sgr({ fg, bg, ext }: Attributes): string {
  const codes: string[] = ['0']
  for (const [bit, code] of foregroundFlags) if ((fg & bit) !== 0) codes.push(String(code))
  for (const [bit, code] of backgroundFlags) if ((bg & bit) !== 0) codes.push(String(code))
  if ((fg & underlineFlag) !== 0 || (bg & extendedFlag) !== 0) codes.push(...underline(fg, ext))
  codes.push(...colour(fg, 30), ...colour(bg, 40))
  return `\x1b[${codes.join(';')}m`
}

/** Kitty's styles and colours of underlines, which several terminals know. */
function underline(fg: number, ext: number): string[] {
  const style = (ext >>> underlineStyleShift) & underlineStyleBits
  const value = ext & underlineColourBits
  const codes = style > 0 ? [`4:${style}`] : (fg & underlineFlag) !== 0 ? ['4'] : []
  const mode = value & colourMode
  if (mode === 0) return codes
  if (mode === colourMode) codes.push(`58:2::${(value >> 16) & 0xff}:${(value >> 8) & 0xff}:${value & 0xff}`)
  else codes.push(`58:5:${value & 0xff}`)
  return codes
}

function colour(value: number, base: 30 | 40): string[] {
  const mode = value & colourMode
  const index = value & 0xff
  if (mode === 0) return []
  if (mode === mode256) return [`${base + 8}`, '5', `${index}`]
  if (mode === mode16) return [`${index < 8 ? base + index : base + 52 + index}`]
  return [`${base + 8}`, '2', `${(value >> 16) & 0xff}`, `${(value >> 8) & 0xff}`, `${index}`]
}
