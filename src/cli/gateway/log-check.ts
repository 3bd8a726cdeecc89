/** Checks the logs of a running gateway in a thread of its own: some time after the start, and once a day. */
import { Worker } from 'node:worker_threads'
import { trustOf } from '../../api/v1/integrity.ts'
import type { Config } from '../../config/config.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { foldersOf } from '../folders.ts'
import type { Ground } from './ground.ts'
import type { LogCheckWish, LogProblem } from './log-check-worker.ts'

/** Not while people wait for the gateway to be up again. */
const firstMs = 60_000
const everyMs = 86_400_000
/** The logs grow while they are read: what is wrong only once was being written. */
const againMs = 5000
const attempts = 3

export type LogCheckTiming = { readonly firstMs: number; readonly againMs: number }

/** Those of the gateway, with the keys of its own list. Gives back what stops it. */
export function checkLogs(
  { ground, config, log }: { ground: Pick<Ground, 'authorities'>; config: () => Config; log: Log },
  onProblem: (problem: LogProblem) => void,
): () => void {
  const wish = (): LogCheckWish => {
    const { audit: auditFolder, sessionLog: sessionLogFolder } = foldersOf(config())
    const { keys, revoked } = trustOf(ground.authorities.ring.list)
    return { auditFolder, sessionLogFolder, keys, revoked }
  }
  return watchLogs(wish, onProblem, log)
}

/** Gives back what stops it. `wish` is asked each time: keys change. */
export function watchLogs(
  wish: () => LogCheckWish,
  onProblem: (problem: LogProblem) => void,
  log: Log,
  timing: LogCheckTiming = { firstMs, againMs },
): () => void {
  const life = { isOver: false }
  let timer: NodeJS.Timeout | undefined
  const run = async (): Promise<void> => {
    try {
      for (const problem of await problemsOfLogs(wish, timing.againMs)) onProblem(problem)
    } catch (cause) {
      log.error({ cause: reasonOf(cause) }, 'the logs could not be checked')
    }
    if (!life.isOver) timer = setTimeout(() => void run(), everyMs).unref()
  }
  timer = setTimeout(() => void run(), timing.firstMs).unref()
  return () => {
    life.isOver = true
    clearTimeout(timer)
  }
}

/** What is wrong with them, if it still is after a few looks. */
export async function problemsOfLogs(
  wish: () => LogCheckWish,
  pauseMs: number,
): Promise<readonly LogProblem[]> {
  let problems = await check(wish())
  for (let attempt = 1; attempt < attempts && problems.length > 0; attempt++) {
    await new Promise(resolve => setTimeout(resolve, pauseMs).unref())
    problems = await check(wish())
  }
  return problems
}

function check(workerData: LogCheckWish): Promise<readonly LogProblem[]> {
  const worker = new Worker(new URL('log-check-worker.ts', import.meta.url), {
    name: 'log-check',
    workerData,
  })
  worker.unref()
  return new Promise((resolve, reject) => {
    worker.once('message', (problems: readonly LogProblem[]) => resolve(problems))
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the thread has ended')))
  })
}
