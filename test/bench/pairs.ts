/** Three ways measured in turn, round after round, and the median of the ratios of each round: what the machine does meanwhile hits all. */
import { type DatabaseWay, databaseWays } from './databases.ts'
import { median } from './measurement.ts'

export type Paired = {
  readonly what: string
  readonly unit: string
  readonly medians: Readonly<Partial<Record<DatabaseWay, number>>>
  /** Sallyport over the other, of one round, as the median of all rounds. */
  readonly toDirect: number | undefined
  readonly toPgbouncer: number | undefined
}

type Samples = Readonly<Record<DatabaseWay, readonly number[]>>

/** Each sample has several figures, by name; undefined where a way has none. */
export type Figures = Readonly<Record<string, number | undefined>>

/** Runs every way once a round, each round beginning with another one. `units`: which figures are told, and in what. */
export async function inTurn(
  rounds: number,
  ways: readonly DatabaseWay[],
  measure: (way: DatabaseWay) => Promise<Figures>,
): Promise<(name: string) => Samples> {
  const all: Record<DatabaseWay, Figures[]> = { direct: [], pgbouncer: [], sallyport: [] }
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < ways.length; turn++) {
      const way = ways[(round + turn) % ways.length]
      if (way !== undefined) all[way].push(await measure(way))
    }
  const of = (way: DatabaseWay, name: string): number[] =>
    all[way].map(figures => figures[name]).filter(figure => figure !== undefined)
  return name => ({
    direct: of('direct', name),
    pgbouncer: of('pgbouncer', name),
    sallyport: of('sallyport', name),
  })
}

export function paired(what: string, unit: string, samples: Samples): Paired {
  const medians = Object.fromEntries(
    databaseWays.filter(way => samples[way].length > 0).map(way => [way, median(samples[way])]),
  )
  const to = (other: DatabaseWay): number | undefined => {
    const ratios = samples[other].map((figure, round) => (samples.sallyport[round] ?? Number.NaN) / figure)
    return ratios.length === 0 ? undefined : median(ratios)
  }
  return { what, unit, medians, toDirect: to('direct'), toPgbouncer: to('pgbouncer') }
}

/** Ratios above 1 are better for speeds, below 1 for times and CPU. */
export function tableOfPairs(rows: readonly Paired[]): string {
  const head =
    '| what | direct | PgBouncer | Sallyport, recording | ÷ direct | ÷ PgBouncer |\n|---|---|---|---|---|---|'
  return [head, ...rows.map(lineOf)].join('\n')
}

function lineOf({ what, unit, medians, toDirect, toPgbouncer }: Paired): string {
  const figures = databaseWays.map(way => shown(medians[way]))
  const ratios = [toDirect, toPgbouncer].map(ratio => (ratio === undefined ? '–' : ratio.toFixed(2)))
  return `| ${what} (${unit}) | ${[...figures, ...ratios].join(' | ')} |`
}

function shown(value: number | undefined): string {
  return value === undefined ? '–' : value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
