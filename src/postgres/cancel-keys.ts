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

/** Cancels what a session does now. Resolves when the target has been told, or cannot be. Never rejects. */
export type Cancel = (from: string) => Promise<void>

type Entry = { readonly key: Buffer; readonly cancel: Cancel }

export class CancelKeys {
  readonly #byPid = new Map<number, Entry>()

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
      const pid = randomInt(1, maxPid)
      if (!this.#byPid.has(pid)) return pid
    }
  }
}

/** So many sources are counted in one minute; beyond them nobody is told to go on guessing. */
const maxSources = 10_000
const minuteMs = 60_000

/** How often a source has tried to cancel in this minute. */
export class CancelAttempts {
  readonly #counts = new Map<string, number>()
  #minute = -1

  /** Counts one; false if it is one too many. */
  allow(source: string, perMinute: number, nowMs: number): boolean {
    const minute = Math.floor(nowMs / minuteMs)
    if (minute !== this.#minute) this.#counts.clear()
    this.#minute = minute
    const count = (this.#counts.get(source) ?? 0) + 1
    if (count > perMinute || (count === 1 && this.#counts.size >= maxSources)) return false
    this.#counts.set(source, count)
    return true
  }
}
