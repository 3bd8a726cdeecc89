/** Brings the index into the operating system's memory before it is asked: a question whose lists lie on a disk takes several times as long. */
import { type FileHandle, open } from 'node:fs/promises'
import { freemem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const pieceBytes = 1_048_576
/** Journals are written to the same disk, and must not wait for this. */
const pauseMs = 15
/** Of the memory that nobody needs. */
const share = 0.5

/**
 * Reads a file once, its newest part if there is not room for all, and gives how many bytes it read. A file that is not there, or ends
 * meanwhile, is none of its business.
 */
export async function warmUp(file: string, maxBytes: number = freemem() * share): Promise<number> {
  const handle = await open(file, 'r').catch(() => undefined)
  if (handle === undefined) return 0
  try {
    return await readTail(handle, maxBytes)
  } finally {
    await handle.close()
  }
}

async function readTail(handle: FileHandle, maxBytes: number): Promise<number> {
  const piece = Buffer.allocUnsafe(pieceBytes)
  const { size } = await handle.stat()
  const from = Math.max(0, size - Math.floor(maxBytes))
  for (let at = from; ; ) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(pieceBytes, size - at), at)
    if (bytesRead === 0) return at - from
    at += bytesRead
    await sleep(pauseMs, undefined, { ref: false })
  }
}
