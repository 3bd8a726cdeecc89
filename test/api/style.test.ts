import { expect, test } from 'vitest'
import { styleSheet } from '../../src/api/style.ts'

/** The colours of one theme, by name. */
function theme(block: string): Record<string, string> {
  return Object.fromEntries(
    [...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]),
  )
}

const [light = '', dark = ''] = [...styleSheet.matchAll(/:root \{([^}]*)\}/g)].map(([, block = '']) => block)

/** WCAG 2.2, relative luminance and contrast ratio. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [bright = 0, dim = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a)
  return (bright + 0.05) / (dim + 0.05)
}

test.each([
  ['light', theme(light)],
  ['dark', theme(dark)],
])('text of the %s theme has a contrast of at least 4.5 on what it stands on', (_, colours) => {
  const pairs = [
    ['text', 'page'],
    ['text', 'card'],
    ['text', 'code-ground'],
    ['text', 'warn-ground'],
    ['text', 'good-ground'],
    ['quiet', 'page'],
    ['quiet', 'card'],
    ['accent', 'page'],
    ['accent', 'card'],
    ['accent-text', 'accent'],
    ['good', 'card'],
    ['good', 'good-ground'],
    ['warn', 'card'],
    ['warn', 'warn-ground'],
    ['bad', 'card'],
  ] as const
  for (const [ink, ground] of pairs)
    expect([ink, ground, contrast(colours[ink] ?? '#000000', colours[ground] ?? '#000000') >= 4.5]).toEqual([
      ink,
      ground,
      true,
    ])
})

test('the stylesheet asks nobody for anything', () => {
  expect(styleSheet).not.toMatch(/url\(|@import|@font-face/)
})
