import { Worker } from 'node:worker_threads'
import { Fault } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync, Watch } from '../model.ts'

/** An append that has not returned after this time is taken for lost, and every connection with it. */
export const maxAppendMs = 1000

/** What both threads share: how many calls are running within each other, and how many there were. */
export const watchdogWord = { running: 0, count: 1 } as const

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
export function startWatchdog(log: Log, limitMs: number = maxAppendMs): Watchdog {
  const words = new Int32Array(new SharedArrayBuffer(8))
  const worker = new Worker(new URL('watchdog-worker.ts', import.meta.url), {
    name: 'append-watchdog',
    workerData: { words, limitMs },
  })
  worker.unref()
  let isStopped = false
  let failure: unknown
  worker.on('error', error => {
    failure = error
    log.error({ reason: error.message }, 'the watchdog of appends has ended')
  })
  const watch: Watch = action => {
    if (failure !== undefined) throw unwatched(failure) // no watchdog, no append: closed, not open
    Atomics.add(words, watchdogWord.count, 1)
    Atomics.add(words, watchdogWord.running, 1)
    try {
      return action()
    } finally {
      Atomics.sub(words, watchdogWord.running, 1)
    }
  }
  return {
    guard: append => (fd, parts) => watch(() => append(fd, parts)),
    watch,
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
