/** What processes have used and hold, as Linux tells it (proc(5)). */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString())

/** CPU-seconds of a process and its workers, all their threads, and all children that they have waited for. */
export function cpuSeconds(pid: number, workers: readonly number[] = workersOf(pid)): number {
  return [pid, ...workers].reduce((sum, one) => sum + ownSeconds(one), 0)
}

/** A gateway's worker processes for PostgreSQL. */
function workersOf(pid: number): readonly number[] {
  return descendants(pid).filter(child =>
    readOrNothing(`/proc/${child}/cmdline`).includes('postgres-worker.ts'),
  )
}

function ownSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) / ticksPerSecond
}

const traceEveryMs = 20

/** CPU-seconds of a process as they grow, so that one can ask later for the last so many milliseconds. */
export class CpuTrace {
  readonly #pid: number
  readonly #workers: readonly number[]
  readonly #timer: NodeJS.Timeout
  readonly #points: { readonly atMs: number; readonly seconds: number }[] = []

  constructor(pid: number) {
    this.#pid = pid
    this.#workers = workersOf(pid)
    this.#timer = setInterval(() => this.#look(), traceEveryMs)
    this.#look()
  }

  #look(): void {
    this.#points.push({ atMs: performance.now(), seconds: cpuSeconds(this.#pid, this.#workers) })
  }

  /** CPU-seconds of the last `lastMs`, and no more points. */
  stop(lastMs: number): number {
    clearInterval(this.#timer)
    this.#look()
    const last = this.#points.at(-1)
    if (last === undefined) return Number.NaN
    const first = this.#points.findLast(({ atMs }) => atMs <= last.atMs - lastMs) ?? this.#points[0]
    return last.seconds - (first?.seconds ?? 0)
  }
}

/** What a process's descendants hold for themselves alone, in KiB: those whose program has this name. */
export function descendantsKiB(pid: number, program: string): number {
  return descendants(pid)
    .filter(child => nameOf(child) === program)
    .reduce((sum, child) => sum + proportionalKiB(child), 0)
}

/** Proportional set size: memory that several processes share is split among them. */
function proportionalKiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readOrNothing(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0)
}

function descendants(pid: number): number[] {
  const children = tasks(pid).flatMap(task =>
    readOrNothing(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
  )
  return children.flatMap(child => [child, ...descendants(child)])
}

function tasks(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function nameOf(pid: number): string {
  return readOrNothing(`/proc/${pid}/comm`).trim()
}

/** A process may end while we look. */
function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
