/** Clients of both protocols that keep asking, and what they were answered: to compare with what is on record. */
import type { ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { carriesData } from '../../../src/recorder/event.ts'
import { readRecording } from '../../../src/recorder/reader.ts'
import { sqlEntries } from '../../../src/recorder/sql-statements.ts'
import type { PostgresWorld } from '../postgres-world.ts'
import { finish } from '../world.ts'

/** A session that runs, as its client sees it. */
export type Load = {
  readonly marker: string
  /** What its client has got so far. */
  readonly got: () => string
  readonly ended: Promise<{ readonly got: string; readonly stderr: string }>
  readonly kill: () => void
}

/** Counts for ever, in a command of its own. */
export function countBySsh(company: PostgresWorld, marker: string, everySeconds = 0.01): Load {
  const { world } = company
  let got = ''
  let child: ChildProcess | undefined
  const ended = world
    .ssh(`${world.login}@web1`, {
      command: [`i=0; while :; do echo "${marker} $i"; i=$((i+1)); sleep ${everySeconds}; done`],
      timeoutMs: 600_000,
      onStart: started => {
        child = started
        started.stdout?.on('data', (chunk: Buffer) => (got += chunk.toString()))
      },
    })
    .then(({ stdout, stderr }) => ({ got: stdout.toString(), stderr }))
  return { marker, got: () => got, ended, kill: () => void child?.kill('SIGKILL') }
}

/** Asks for the next number as soon as it has seen the one before. */
export async function countBySql(company: PostgresWorld, marker: string): Promise<Load> {
  const child = company.start('psql', ['-X', '-A', '-t', '-q'], await company.environment())
  let asked = 0
  let got = ''
  const ask = (): void => void child.stdin?.write(`select '${marker} ${asked++}';\n`)
  child.stdout?.on('data', (chunk: Buffer) => {
    got += chunk.toString()
    if (got.endsWith('\n')) ask()
  })
  ask()
  const ended = finish(child).then(({ stdout, stderr }) => ({ got: stdout.toString(), stderr }))
  return { marker, got: () => got, ended, kill: () => void child.kill('SIGKILL') }
}

export type Recorded = {
  readonly files: number
  /** Output of commands, by its first line. */
  readonly outputs: ReadonlyMap<string, string>
  readonly statements: ReadonlySet<string>
  readonly unreadable: readonly string[]
}

/** What all recordings of a folder hold. */
export function recordedIn(folder: string): Recorded {
  const outputs = new Map<string, string>()
  const statements = new Set<string>()
  const unreadable: string[] = []
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = names.filter(name => name.endsWith('.sallyport'))
  for (const name of files) {
    try {
      take(join(folder, name), outputs, statements)
    } catch (error) {
      unreadable.push(`${name}: ${String(error)}`)
    }
  }
  return {
    files: files.length,
    outputs,
    statements,
    unreadable: [...unreadable, ...names.filter(isPutAside)],
  }
}

/** What recovery could not put into a recording. */
function isPutAside(name: string): boolean {
  return /\.sallyport\.(damaged|unreadable)/.test(name)
}

function take(file: string, outputs: Map<string, string>, statements: Set<string>): void {
  const recording = readRecording(file)
  try {
    if (recording.header.protocol === 'ssh') {
      const output = outputOf(recording)
      outputs.set(firstLine(output), output)
      return
    }
    for (const entry of sqlEntries(recording.events()))
      if (entry.kind === 'statement') statements.add(entry.statement.text?.replace(/;$/, '') ?? '')
  } finally {
    recording.close()
  }
}

function firstLine(text: string): string {
  return text.slice(0, text.indexOf('\n') + 1)
}

function outputOf(recording: ReturnType<typeof readRecording>): string {
  const parts: Buffer[] = []
  for (const { event } of recording.events())
    if (carriesData(event) && event.type === 'output') parts.push(event.data)
  return Buffer.concat(parts).toString()
}

/** Clients that got something that is not on record: what, and how much of it. */
export function unrecorded(
  { outputs, statements }: Recorded,
  loads: readonly { readonly marker: string; readonly got: string }[],
): string[] {
  const storedFor = (got: string): string | undefined =>
    outputs.get(firstLine(got)) ?? [...outputs.values()].find(output => output.startsWith(got))
  return loads.flatMap(({ marker, got }) => {
    const isHere = got === '' || storedFor(got)?.startsWith(got) === true
    if (isHere) return []
    const missing = got.split('\n').filter(line => line !== '' && !statements.has(`select '${line}'`))
    return missing.length === 0 ? [] : [`${marker}: ${missing.slice(0, 3).join(', ')} (${missing.length})`]
  })
}
