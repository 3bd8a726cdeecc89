/** Says how well commands are read, by shell and class: `node test/corpus/report.ts [--misses] [shell] [class]`. */
import { scoreOf } from './score.ts'
import { readCorpus } from './stream.ts'

const showsMisses = process.argv.includes('--misses')
const [shell, kind] = process.argv.slice(2).filter(word => !word.startsWith('--'))
const rows = new Map<string, { right: number; wrong: number; missed: number; runs: number }>()
for (const stream of readCorpus()) {
  if (
    (shell !== undefined && shell !== 'all' && stream.shell !== shell) ||
    (kind !== undefined && stream.class !== kind)
  )
    continue
  const { right, wrong, missed } = scoreOf(stream)
  for (const key of [
    `${stream.shell} ${stream.class}`,
    `${stream.shell} all`,
    `all ${stream.class}`,
    'all all',
  ]) {
    const row = rows.get(key) ?? { right: 0, wrong: 0, missed: 0, runs: 0 }
    row.right += right
    row.wrong += wrong.length
    row.missed += missed.length
    row.runs++
    rows.set(key, row)
  }
  if (showsMisses && wrong.length + missed.length > 0)
    console.log(JSON.stringify({ shell: stream.shell, name: stream.name, wrong, missed }))
}
for (const [key, { right, wrong, missed, runs }] of [...rows].toSorted()) {
  const share = (part: number, whole: number) => (whole === 0 ? '  -  ' : (part / whole).toFixed(3))
  console.log(
    `${key.padEnd(26)} runs ${String(runs).padStart(4)}  right ${String(right).padStart(4)}  precision ${share(right, right + wrong)}  recall ${share(right, right + missed)}`,
  )
}
