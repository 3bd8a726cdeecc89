/**
 * Watching an open recording. Events are tapped before they are compressed or encrypted, and reach the watcher after they are with
 * the operating system. What waits for a slow watcher is bounded: it loses the watch, and the session never notices.
 */
import type { DataEvent } from './event.ts'

/** What may wait for one watcher: a second of the fastest terminal. */
export const maxWaitingBytes = 4 * 1024 * 1024
/** Each costs a copy of what passes. */
export const maxWatchers = 8

/** Why a watch is over: its session ended, it was too slow, it left, or the gateway stops. */
export type WatchEnd = { readonly reason: 'ended' | 'too-slow' | 'left'; readonly text: string }

/** One event on its way to a watcher: a JSON object with `us` and `event`; bytes are in `base64` there. */
export type WatchLine = string

export function dataLine(us: number, { type, channel, data }: DataEvent): WatchLine {
  return `{"us":${us},"event":{"type":"${type}","channel":${channel},"base64":"${data.toString('base64')}"}}`
}

export function toldLine(us: number, json: string): WatchLine {
  return `{"us":${us},"event":${json}}`
}

/** One watcher's end: lines are taken one after the other, and after the last one the reason why there are no more. */
export class LiveWatch {
  #waiting: WatchLine[] = []
  #waitingBytes = 0
  #end: WatchEnd | undefined
  #wake: () => void = () => {}
  readonly #onOver: (watch: LiveWatch) => void
  readonly #maxWaitingBytes: number
  #events = 0

  constructor(onOver: (watch: LiveWatch) => void, limit: number = maxWaitingBytes) {
    this.#onOver = onOver
    this.#maxWaitingBytes = limit
  }

  /** Events that were handed to it so far. */
  get events(): number {
    return this.#events
  }

  /** For the recording. */
  push(line: WatchLine): void {
    if (this.#end !== undefined) return
    this.#waitingBytes += line.length
    if (this.#waitingBytes > this.#maxWaitingBytes) {
      this.#waiting = []
      return this.end({
        reason: 'too-slow',
        text: 'More came than was taken, so the watch is over. LiveWatch again.',
      })
    }
    this.#waiting.push(line)
    this.#events += 1
    this.#wake()
  }

  end(end: WatchEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#onOver(this)
    this.#wake()
  }

  /** All that waits, or the end. One at a time. */
  async take(): Promise<readonly WatchLine[] | WatchEnd> {
    while (this.#waiting.length === 0) {
      if (this.#end !== undefined) return this.#end
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
    const lines = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    return lines
  }
}

/** The watches of one recording, and what a new watcher has to know of its terminals. */
export class Watches {
  readonly #watches = new Set<LiveWatch>()
  /** The last `pty` or `resize` of each channel, as JSON. */
  readonly #screens = new Map<number, string>()

  get isEmpty(): boolean {
    return this.#watches.size === 0
  }

  /** Undefined if there are too many. */
  begin(us: number, limit?: number): LiveWatch | undefined {
    if (this.#watches.size >= maxWatchers) return undefined
    const watch = new LiveWatch(over => this.#watches.delete(over), limit)
    for (const json of this.#screens.values()) watch.push(toldLine(us, json))
    this.#watches.add(watch)
    return watch
  }

  push(line: WatchLine): void {
    for (const watch of this.#watches) watch.push(line)
  }

  end(end: WatchEnd): void {
    for (const watch of this.#watches) watch.end(end)
  }

  /** Channels are limited in number, and go with their end. */
  screen(channel: number, json: string | undefined): void {
    if (json === undefined) this.#screens.delete(channel)
    else this.#screens.set(channel, json)
  }
}
