/** What a terminal shows, as rows of runs of characters that look alike: plain data, of which nothing can run. */
import { hiddenInJson } from '../terminal-safe.ts'
import type { Terminal } from '../terminal.ts'

/**
 * Text and how it looks: foreground and background (a number of the palette, "#rrggbb", or null for the usual), and letters: b bold,
 * d dim, i italic, u underlined, s struck through, h concealed, v the other way round, w every character two cells wide.
 */
export type Run = readonly [string] | readonly [string, Colour, Colour, string]
export type Colour = number | string | null

/** Stands for a character that shows nothing, or reorders what does. */
const hiddenMark = '\ufffd'

type Cell = NonNullable<ReturnType<Terminal['buffer']['active']['getNullCell']>>

/** The rows that the terminal shows now. */
export function rowsOf(terminal: Terminal): readonly (readonly Run[])[] {
  const { active } = terminal.buffer
  const cell = active.getNullCell()
  return Array.from({ length: terminal.rows }, (_, row) => {
    const line = active.getLine(active.baseY + row)
    return line === undefined ? [] : runsOf(line, terminal.cols, cell)
  })
}

type Line = NonNullable<ReturnType<Terminal['buffer']['active']['getLine']>>

function runsOf(line: Line, columns: number, into: Cell): readonly Run[] {
  const runs: Run[] = []
  let [text, look] = ['', '']
  let run: Run | undefined
  for (let column = 0; column < columns; column++) {
    const cell = line.getCell(column, into)
    if (cell === undefined || cell.getWidth() === 0) continue
    const next = lookOf(cell)
    if (next !== look || run === undefined) {
      if (run !== undefined) runs.push(withText(run, text))
      run = runLike(cell, next)
      look = next
      text = ''
    }
    text += charactersOf(cell)
  }
  if (run !== undefined) runs.push(withText(run, text))
  return trimmed(runs)
}

/** A combining character stays with its cell; what is hidden becomes a mark. */
function charactersOf(cell: Cell): string {
  const characters = cell.getChars()
  return characters === '' ? ' ' : characters.replace(hiddenInJson, hiddenMark)
}

function lookOf(cell: Cell): string {
  return `${String(colourOf(cell, 'fg'))} ${String(colourOf(cell, 'bg'))} ${lettersOf(cell)}`
}

function runLike(cell: Cell, look: string): Run {
  return look === 'null null ' ? [''] : ['', colourOf(cell, 'fg'), colourOf(cell, 'bg'), lettersOf(cell)]
}

function withText(run: Run, text: string): Run {
  return run.length === 1 ? [text] : [text, run[1], run[2], run[3]]
}

function colourOf(cell: Cell, which: 'fg' | 'bg'): Colour {
  const isDefault = which === 'fg' ? cell.isFgDefault() : cell.isBgDefault()
  if (isDefault) return null
  const colour = which === 'fg' ? cell.getFgColor() : cell.getBgColor()
  const isDirect = which === 'fg' ? cell.isFgRGB() : cell.isBgRGB()
  return isDirect ? `#${colour.toString(16).padStart(6, '0')}` : colour
}

function lettersOf(cell: Cell): string {
  return [
    cell.isBold() === 0 ? '' : 'b',
    cell.isDim() === 0 ? '' : 'd',
    cell.isItalic() === 0 ? '' : 'i',
    cell.isUnderline() === 0 ? '' : 'u',
    cell.isStrikethrough() === 0 ? '' : 's',
    cell.isInvisible() === 0 ? '' : 'h',
    cell.isInverse() === 0 ? '' : 'v',
    cell.getWidth() === 2 ? 'w' : '',
  ].join('')
}

/** Blanks at the end of a row that look like nothing are nothing. */
function trimmed(runs: readonly Run[]): readonly Run[] {
  const last = runs.at(-1)
  if (last === undefined || last.length !== 1) return runs
  const text = last[0].trimEnd()
  return text === '' ? runs.slice(0, -1) : [...runs.slice(0, -1), [text]]
}
