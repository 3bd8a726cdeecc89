/**
 * Says how well commands are read, by shell and class: `node test/corpus/report.ts [--held-out] [--misses] [shell [class]]`, or as
 * the tables of BENCHMARKS.md: `node test/corpus/report.ts --table`.
 */
import { type Measured, measure, scoreOf } from './score.ts'
import { shellNames } from './shells.ts'
import { readCorpus, readHeldOut, type Stream } from './stream.ts'

type Scored = { readonly stream: Stream; readonly score: ReturnType<typeof scoreOf> }

const options = process.argv.slice(2).filter(word => word.startsWith('--'))
const [shell = 'all', kind = 'all'] = process.argv.slice(2).filter(word => !word.startsWith('--'))

if (options.includes('--table')) {
  console.log('Written with:\n')
  printTable(scored(readCorpus()))
  console.log('\nHeld out:\n')
  printTable(scored(readHeldOut()))
} else {
  const all = scored(options.includes('--held-out') ? readHeldOut() : readCorpus())
  if (options.includes('--misses')) printMisses(all)
  printLines(all)
}

function scored(streams: readonly Stream[]): Scored[] {
  const isWanted = (is: string, wanted: string) => wanted === 'all' || is === wanted
  return streams
    .filter(stream => isWanted(stream.shell, shell) && isWanted(stream.class, kind))
    .map(stream => ({ stream, score: scoreOf(stream) }))
}

/** Each run counts for its shell and class, for all of its shell, all of its class, and for all. */
function measured(all: readonly Scored[]): Map<string, Measured> {
  return measure(
    all.flatMap(({ stream, score }) =>
      [`${stream.shell} ${stream.class}`, `${stream.shell} all`, `all ${stream.class}`, 'all all'].map(
        key => ({ key, score }),
      ),
    ),
  )
}

function printMisses(all: readonly Scored[]): void {
  for (const { stream, score } of all)
    if (score.wrong.length + score.missed.length > 0)
      console.log(`${stream.shell}: ${stream.name}`, { wrong: score.wrong, missed: score.missed })
}

function printLines(all: readonly Scored[]): void {
  const lines = [...measured(all)].toSorted(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, { runs, right, precision, recall }] of lines) {
    const counts = `runs ${String(runs).padStart(4)}  right ${String(right).padStart(4)}`
    console.log(`${key.padEnd(26)} ${counts}  precision ${precision.toFixed(3)}  recall ${recall.toFixed(3)}`)
  }
}

function printTable(all: readonly Scored[]): void {
  const of = measured(all)
  const classes = [...new Set(all.map(({ stream }) => stream.class))].toSorted()
  console.log(`| class | runs | commands | all | ${shellNames.join(' | ')} |`)
  console.log(`|${'---|'.repeat(4 + shellNames.length)}`)
  for (const name of [...classes, 'all']) {
    const total = of.get(`all ${name}`)
    const cells = ['all', ...shellNames].map(one => rates(of.get(`${one} ${name}`)))
    console.log(`| ${[name, total?.runs, total?.entered, ...cells].join(' | ')} |`)
  }
}

/** Precision / recall; 1 where both are. */
function rates(of: Measured | undefined): string {
  if (of === undefined) return '–'
  return of.precision === 1 && of.recall === 1 ? '1' : `${of.precision.toFixed(3)} / ${of.recall.toFixed(3)}`
}
