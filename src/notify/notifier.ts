/** All lanes of a gateway, and the look at the audit log that wakes them. */
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { AuditFeed } from './audit-feed.ts'
import { SessionContent } from './content.ts'
import { type Letter, parseLetterId } from './dead-letters.ts'
import { Lane, type LaneNews, type LaneOptions, type LaneState, type Retried } from './lane.ts'
import type { Producer } from './ocsf/mapped.ts'
import type { Position } from './position.ts'

/** How often the log is looked at: so long may a message wait here. */
const lookEveryMs = 200
/** How often the state of all lanes is told. */
const tellEveryMs = 1000
/** How long lanes may still send what is there when the gateway stops, and how often that is looked at. */
const settleWithinMs = 1500
const settleEveryMs = 10
/** Letters in one list, of all sinks. */
const maxListed = 1000

export type NotifierParts = {
  readonly auditFolder: string
  /** Where the search index is. */
  readonly indexFolder: string
  readonly folder: string
  /** Where a sink begins that has never been there. */
  readonly begin: Position
  readonly producer: Producer
  readonly clock: Clock
  readonly heard: (news: LaneNews | { readonly kind: 'state'; readonly lanes: readonly LaneState[] }) => void
  readonly delayMs?: (failures: number) => number
}

export class Notifier {
  readonly #lanes = new Map<string, Lane>()
  readonly #parts: NotifierParts
  readonly #feed: AuditFeed
  readonly #content: SessionContent
  #timers: NodeJS.Timeout[] = []
  #isLooking = false
  #lastSequence = 0
  #mark = ''

  constructor(options: readonly LaneOptions[], parts: NotifierParts) {
    this.#parts = parts
    this.#feed = new AuditFeed(parts.auditFolder)
    this.#content = new SessionContent(parts.indexFolder)
    const { folder, begin, producer, clock, heard, delayMs } = parts
    const common = {
      content: this.#content,
      folder,
      begin,
      producer,
      clock,
      heard,
      ...(delayMs === undefined ? {} : { delayMs }),
    }
    for (const one of options) this.#lanes.set(one.name, new Lane(one, { feed: this.#feed, ...common }))
  }

  async start(): Promise<void> {
    await mkdir(this.#parts.folder, { recursive: true, mode: 0o700 })
    await Promise.all([...this.#lanes.values()].map(lane => lane.start()))
    this.#timers = [
      setInterval(() => void this.#look(), lookEveryMs),
      setInterval(() => this.#tellState(), tellEveryMs),
    ]
    await this.#look()
  }

  /** As it is at this moment. */
  async overview(): Promise<{ readonly sinks: readonly LaneState[]; readonly letters: readonly Letter[] }> {
    await this.#look()
    return { sinks: this.states(), letters: await this.letters() }
  }

  async letters(): Promise<readonly Letter[]> {
    const lists = await Promise.all([...this.#lanes.values()].map(lane => lane.letters(maxListed)))
    return lists.flat().slice(0, maxListed)
  }

  async retry(id: string): Promise<Retried> {
    const { lane, sequence } = this.#laneOf(id)
    return lane === undefined ? { kind: 'no-letter' } : lane.retry(sequence)
  }

  async drop(id: string): Promise<boolean> {
    const { lane, sequence } = this.#laneOf(id)
    return lane !== undefined && lane.drop(sequence)
  }

  async resume(sink: string): Promise<boolean> {
    return (await this.#lanes.get(sink)?.resume()) ?? false
  }

  states(): readonly LaneState[] {
    return [...this.#lanes.values()].map(lane => lane.state(this.#lastSequence))
  }

  async close(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    await this.#look()
    await this.#settled()
    await Promise.all([...this.#lanes.values()].map(lane => lane.close()))
    this.#content.close()
  }

  /** What was written last is told before we go, where somebody takes it. */
  async #settled(): Promise<void> {
    const endsAtMs = performance.now() + settleWithinMs
    const isBusy = (): boolean => [...this.#lanes.values()].some(lane => !lane.isQuiet(this.#lastSequence))
    while (isBusy() && performance.now() < endsAtMs) await sleep(settleEveryMs)
  }

  #laneOf(id: string): { lane: Lane | undefined; sequence: number } {
    const { sink = '', sequence = 0 } = parseLetterId(id) ?? {}
    return { lane: this.#lanes.get(sink), sequence }
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const mark = await this.#feed.mark()
      if (mark === this.#mark) return
      this.#lastSequence = (await this.#feed.end()).sequence
      this.#mark = mark // only now: what fails before is looked at again, and not only when the log has grown
      for (const lane of this.#lanes.values()) lane.wake()
    } catch {
      // The folder cannot be read for now: lanes say so when they try.
    } finally {
      this.#isLooking = false
    }
  }

  #tellState(): void {
    this.#parts.heard({ kind: 'state', lanes: this.states() })
  }
}
