import { closeSync, readdirSync, readlinkSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { watchdogWord } from './watchdog.ts'

/** Looks so often at what the main thread does. */
const pollMs = 100

type Kind = keyof typeof watchdogWord

const { words, limitsMs } = workerData as { words: Int32Array; limitsMs: Readonly<Record<Kind, number>> }

for (const kind of ['append', 'other'] as const) watchFor(kind)

/** Looks in a row that saw the same call running are counted, not timed: a process that was stopped has not hung. */
function watchFor(kind: Kind): void {
  const word = watchdogWord[kind]
  let looks = 0
  let lastCount = -1
  setInterval(() => {
    const isRunning = Atomics.load(words, word.running) > 0
    const count = Atomics.load(words, word.count)
    looks = isRunning && count === lastCount ? looks + 1 : 0
    lastCount = isRunning ? count : -1
    if (looks * pollMs >= limitsMs[kind] - pollMs) end(limitsMs[kind])
  }, pollMs)
}

/** The users' connections first: that is what must not go on. */
function end(limitMs: number): void {
  const closed = closeSockets()
  say({
    level: 60,
    time: Date.now(),
    code: 'RECORDING_APPEND_FAILED',
    msg: `A call to the gateway's disk did not return within ${limitMs} ms. All ${closed} sockets are closed and the gateway stops. Look at the disk; the next start saves what was recorded.`,
  })
  process.kill(process.pid, 'SIGKILL')
}

/** Linux: what /proc says are sockets. Elsewhere the kill closes them. stdin, stdout and stderr stay. */
function closeSockets(): number {
  let closed = 0
  for (const fd of openDescriptors()) if (fd > 2 && isSocket(fd) && isClosed(fd)) closed++
  return closed
}

function openDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number)
  } catch {
    return []
  }
}

function isSocket(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
  } catch {
    return false // closed in the meantime
  }
}

function isClosed(fd: number): boolean {
  try {
    closeSync(fd)
    return true
  } catch {
    return false
  }
}

function say(line: Readonly<Record<string, unknown>>): void {
  try {
    writeSync(2, `${JSON.stringify(line)}\n`)
  } catch {
    // whoever read stderr is gone
  }
}
