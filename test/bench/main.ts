/** `npm run bench [ssh] [--json FILE] [--megabytes N]`: Sallyport beside what a user would pick instead, in one run, as ratios. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { benchSsh, type Measurement } from './ssh.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    megabytes: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '3' },
  },
})

const measured = await benchSsh({ megabytes: Number(values.megabytes), rounds: Number(values.rounds) })
process.stdout.write(`${tableOf(measured)}\n`)
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version }
  writeFileSync(
    values.json,
    `${JSON.stringify({ at: new Date().toISOString(), machine, measured }, undefined, 2)}\n`,
  )
}

/** Ratios are Sallyport over direct: above 1 is better for speeds, below 1 for times. */
function tableOf(rows: readonly Measurement[]): string {
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
