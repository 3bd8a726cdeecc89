/** Appends to recordings: in the thread pool, since nothing that is relayed waits for them. */
import { randomBytes } from 'node:crypto'
import { writev } from 'node:fs'
import { promisify } from 'node:util'
import { isNoRoom } from '../audit/append.ts'
import { defaultAppendTimeoutMs } from './watchdog.ts'

/** Appends all the parts to a file off the event loop, or rejects. A seam, so that tests can make it fail. */
export type AppendAsync = (fd: number, parts: readonly Uint8Array[]) => Promise<void>

/** How many times its limit a write waits where the pool of threads does no other work either: they may all be busy, and the journal has had the same bytes before. */
const patience = 5

/** The file may still be written to at any time: its descriptor must not be closed, since another file would get its number. */
export class LateWrite extends Error {
  constructor(limitMs: number) {
    super(`a write to a recording did not return within ${limitMs} ms`)
    this.name = 'LateWrite'
  }
}

const writevAsync = promisify(writev)

/** Goes on after a short write, and after a full disk if `makeRoom` has made some. Rejects with a LateWrite if the disk does not answer in time. */
export function appendingAsync(
  makeRoom: () => boolean = () => false,
  limitMs: number = defaultAppendTimeoutMs,
): AppendAsync {
  return async (fd, parts) => {
    let rest: readonly Uint8Array[] = parts
    while (rest.length > 0) rest = afterBytes(rest, await writeSome(fd, rest, makeRoom, limitMs))
  }
}

/** The usual one. */
export const appendAllAsync: AppendAsync = appendingAsync()

async function writeSome(
  fd: number,
  parts: readonly Uint8Array[],
  makeRoom: () => boolean,
  limitMs: number,
): Promise<number> {
  for (;;) {
    try {
      const { bytesWritten } = await inTime(writevAsync(fd, parts as Uint8Array[]), limitMs)
      if (bytesWritten === 0) throw new Error('the operating system accepted no bytes')
      return bytesWritten
    } catch (error) {
      if (!isNoRoom(error) || !makeRoom()) throw error
    }
  }
}

async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const timers: NodeJS.Timeout[] = []
  const late = new Promise<never>((_, reject) => {
    // The pool takes its work in order: if this is done, the write was begun before it.
    const ask = (): void => randomBytes(1, () => reject(new LateWrite(limitMs)))
    timers.push(setTimeout(ask, limitMs))
    timers.push(setTimeout(() => reject(new LateWrite(limitMs * patience)), limitMs * patience))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    for (const timer of timers) clearTimeout(timer)
  }
}

function afterBytes(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = written
  for (const part of parts) {
    if (skip < part.byteLength) rest.push(part.subarray(skip))
    skip = Math.max(0, skip - part.byteLength)
  }
  return rest
}
