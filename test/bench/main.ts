/**
 * `npm run bench [ssh] -- [--rounds N] [--megabytes N] [--sessions 200,1000] [--only GROUP,…] [--json FILE]`: Sallyport beside what a
 * user would pick instead, in one run, as ratios.
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { tableOf } from './measurement.ts'
import { benchSsh, type SshGroup, sshGroups } from './ssh.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    megabytes: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    sessions: { type: 'string', default: '200' },
    only: { type: 'string', default: sshGroups.join(',') },
  },
})

// So that what was started goes too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  node: process.version,
  loadBefore: loadavg()[0],
}
const began = performance.now()
const measured = await benchSsh({
  megabytes: Number(values.megabytes),
  rounds: Number(values.rounds),
  sessions: values.sessions.split(',').map(Number),
  only: values.only.split(',').map(groupOf),
})
process.stdout.write(`${tableOf(measured)}\n\n`)
const minutes = ((performance.now() - began) / 60_000).toFixed(1)
process.stdout.write(
  `${machine.cores} cores (${machine.cpu}), Node ${machine.node}; the load was ${machine.loadBefore?.toFixed(1)} before; ${minutes} minutes\n`,
)
if (values.json !== undefined) {
  const result = { at: new Date().toISOString(), machine, measured }
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
}

function groupOf(name: string): SshGroup {
  const group = sshGroups.find(known => known === name)
  if (group === undefined) throw new Error(`--only knows ${sshGroups.join(', ')}, and not ${name}`)
  return group
}
