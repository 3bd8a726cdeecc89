/** Parts of long texts, so that what counts is in sight. */

export type Marks = readonly (readonly [number, number])[]
export type Marked = { readonly text: string; readonly marks: Marks }

/** Of both ends that are shown, the share of the first. */
const headShare = 0.6

/** Beginning and end: what a command is and where it goes. Not longer than `max` UTF-16 units. */
export function bothEnds(text: string, max: number): string {
  if (text.length <= max) return text
  const head = Math.floor((max - 1) * headShare)
  return `${text.slice(0, safeCut(text, head))}…${text.slice(safeCut(text, text.length - (max - 1 - head), 1))}`
}

/** The line that has the first mark, from so many units before it on. Marks of other lines are left out. */
export function aroundFirst({ text, marks }: Marked, before: number, max: number): Marked {
  const [first] = marks
  if (first === undefined) return { text: text.split('\n', 1)[0] ?? '', marks: [] }
  const lineStart = text.lastIndexOf('\n', first[0] - 1) + 1
  const lineEnd = text.indexOf('\n', first[0])
  const end = lineEnd === -1 ? text.length : lineEnd
  const from = Math.max(lineStart, safeCut(text, first[0] - before))
  const to = Math.min(end, safeCut(text, from + max))
  const head = from > lineStart ? '…' : ''
  const moved = head.length - from
  return {
    text: `${head}${text.slice(from, to)}${to < end ? '…' : ''}`,
    marks: marks
      .filter(([start, stop]) => start >= from && stop <= to)
      .map(([start, stop]) => [start + moved, stop + moved] as const),
  }
}

/** Where a text is found in another, whatever the case. */
export function marksIn(text: string, wanted: string): Marks {
  const marks: [number, number][] = []
  const [hay, needle] = [text.toLowerCase(), wanted.toLowerCase()]
  // Some letters change their length in lower case: then nothing is marked rather than something else.
  if (needle === '' || hay.length !== text.length) return marks
  for (let at = hay.indexOf(needle); at !== -1; at = hay.indexOf(needle, at + needle.length))
    marks.push([at, at + needle.length])
  return marks
}

/** Never between the halves of a character. */
function safeCut(text: string, at: number, direction: 1 | -1 = -1): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at + direction : at
}
