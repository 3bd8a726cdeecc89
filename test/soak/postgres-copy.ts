/** COPY of much through the gateway, in and out: the same bytes come back, and the gateway's memory does not grow with them. */
import { spawn } from 'node:child_process'
import { MemoryPeak } from '../support/hostile.ts'
import { postgresProgram } from '../support/postgres.ts'
import type { PostgresWorld } from '../support/postgres-world.ts'
import { finish } from '../support/world.ts'

export type CopyReport = {
  readonly bytes: number
  readonly sameBytes: boolean
  /** The gateway's peak above what it held before, in each direction. */
  readonly grownMiB: { readonly in: number; readonly out: number }
  readonly seconds: { readonly in: number; readonly out: number }
  /** What anybody said on stderr. */
  readonly said: string
}

/** Bytes of each line, its end included. */
const lineBytes = 1000

export async function copyMuch(company: PostgresWorld, wishedBytes: number): Promise<CopyReport> {
  const lines = Math.ceil(wishedBytes / lineBytes)
  const generate = `yes ${'x'.repeat(lineBytes - 1)} | head -n ${lines}`
  await company.server.query('CREATE TABLE much (line text); ALTER TABLE much OWNER TO app_owner', 'app')
  await company.psql('select 1', { login: 'app_owner' }) // loads the parser, which is not what is measured here
  await company.world.lastEnded()
  const made = await shell(`${generate} | sha256sum`, {})
  const copy = async (line: string) => {
    const env = { ...(await company.environment('app_owner')), PSQL: postgresProgram('psql') }
    const peak = new MemoryPeak(company.world)
    const began = Date.now()
    const said = await shell(line, env)
    const grownMiB = Math.round(peak.grownBytes / 1024 / 1024)
    return { ...said, grownMiB, seconds: (Date.now() - began) / 1000 }
  }
  const into = await copy(`${generate} | "$PSQL" -X -q -c 'copy much from stdin'`)
  const out = await copy(`"$PSQL" -X -q -c 'copy much to stdout' | sha256sum`)
  await company.server.query('DROP TABLE much', 'app')
  return {
    bytes: lines * lineBytes,
    sameBytes: out.stdout === made.stdout,
    grownMiB: { in: into.grownMiB, out: out.grownMiB },
    seconds: { in: into.seconds, out: out.seconds },
    said: made.stderr + into.stderr + out.stderr,
  }
}

async function shell(line: string, env: NodeJS.ProcessEnv): Promise<{ stdout: string; stderr: string }> {
  const child = spawn('sh', ['-c', line], { env: { ...process.env, ...env }, stdio: 'pipe' })
  const { stdout, stderr } = await finish(child, '')
  return { stdout: stdout.toString(), stderr }
}
