import { Worker } from 'node:worker_threads'
import { Fault } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync } from '../model.ts'

/** An append that has not returned after this time is taken for lost, and every connection with it. */
export const maxAppendMs = 1000

/** What both threads share: whether an append is running, and how many there were. */
export const watchdogWord = { isRunning: 0, count: 1 } as const

export type Watchdog = {
  /** The same append, watched. Appends must not run within each other. */
  readonly guard: (append: AppendSync) => AppendSync
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
  return {
    guard: append => (fd, parts) => {
      if (failure !== undefined) throw unwatched(failure) // no watchdog, no append: closed, not open
      Atomics.add(words, watchdogWord.count, 1)
      Atomics.store(words, watchdogWord.isRunning, 1)
      try {
        append(fd, parts)
      } finally {
        Atomics.store(words, watchdogWord.isRunning, 0)
      }
    },
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
