/** Appends to recordings: in the thread pool, since nothing that is relayed waits for them. */
import { randomBytes } from 'node:crypto'
import { writev } from 'node:fs'
import { promisify } from 'node:util'
import { isNoRoom } from '../audit/append.ts'

/** Appends all the parts to a file off the event loop, or rejects. A seam, so that tests can make it fail. */
export type AppendAsync = (fd: number, parts: readonly Uint8Array[]) => Promise<void>

/** A write to a recording that has not returned after this time has failed, if the pool of threads that does it does other work meanwhile ... */
export const maxWriteMs = 1000
/** ... and after this time whatever they do: they may all be busy, and the journal has had the same bytes before. */
export const maxWaitMs = 5000

/** The file may still be written to at any time: its descriptor must not be closed, since another file would get its number. */
export class LateWrite extends Error {
  constructor(limitMs: number) {
    super(`a write to a recording did not return within ${limitMs} ms`)
    this.name = 'LateWrite'
  }
}

const writevAsync = promisify(writev)

/** Goes on after a short write, and after a full disk if `makeRoom` has made some. Rejects with a LateWrite if the disk does not answer. */
export function appendingAsync(makeRoom: () => boolean = () => false): AppendAsync {
  return async (fd, parts) => {
    let rest: readonly Uint8Array[] = parts
    while (rest.length > 0) rest = afterBytes(rest, await writeSome(fd, rest, makeRoom))
  }
}

/** The usual one. */
export const appendAllAsync: AppendAsync = appendingAsync()

async function writeSome(fd: number, parts: readonly Uint8Array[], makeRoom: () => boolean): Promise<number> {
  for (;;) {
    try {
      const { bytesWritten } = await inTime(writevAsync(fd, parts as Uint8Array[]))
      if (bytesWritten === 0) throw new Error('the operating system accepted no bytes')
      return bytesWritten
    } catch (error) {
      if (!isNoRoom(error) || !makeRoom()) throw error
    }
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const timers: NodeJS.Timeout[] = []
  const late = new Promise<never>((_, reject) => {
    // The pool takes its work in order: if this is done, the write was begun before it.
    const ask = (): void => randomBytes(1, () => reject(new LateWrite(maxWriteMs)))
    timers.push(setTimeout(ask, maxWriteMs))
    timers.push(setTimeout(() => reject(new LateWrite(maxWaitMs)), maxWaitMs))
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
