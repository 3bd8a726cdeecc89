/** Says how well commands are read, by shell and class: `node test/corpus/report.ts [--held-out] [--misses] [shell [class]]`. */
import { measure, scoreOf } from './score.ts'
import { readCorpus, readHeldOut } from './stream.ts'

const showsMisses = process.argv.includes('--misses')
const [shell = 'all', kind = 'all'] = process.argv.slice(2).filter(word => !word.startsWith('--'))
const isWanted = (is: string, wanted: string) => wanted === 'all' || is === wanted
const scored = (process.argv.includes('--held-out') ? readHeldOut() : readCorpus())
  .filter(stream => isWanted(stream.shell, shell) && isWanted(stream.class, kind))
  .map(stream => ({ stream, score: scoreOf(stream) }))

if (showsMisses)
  for (const { stream, score } of scored)
    if (score.wrong.length + score.missed.length > 0)
      console.log(`${stream.shell}: ${stream.name}`, { wrong: score.wrong, missed: score.missed })

const keys = scored.flatMap(({ stream, score }) =>
  [`${stream.shell} ${stream.class}`, `${stream.shell} all`, `all ${stream.class}`, 'all all'].map(key => ({
    key,
    score,
  })),
)
for (const [key, { runs, right, precision, recall }] of [...measure(keys)].toSorted(([a], [b]) =>
  a < b ? -1 : 1,
)) {
  const counts = `runs ${String(runs).padStart(4)}  right ${String(right).padStart(4)}`
  console.log(`${key.padEnd(26)} ${counts}  precision ${precision.toFixed(3)}  recall ${recall.toFixed(3)}`)
}
