import { writeSync, writevSync } from 'node:fs'
import type { AppendSync } from '../model.ts'

/**
 * Hands all the bytes to the operating system or throws what the operating system said. A short write is not an error
 * of its own (a nearly full disk makes them): the rest is tried again, and then the disk names its reason.
 */
export const appendAll: AppendSync = appendAsking(() => false)

/** The same, which asks for room when the disk or the quota is full, and goes on with the rest if it was made. */
export function appendAsking(makeRoom: () => boolean): AppendSync {
  return (fd, parts) => {
    let rest = parts.every(part => part.byteLength > 0) ? parts : parts.filter(part => part.byteLength > 0)
    while (rest.length > 0) rest = without(rest, writeSome(fd, rest, makeRoom))
  }
}

/** Whether the operating system said that there is no room: a file system is full, or a quota is used up. */
export function isNoRoom(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** How often `EAGAIN` and `EINTR` are tried again before they count as failures. */
const maxRetries = 100

function writeSome(fd: number, parts: readonly Uint8Array[], makeRoom: () => boolean): number {
  for (let attempt = 1; ; attempt++) {
    try {
      const [only] = parts
      const written = parts.length === 1 && only !== undefined ? writeSync(fd, only) : writevSync(fd, parts) // cheaper for one
      if (written > 0 || attempt > maxRetries) return mustMove(written)
    } catch (error) {
      if (isNoRoom(error) && makeRoom()) continue
      if (!isTransient(error) || attempt > maxRetries) throw error
    }
  }
}

function mustMove(written: number): number {
  if (written <= 0) throw new Error('the operating system accepted no bytes')
  return written
}

function isTransient(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return code === 'EAGAIN' || code === 'EINTR'
}

const nothing: readonly Uint8Array[] = []

/** What is left of `parts` after their first `written` bytes. */
function without(parts: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  if (parts.length === 1 && parts[0]?.byteLength === written) return nothing
  let skip = written
  let first = 0
  for (; first < parts.length; first++) {
    const length = parts[first]?.byteLength ?? 0
    if (skip < length) break
    skip -= length
  }
  const rest = parts.slice(first)
  if (skip > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(skip)
  return rest
}
