import { Worker } from 'node:worker_threads'
import { Fault } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync, Watch } from '../model.ts'

/** An append that has not returned after this time is taken for lost, and every connection with it, unless the configuration says another. */
export const defaultAppendTimeoutMs = 1000

/** What else waits for a disk may take this long: a database that syncs does on a busy one. Nothing is forwarded meanwhile, since it holds the thread that would. */
export const maxDiskCallMs = 10_000

/** What both threads share, for appends and for other calls: how many are running within each other, and how many there were. */
export const watchdogWord = { append: { running: 0, count: 1 }, other: { running: 2, count: 3 } } as const

type Counted = (typeof watchdogWord)[keyof typeof watchdogWord]

export type Watchdog = {
  /** The same append, watched. */
  readonly guard: (append: AppendSync) => AppendSync
  /** Runs whatever else waits for a disk in this thread: what makes or opens a file, or asks the store. It must not take long by itself. */
  readonly watch: Watch
  readonly stop: () => void
}

/**
 * Starts the thread that watches appends. A disk that hangs holds the event loop, so nobody there could end a session: this
 * thread closes every socket of the process instead, says so on stderr, and kills the process, since what is stuck in the
 * kernel would not stop otherwise. The next start recovers what was recorded. It does not keep the process alive.
 */
export function startWatchdog(log: Log, appendTimeoutMs: number = defaultAppendTimeoutMs): Watchdog {
  const words = new Int32Array(new SharedArrayBuffer(16))
  const worker = new Worker(new URL('watchdog-worker.ts', import.meta.url), {
    name: 'append-watchdog',
    workerData: {
      words,
      limitsMs: { append: appendTimeoutMs, other: Math.max(appendTimeoutMs, maxDiskCallMs) },
    },
  })
  worker.unref()
  let isStopped = false
  let failure: unknown
  worker.on('error', error => {
    failure = error
    log.error({ reason: error.message }, 'the watchdog of appends has ended')
  })
  const counted = <T>(word: Counted, action: () => T): T => {
    if (failure !== undefined) throw unwatched(failure) // no watchdog, no append: closed, not open
    Atomics.add(words, word.count, 1)
    Atomics.add(words, word.running, 1)
    try {
      return action()
    } finally {
      Atomics.sub(words, word.running, 1)
    }
  }
  return {
    guard: append => (fd, parts) => counted(watchdogWord.append, () => append(fd, parts)),
    watch: action => counted(watchdogWord.other, action),
    stop: () => {
      if (isStopped) return
      isStopped = true
      void worker.terminate()
    },
  }
}

function unwatched(cause: unknown): Fault {
  return new Fault(
    'RECORDING_APPEND_FAILED',
    'The recording is not watched, so nothing is recorded. Restart the gateway.',
    { cause },
  )
}
