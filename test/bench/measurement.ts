/** What came out of one question, for each way. */
export type Measurement = {
  readonly what: string
  readonly unit: string
  readonly direct: number | undefined
  readonly jump: number | undefined
  readonly sallyport: number | undefined
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** Ratios are Sallyport over the other: above 1 is better for speeds, below 1 for times, CPU and memory. */
export function tableOf(rows: readonly Measurement[]): string {
  const head =
    '| what | direct OpenSSH | ssh -J | Sallyport, recording | Sallyport ÷ direct | Sallyport ÷ ssh -J |\n|---|---|---|---|---|---|'
  return [head, ...rows.map(row => `| ${row.what} (${row.unit}) | ${cells(row).join(' | ')} |`)].join('\n')
}

function cells({ direct, jump, sallyport }: Measurement): string[] {
  const number = (value: number | undefined): string =>
    value === undefined ? '–' : value >= 100 ? value.toFixed(0) : value.toPrecision(3)
  const ratio = (other: number | undefined): string =>
    other === undefined || sallyport === undefined ? '–' : (sallyport / other).toFixed(2)
  return [number(direct), number(jump), number(sallyport), ratio(direct), ratio(jump)]
}
