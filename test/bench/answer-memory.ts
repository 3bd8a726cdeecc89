/**
 * Loaded into the measured gateway before its own program: on SIGUSR2 it writes what the process holds to the file of
 * SALLYPORT_BENCH_ANSWER, once as it is and once after the garbage was collected. Needs --expose-gc.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeHeapSnapshot } from 'node:v8'

export type Held = { readonly asItIs: NodeJS.MemoryUsage; readonly collected: NodeJS.MemoryUsage }

/** The garbage collector frees in several rounds, and pages a moment later. */
const rounds = { count: 4, pauseMs: 100 } as const

const answerFile = process.env['SALLYPORT_BENCH_ANSWER']
/** If set, a heap snapshot goes there too: for whoever looks for what a session holds. */
const snapshotFile = process.env['SALLYPORT_BENCH_SNAPSHOT']

async function answer(file: string): Promise<void> {
  const asItIs = process.memoryUsage()
  for (let round = 0; round < rounds.count; round++) {
    globalThis.gc?.()
    await sleep(rounds.pauseMs)
  }
  const held: Held = { asItIs, collected: process.memoryUsage() }
  if (snapshotFile !== undefined) writeHeapSnapshot(snapshotFile)
  writeFileSync(`${file}.draft`, JSON.stringify(held))
  renameSync(`${file}.draft`, file)
}

if (answerFile !== undefined) process.on('SIGUSR2', () => void answer(answerFile))
