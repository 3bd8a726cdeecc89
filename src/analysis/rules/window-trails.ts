/** How far each thing has come through the steps of a rule: a file that was fetched, a table that was refused. */
import { baseName, isSameFile } from './taken-paths.ts'

/** Things of one rule that are followed; the one that began longest ago goes. */
const maxTrails = 256

type Trail = { readonly key: string; sinceMs: number; stage: number }
/** As they are kept, the one that began longest ago first. */
export type TrailsState = readonly (readonly [name: string, trail: Readonly<Trail>])[]

export class WindowTrails {
  readonly #withinMs: number
  readonly #stages: number
  readonly #isPath: boolean
  /** By name; of files, without the folder. */
  readonly #trails = new Map<string, Trail>()

  constructor(
    options: { readonly withinMs: number; readonly stages: number; readonly isPath: boolean },
    state: TrailsState = [],
  ) {
    for (const [name, trail] of state) this.#trails.set(name, { ...trail })
    this.#withinMs = options.withinMs
    this.#stages = options.stages
    this.#isPath = options.isPath
  }

  get state(): TrailsState {
    return [...this.#trails]
  }

  get isEmpty(): boolean {
    return this.#trails.size === 0
  }

  /** Whether the thing has now come through all stages. */
  reach(stage: number, key: string, atMs: number): boolean {
    const name = this.#isPath ? baseName(key) : key
    if (stage === 0) {
      this.#begin(name, key, atMs)
      return false
    }
    const trail = this.#trails.get(name)
    if (trail === undefined || trail.stage !== stage - 1 || atMs - trail.sinceMs > this.#withinMs)
      return false
    if (this.#isPath && !isSameFile(trail.key, key)) return false
    trail.stage = stage
    if (stage < this.#stages - 1) return false
    this.#trails.delete(name)
    return true
  }

  /** Again: the time counts from now, and what it has come to stays. */
  #begin(name: string, key: string, atMs: number): void {
    const known = this.#trails.get(name)
    this.#trails.delete(name)
    const stage = known !== undefined && atMs - known.sinceMs <= this.#withinMs ? known.stage : 0
    this.#trails.set(name, { key, sinceMs: atMs, stage })
    const [oldest] = this.#trails.keys()
    if (this.#trails.size > maxTrails && oldest !== undefined) this.#trails.delete(oldest)
  }
}
