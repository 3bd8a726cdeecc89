/** Faint text (SGR 2) stays legible: as far towards its background as WCAG 1.4.3 lets it, and no further. */
import type { Terminal } from '@xterm/xterm'

/** Of letters to what is behind them. */
const leastContrast = 4.5
/** How much of a faint letter is its own colour, from what terminals do to what it takes. */
const shares = [0.5, 0.6, 0.7, 0.8, 0.9, 1]
/** Pairs of colours that are remembered. A program that draws in all colours has thousands. */
const maxPairs = 4096

type Rgb = readonly [number, number, number]
/** As xterm.js has colours: `rgba` is 0xRRGGBBAA. */
type Colour = { readonly css: string; readonly rgba: number }

/**
 * The emulator wants half of `minimumContrastRatio` of faint text. What it found for two colours it keeps in this cache, which no
 * option reaches: the package is pinned, and a test looks at the page.
 */
type Inside = {
  readonly _core?: { readonly _themeService?: { readonly colors: { halfContrastCache: object } } }
}

/** Of a terminal that is open. */
export function keepFaintLegible(terminal: Terminal): void {
  const colors = (terminal as unknown as Inside)._core?._themeService?.colors
  if (colors !== undefined) colors.halfContrastCache = new FaintColours()
}

class FaintColours {
  readonly #known = new Map<string, Colour>()

  getColor(behind: number, letters: number): Colour {
    const key = `${behind} ${letters}`
    const colour = this.#known.get(key) ?? faint(behind, letters)
    if (this.#known.size >= maxPairs) this.#known.clear()
    this.#known.set(key, colour)
    return colour
  }

  /** All that the emulator would find itself is here already. */
  setColor(): void {}

  clear(): void {
    this.#known.clear()
  }
}

/** Both as 0xRRGGBBAA. */
export function faint(behind: number, letters: number): Colour {
  const [back, own] = [rgbOf(behind), rgbOf(letters)]
  const white: Rgb = [255, 255, 255]
  const black: Rgb = [0, 0, 0]
  const far = contrast(white, back) > contrast(black, back) ? white : black
  const found = [
    ...shares.map(share => mixed(back, own, share)),
    ...shares.map(share => mixed(own, far, share)),
  ].find(colour => contrast(colour, back) >= leastContrast)
  return colourOf(found ?? far)
}

/** `share` of the second. */
function mixed(first: Rgb, second: Rgb, share: number): Rgb {
  const part = (at: 0 | 1 | 2): number => Math.round(first[at] * (1 - share) + second[at] * share)
  return [part(0), part(1), part(2)]
}

/** WCAG 2.2, "contrast ratio". */
function contrast(one: Rgb, other: Rgb): number {
  const [a, b] = [luminance(one), luminance(other)]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

/** WCAG 2.2, "relative luminance". */
function luminance([red, green, blue]: Rgb): number {
  const linear = (value: number): number =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

function rgbOf(rgba: number): Rgb {
  return [(rgba >>> 24) & 255, (rgba >>> 16) & 255, (rgba >>> 8) & 255]
}

function colourOf([red, green, blue]: Rgb): Colour {
  const rgb = (red << 16) | (green << 8) | blue
  return { css: `#${rgb.toString(16).padStart(6, '0')}`, rgba: ((rgb << 8) | 255) >>> 0 }
}
