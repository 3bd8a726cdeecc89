/**
 * The keys that clients cancel with. They are ours: a target's key never reaches a client, so a client's key never reaches
 * a session of somebody else.
 */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import type { BackendKeyData } from './wire/backend.ts'
import { protocol } from './wire/startup.ts'

/** 3.0 clients take exactly 4 bytes; a server of 3.2 gives 32 (PostgreSQL 18, "BackendKeyData"). */
const keyBytes = { v3_0: 4, v3_2: 32 }
/** Process ids are positive; with a key of 4 bytes theirs are half of what has to be guessed. */
const maxPid = 2 ** 31 - 1

/** Of a number that says which worker process has the session: the lowest bits of its process id. Up to 31; 0 is none. */
const workerBits = 5
export const maxWorkerNumber: number = 2 ** workerBits - 1

/** Which worker process gave out this process id, if one did. */
export function workerOf(pid: number): number {
  return pid & maxWorkerNumber
}

/** Cancels what a session does now. Resolves when the target has been told, or cannot be. Never rejects. */
export type Cancel = (from: string) => Promise<void>

type Entry = { readonly key: Buffer; readonly cancel: Cancel }

export class CancelKeys {
  readonly #byPid = new Map<number, Entry>()
  readonly #worker: number | undefined

  /** `worker`: the number of the worker process that has these sessions. */
  constructor(worker?: number) {
    this.#worker = worker
  }

  /** A key for one session, as long as the version of its client wants it. `forget` it when the session ends. */
  issue(version: number, cancel: Cancel): BackendKeyData & { readonly forget: () => void } {
    const key = randomBytes(version >= protocol.v3_2 ? keyBytes.v3_2 : keyBytes.v3_0)
    const pid = this.#freePid()
    this.#byPid.set(pid, { key, cancel })
    return { pid, key, forget: () => void this.#byPid.delete(pid) }
  }

  /** What this key cancels, if it is one of ours. The length is part of it. */
  find(pid: number, key: Buffer): Cancel | undefined {
    const entry = this.#byPid.get(pid)
    const known = entry?.key ?? Buffer.alloc(key.length)
    const same = known.length === key.length && timingSafeEqual(known, key)
    return same ? entry?.cancel : undefined
  }

  #freePid(): number {
    for (;;) {
      const pid = this.#randomPid()
      if (!this.#byPid.has(pid)) return pid
    }
  }

  #randomPid(): number {
    if (this.#worker === undefined) return randomInt(1, maxPid)
    return (randomInt(1, 2 ** (31 - workerBits)) << workerBits) | this.#worker
  }
}
