/** What is learned of recordings: the thread that reads them, the one that searches, and what the rest of the gateway has to tell them. */
import { Analyst } from '../../analysis/analyst/analyst.ts'
import type { AnalystBatch } from '../../analysis/analyst/session-observer.ts'
import { removeIndex } from '../../analysis/index/schema.ts'
import { SearchThread } from '../../analysis/index/search-thread.ts'
import type { Config } from '../../config/config.ts'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import type { AnalysisState } from '../metrics.ts'
import { observingOf } from './findings.ts'
import type { Closers, Ground } from './ground.ts'

export type AnalysisParts = {
  readonly ground: Pick<Ground, 'store' | 'storage' | 'reading'>
  readonly config: () => Config
  readonly log: Log
  /** Hears of recordings that could not be read, or not all of them. */
  readonly onUnread: (session: string, problem: string) => void
}

export class Analysis {
  readonly search: SearchThread
  readonly #analyst: Analyst | undefined
  #take: (batch: AnalystBatch) => Promise<void> = async () => {}

  constructor({ ground, config, log, onUnread }: AnalysisParts) {
    const { gateway, recording, analysis } = config()
    const { store, storage } = ground
    this.search = new SearchThread(gateway.data)
    if (!analysis.index) removeIndex(gateway.data)
    else
      this.#analyst = new Analyst({
        dataFolder: gateway.data,
        recordingsFolder: recording.folder,
        ...(analysis.sigma === undefined ? {} : { sigmaFolder: analysis.sigma }),
        sessions: store.sessions,
        fetch: path => storage.fetch(path),
        observing: observingOf(config()),
        onBatch: batch => this.#take(batch),
        onUnread,
        log,
      })
    if (this.#analyst !== undefined) ground.reading.attach(this.#analyst.reading)
  }

  /** The same store, of which the analyst hears when sessions open and end, whoever carries them. */
  announced(store: Store): Store {
    const { sessions } = store
    return {
      ...store,
      sessions: {
        ...sessions,
        insert: async row => {
          await sessions.insert(row)
          this.#analyst?.opened(row)
        },
        end: async (id, end) => {
          const isEnded = await sessions.end(id, end)
          this.#analyst?.over(id)
          return isEnded
        },
      },
    }
  }

  /** How far reading recordings is behind; undefined where none are read. */
  get state(): AnalysisState | undefined {
    const analyst = this.#analyst
    return analyst === undefined ? undefined : { ...analyst.lag, sessions: analyst.behind }
  }

  /** Begins to read; what is learned goes to `take`. */
  start(take: (batch: AnalystBatch) => Promise<void>): void {
    this.#take = take
    this.#analyst?.start()
  }

  /** Resolves when nothing is left of what was learned of a session. */
  async forget(session: string): Promise<void> {
    await this.#analyst?.forget(session)
  }

  /** Reads all recordings again. False where none are read at all. */
  async reindex(): Promise<boolean> {
    if (this.#analyst === undefined) return false
    await this.#analyst.reindex()
    this.search.reopen()
    return true
  }

  async close(): Promise<void> {
    await this.#analyst?.stop()
    await this.search.close()
  }
}

export function openAnalysis(parts: AnalysisParts, closers: Closers): Analysis {
  const analysis = new Analysis(parts)
  closers.push(() => analysis.close())
  return analysis
}
