/** Longer than any key or name that we know: nothing near it is worth suggesting. */
const MAX_LENGTH = 64

/** `did you mean X?` for the candidate that is a typing slip away from `typed`; undefined if none is near. */
export function didYouMean(typed: string, candidates: readonly string[]): string | undefined {
  if (typed.length > MAX_LENGTH) return undefined
  const allowed = Math.max(1, Math.floor(typed.length / 3))
  const near = candidates
    .map(candidate => ({ candidate, distance: editDistance(typed.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= allowed)
    .toSorted((a, b) => a.distance - b.distance)
  return near[0] === undefined ? undefined : `did you mean \`${near[0].candidate}\`?`
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) row.push(cell(a, b, i, j, { row, last, beforeLast }))
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

type Rows = { row: number[]; last: number[]; beforeLast: number[] }

function cell(a: string, b: string, i: number, j: number, { row, last, beforeLast }: Rows): number {
  const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
  const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
  const swap = swapped ? (beforeLast[j - 2] ?? 0) + 1 : replace
  return Math.min(replace, swap, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
}
