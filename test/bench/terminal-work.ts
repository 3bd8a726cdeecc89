/** Interactive work as it looks on a terminal: somebody types, reads listings and logs, edits a file, watches `top`. */
import { join } from 'node:path'
import { appendAll } from '../../src/audit/append.ts'
import { chunkAgeMs } from '../../src/recorder/format.ts'
import type { AppendAsync } from '../../src/recorder/append-async.ts'
import { headAfterMs } from '../../src/recorder/recording-file.ts'
import { newBench, newGrant, output, startRecorder, turn } from '../recorder/support.ts'

/** A bench on a busy machine is no reason to end a session: writes take as long as they take. */
export const unwatched: AppendAsync = async (fd, parts) => appendAll(fd, parts)

export type Step = {
  /** Since the step before. */
  readonly afterMs: number
  readonly bytes?: Buffer
  readonly typed?: number
}

const prompt = '\x1b[01;32malice@web1\x1b[00m:\x1b[01;34m/srv/app\x1b[00m$ '
const commands = [
  'ls -la',
  'git status',
  'tail -n 20 app.log',
  'cd deploy',
  'systemctl status app',
  'vim config.yaml',
  'df -h',
  'ps aux | head',
]

/** Hours of it: two thirds reading and typing, a third in full-screen programs that redraw. */
export function* workOf(hours: number): Generator<Step> {
  let seed = 7
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  for (let ms = 0; ms < hours * 3_600_000; ) {
    for (const step of random(6) === 0 ? fullScreen(random) : command(random)) {
      ms += step.afterMs
      yield step
    }
  }
}

/** A command every twenty seconds or so: keystrokes echoed one by one, some lines of output, the prompt. */
function* command(random: (below: number) => number): Generator<Step> {
  for (const key of commands[random(commands.length)] ?? '')
    yield { afterMs: 80 + random(250), bytes: Buffer.from(key), typed: 1 }
  yield { afterMs: 300, bytes: Buffer.from('\r\n'), typed: 1 }
  const lines = random(40)
  let text = ''
  for (let line = 0; line < lines; line++)
    text += `-rw-r--r-- 1 app app ${String(random(1_000_000)).padStart(8)} Nov ${1 + random(28)} ${random(24)}:${random(60)} file-${random(10_000)}.log\r\n`
  yield { afterMs: 40, bytes: Buffer.from(`${text}${prompt}`) }
  yield { afterMs: 3000 + random(25_000), bytes: Buffer.from('\x1b[?2004h') }
}

/** Two minutes of a program that draws the whole screen again every three seconds. */
function* fullScreen(random: (below: number) => number): Generator<Step> {
  yield { afterMs: 100, bytes: Buffer.from('\x1b[?1049h\x1b[2J') }
  for (let frame = 0; frame < 40; frame++) {
    let text = '\x1b[H'
    for (let line = 1; line < 24; line++)
      text += `${String(1000 + random(9000)).padStart(7)} app  20   0 ${String(random(999_999)).padStart(8)} S ${(random(1000) / 10).toFixed(1).padStart(5)}  0:${random(60)}.${random(100)} worker-${line}\x1b[K\r\n`
    yield { afterMs: 3000, bytes: Buffer.from(text) }
  }
  yield { afterMs: 100, bytes: Buffer.from(`\x1b[?1049l${prompt}`) }
}

/**
 * Records hours of work in minutes: the recorder's own clock is held, and those timers of its file fire when that clock says so. Returns
 * the sealed file.
 */
export async function recordWork(hours: number): Promise<{ file: string; key: string }> {
  const bench = newBench()
  const timers = new HeldTimers(() => bench.clock.ms)
  try {
    const recorder = startRecorder(bench, { appendAsync: unwatched })
    const recording = recorder.open(newGrant(), { session: 'work', protocol: 'ssh' })
    recording.record({
      type: 'pty',
      channel: 0,
      term: 'xterm-256color',
      columns: 80,
      rows: 24,
      widthPx: 0,
      heightPx: 0,
      modes: '',
    })
    let steps = 0
    for (const { afterMs, bytes, typed } of workOf(hours)) {
      for (let left = afterMs; left > 0; left -= 1000) {
        bench.clock.advance(Math.min(left, 1000))
        if (timers.fire()) await turn()
      }
      if (typed !== undefined) recording.record({ type: 'input-count', channel: 0, bytes: typed })
      if (bytes !== undefined) recording.record(output(bytes))
      await turn()
      if (++steps % 100 === 0) await new Promise(resolve => setTimeout(resolve, 1)) // compression catches up
    }
    timers.stop()
    await recording.seal('over')
    await recorder.close()
    return { file: join(bench.folder, recording.path), key: bench.signer.publicKeyPem }
  } finally {
    timers.stop()
  }
}

/** The timers that close chunks and sign heads. All others stay what they are: they watch the disk. */
const isOfFile = (ms: number): boolean => ms === chunkAgeMs || ms === headAfterMs

/** Those of a recording's file by another clock. */
class HeldTimers {
  readonly #now: () => number
  readonly #real = globalThis.setTimeout
  readonly #realClear = globalThis.clearTimeout
  readonly #held = new Map<object, { atMs: number; work: () => void }>()

  constructor(now: () => number) {
    this.#now = now
    globalThis.setTimeout = ((work: () => void, ms = 0) =>
      isOfFile(ms) ? this.#hold(work, ms) : this.#real(work, ms)) as typeof setTimeout
    globalThis.clearTimeout = ((timer?: NodeJS.Timeout) => {
      if (timer === undefined || !this.#held.delete(timer)) this.#realClear(timer)
    }) as typeof clearTimeout
  }

  /** Runs those that are due; true if any was. */
  fire(): boolean {
    const due = [...this.#held].filter(([, { atMs }]) => atMs <= this.#now())
    for (const [timer, { work }] of due) if (this.#held.delete(timer)) work()
    return due.length > 0
  }

  stop(): void {
    globalThis.setTimeout = this.#real
    globalThis.clearTimeout = this.#realClear
  }

  #hold(work: () => void, ms: number): object {
    const timer = { unref: () => timer, ref: () => timer, hasRef: () => false, refresh: () => timer }
    this.#held.set(timer, { atMs: this.#now() + ms, work })
    return timer
  }
}
