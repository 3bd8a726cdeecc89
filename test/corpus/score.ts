import { transcriptOf } from '../../src/analysis/transcript/transcript.ts'
import type { ScreenCommand } from '../../src/analysis/transcript/command.ts'
import { recordsOf, type Stream } from './stream.ts'

/** Of one run: commands that were read right, read though nobody entered them, and missed. */
export type Score = { readonly right: number; readonly wrong: string[]; readonly missed: string[] }

/**
 * Compares in order. Blanks count as one, control characters as terminals show them (`^[`), and a line that goes on behind a backslash as one line. dash says lines, not commands, so
 * lines are compared. A paste that a shell runs line by line may be read as one text.
 */
export function scoreOf(stream: Stream): Score & { readonly found: readonly ScreenCommand[] } {
  const found = [...transcriptOf(recordsOf(stream))]
  const shells = found
    .filter(({ program }) => program === undefined)
    .map(({ text, expansion }) => expansion ?? text)
  const programs = found.filter(({ program }) => program !== undefined).map(({ text }) => text)
  const ours = compare(stream.truth, shells, stream.shell === 'dash' || stream.class === 'paste')
  const others = compare(stream.repl, programs, true)
  return {
    found,
    right: ours.right + others.right,
    wrong: [...ours.wrong, ...others.wrong],
    missed: [...ours.missed, ...others.missed],
  }
}

function compare(truth: readonly string[], found: readonly string[], byLines: boolean): Score {
  const parts = (texts: readonly string[]) =>
    texts
      .flatMap(text => (byLines ? text.split('\n') : [text]))
      .map(plain)
      .filter(text => text !== '')
  const wanted = parts(truth)
  const had = parts(found)
  const wrong: string[] = []
  for (const text of had) {
    const at = wanted.indexOf(text)
    if (at < 0) wrong.push(text)
    else wanted.splice(at, 1)
  }
  return { right: had.length - wrong.length, wrong, missed: wanted }
}

function plain(text: string): string {
  return text
    .replaceAll(/\\\n/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\x01-\x1f]/g, control => `^${String.fromCharCode(control.charCodeAt(0) + 64)}`)
    .trim()
    .normalize('NFC')
}

/** Right among what was read; right among what there was. */
export type Measured = {
  readonly runs: number
  readonly right: number
  /** What there was to read. */
  readonly entered: number
  readonly precision: number
  readonly recall: number
}

/** Adds scores up by key. */
export function measure(
  scores: readonly { readonly key: string; readonly score: Score }[],
): Map<string, Measured> {
  const groups = Map.groupBy(scores, ({ key }) => key)
  return new Map([...groups].map(([key, of]) => [key, measuredOf(of.map(({ score }) => score))]))
}

function measuredOf(scores: readonly Score[]): Measured {
  const sum = (of: (score: Score) => number) => scores.reduce((total, score) => total + of(score), 0)
  const right = sum(score => score.right)
  const read = right + sum(({ wrong }) => wrong.length)
  const entered = right + sum(({ missed }) => missed.length)
  return { runs: scores.length, right, entered, precision: right / read, recall: right / entered }
}
