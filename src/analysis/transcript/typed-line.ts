import type { Anchor } from './anchors.ts'
import { lastFullRow } from './screen-line.ts'
import type { ShellScreen } from './shell-screen.ts'

/** A line that is being typed. */
export type TypedLine = Anchor & {
  /** Bytes typed since it began, and whether something stood there already. */
  typed: number
  readonly hadText: boolean
  /** `^C` stood in it when the last key was pressed: it is text. */
  hadInterrupt: boolean
  /** The terminal changed its size meanwhile. */
  wasResized: boolean
  /** The whole screen was erased meanwhile. */
  wasWiped: boolean
  /** Its beginning, typed and shown before the prompt came. */
  readonly carry: string
  /** It takes several rows, though they are not full. */
  isSeveral: boolean
  /** Each key was shown before the next was pressed, as far as that is known. */
  isEchoed: boolean
  /** What stood there when the terminal became too narrow for it, and how many columns are left of that. */
  cut: { readonly shown: string; readonly columns: number; isKept: boolean } | undefined
  /** What stood there when the output moved to the next row: Enter, or a list of completions. */
  entered: Entered | undefined
}

type Entered = {
  readonly text: string
  readonly us: number
  /** `^C` came with the last key, and the end of the line with it. */
  readonly wasInterrupted: boolean
  /** One key brought text and the end of the line. */
  readonly wasOneKey: boolean
  /** The row behind it, once the output has filled one. */
  next: string | undefined
}

/** Nothing has been typed yet; `shown` stands behind the prompt already. */
export function newLine(anchor: Anchor, shown: string, carry: string): TypedLine {
  return {
    ...anchor,
    typed: 0,
    hadText: shown !== '',
    hadInterrupt: false,
    wasResized: false,
    wasWiped: false,
    carry,
    isSeveral: false,
    isEchoed: false,
    cut: undefined,
    entered: undefined,
  }
}

/** Keys are about to reach the line: what the screen shows now is what they act on. */
export function notePress(line: TypedLine, screen: ShellScreen, bytes: number): void {
  if (line.typed > 0 && line.prompt === '')
    line.isEchoed = Buffer.byteLength(screen.behind(line.column)) === line.typed
  line.typed += bytes
  if (line.cut !== undefined) line.cut.isKept = true
  line.hadInterrupt = screen.textFrom(screen.lowestOf(line.marker, screen.row)).includes('^C')
}

/** The emulator is about to cut the line off, as it becomes so many columns wide. */
export function keepCut(line: TypedLine, screen: ShellScreen, columns: number): void {
  const isOneRow = line.marker.line === screen.row && line.column < columns && screen.column >= columns
  if (!isOneRow || line.entered !== undefined) return
  line.cut ??= { shown: screen.behind(line.column), columns: columns - 1 - line.column, isKept: false }
}

/** What was read of a line, with what the screen has lost of it or showed before. */
export function wholeText({ carry, cut }: TypedLine, read: string): string {
  return carry + (cut === undefined ? read : cut.shown + read.slice(cut.columns))
}

/** What was entered stands behind its prompt where the cursor is: it was not Enter. */
export function isShownAgain(line: TypedLine, screen: ShellScreen, entered: string): boolean {
  const { text } = screen.rowAt(screen.row)
  if (line.prompt.trim() === '' || !text.startsWith(line.prompt)) return false
  const rest = text.slice(line.prompt.length).trimEnd()
  const isSameRow = line.marker.line === screen.row && !line.wasWiped
  return (entered.trim() !== '' || isSameRow) && rest.startsWith(entered.trimEnd())
}

/** The cursor stands in a row into which the line, which began above, goes on: because its rows are full, or because it has several. */
export function reachesCursor(line: TypedLine, screen: ShellScreen): 'full' | 'several' | undefined {
  const from = line.marker.line
  if (from < 0 || screen.row <= from || screen.column === 0) return undefined
  return lastFullRow(screen, from, screen.row) === screen.row ? 'full' : 'several'
}
