/** The list that `ssh GATEWAY` shows: keys in, lines of a screen out. Pure; whatever is shown was made harmless before. */
import type { Key } from './keys.ts'

/** One line to choose. Texts are fit for a terminal. */
export type Choice = { readonly target: string; readonly login: string; readonly labels: string }

export type Picker = {
  readonly title: string
  /** Last used first. */
  readonly choices: readonly Choice[]
  /** Why some are not there; empty if none is missing. */
  readonly missing: string
  readonly filter: string
  /** Among those that match the filter. */
  readonly selected: number
  /** What came of the last choice. */
  readonly note: string
}

export type Outcome =
  | { readonly kind: 'going-on'; readonly picker: Picker }
  | { readonly kind: 'left' }
  | { readonly kind: 'chosen'; readonly choice: Choice; readonly picker: Picker }

export type Size = { readonly columns: number; readonly rows: number }

/** Longer filters match nothing anyway. */
const maxFilterCharacters = 128

/** Lines of the screen around the list: title, filter, a blank, note, missing, help. */
const linesAround = 6

/** A terminal that says less is drawn as if it had so much; it shows what it can. */
const smallest: Size = { columns: 20, rows: 8 }

export function newPicker(title: string, choices: readonly Choice[], missing: string): Picker {
  return { title, choices, missing, filter: '', selected: 0, note: '' }
}

/** The choices that hold every word of the filter, in any case, in their order. */
export function matches({ choices, filter }: Picker): readonly Choice[] {
  const words = filter.toLowerCase().split(' ')
  return choices.filter(choice => {
    const text = `${choice.login}@${choice.target} ${choice.labels}`.toLowerCase()
    return words.every(word => text.includes(word))
  })
}

/** One key. `q` leaves as long as nothing was typed: a filter may hold it. */
export function press(picker: Picker, key: Key, size: Size): Outcome {
  switch (key.kind) {
    case 'interrupt':
      return { kind: 'left' }
    case 'escape':
      return picker.filter === '' ? { kind: 'left' } : goOn(picker, { filter: '' })
    case 'clear':
      return goOn(picker, { filter: '' })
    case 'backspace':
      return goOn(picker, { filter: picker.filter.slice(0, -1) })
    case 'enter':
      return choose(picker)
    case 'text':
      if (key.text === 'q' && picker.filter === '') return { kind: 'left' }
      return goOn(picker, { filter: (picker.filter + key.text).slice(0, maxFilterCharacters) })
    default:
      return move(picker, moved(picker, key.kind, size))
  }
}

function goOn(picker: Picker, change: Pick<Picker, 'filter'>): Outcome {
  return { kind: 'going-on', picker: { ...picker, ...change, selected: 0, note: '' } }
}

function move(picker: Picker, to: number): Outcome {
  const last = Math.max(0, matches(picker).length - 1)
  return { kind: 'going-on', picker: { ...picker, selected: Math.min(Math.max(0, to), last) } }
}

type Movement = 'up' | 'down' | 'page-up' | 'page-down' | 'first' | 'last'

function moved(picker: Picker, kind: Movement, size: Size): number {
  const page = listRows(size)
  const steps = { up: -1, down: 1, 'page-up': -page, 'page-down': page, first: -Infinity, last: Infinity }
  return picker.selected + steps[kind]
}

function choose(picker: Picker): Outcome {
  const choice = matches(picker)[picker.selected]
  if (choice !== undefined) return { kind: 'chosen', choice, picker }
  return { kind: 'going-on', picker: { ...picker, note: 'Nothing matches what you typed.' } }
}

function listRows(size: Size): number {
  return Math.max(1, Math.max(size.rows, smallest.rows) - linesAround)
}

/** The screen, line by line, none wider or more than it has. The second is the one to type at. */
export function linesOf(picker: Picker, size: Size): readonly string[] {
  const columns = Math.max(size.columns, smallest.columns)
  const found = matches(picker)
  const rows = listRows(size)
  const from = Math.min(Math.max(0, picker.selected - rows + 1), Math.max(0, found.length - rows))
  const width = Math.max(0, ...found.map(choice => addressOf(choice).length))
  const list = found
    .slice(from, from + rows)
    .map((choice, index) => line(choice, width, from + index === picker.selected))
  const count =
    found.length === picker.choices.length ? `${found.length}` : `${found.length} of ${picker.choices.length}`
  return [
    `${picker.title} (${count})`,
    `Filter: ${picker.filter}`,
    ...list,
    '',
    ...[picker.note, picker.missing].filter(text => text !== ''),
    'Up and down choose, typing filters, Enter opens, q leaves.',
  ].map(text => text.slice(0, columns - 1))
}

function line(choice: Choice, width: number, selected: boolean): string {
  return `${selected ? '>' : ' '} ${addressOf(choice).padEnd(width)}  ${choice.labels}`.trimEnd()
}

/** As it could be typed: LOGIN@TARGET. */
export function addressOf({ login, target }: Pick<Choice, 'login' | 'target'>): string {
  return `${login}@${target}`
}

/** Where the cursor belongs, counted from 1. */
export function cursorOf(picker: Picker): { readonly row: number; readonly column: number } {
  return { row: 2, column: 'Filter: '.length + picker.filter.length + 1 }
}

// ── Terminals that can only print ───────────────────────────────────────────────────────────────────────────────

/** More would scroll out of sight. */
const maxNumbered = 200

/** All choices with their numbers, and what to do. */
export function numberedLines({ title, choices, missing, note }: Picker): readonly string[] {
  const more = choices.length - maxNumbered
  return [
    title,
    ...choices
      .slice(0, maxNumbered)
      .map((choice, index) => `${index + 1}) ${addressOf(choice)}  ${choice.labels}`),
    ...(more > 0 ? [`and ${more} more: name them, as LOGIN@TARGET@GATEWAY`] : []),
    ...[missing, note].filter(text => text !== ''),
  ]
}

export const numberedPrompt = 'Number, or q to leave: '

/** One key at the numbered list: what was typed is the filter. */
export function pressNumbered(picker: Picker, key: Key): Outcome {
  const typed = picker.filter
  if (key.kind === 'interrupt') return { kind: 'left' }
  if (key.kind === 'text') return goOn(picker, { filter: (typed + key.text).slice(0, maxFilterCharacters) })
  if (key.kind === 'backspace') return goOn(picker, { filter: typed.slice(0, -1) })
  if (key.kind === 'clear') return goOn(picker, { filter: '' })
  if (key.kind !== 'enter') return { kind: 'going-on', picker }
  if (typed.trim() === 'q') return { kind: 'left' }
  const choice = /^\s*[1-9]\d{0,5}\s*$/.test(typed) ? picker.choices[Number(typed) - 1] : undefined
  const empty = { ...picker, filter: '' }
  if (choice !== undefined) return { kind: 'chosen', choice, picker: empty }
  return { kind: 'going-on', picker: { ...empty, note: 'That is no number of the list.' } }
}
