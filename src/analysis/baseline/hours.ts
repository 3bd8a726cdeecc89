/** When in the week somebody works: 168 hours, smoothed, against the same of everybody. */

const hoursOfWeek = 168
const hourMs = 3_600_000
/** 1970-01-01 was a Thursday: with this the first hour is Monday's. */
const mondayOffsetMs = 4 * 24 * hourMs
/** What an event says of the hours around it. */
const kernel = [0.1, 0.2, 0.4, 0.2, 0.1] as const
/** Before that, hours say nothing about a person. */
const minEvents = 500
const minSpanMs = 14 * 24 * hourMs
/** Events of everybody that a person's hours begin with. */
const priorEvents = 50
/** What hours can add or take away; people move their work for many good reasons. */
const maxNats = 1.5
const minNats = -0.5

/** So many events of one hour, one after the other. */
export type HourRun = { readonly fromMs: number; toMs: number; events: number }

export type HoursState = {
  readonly counts: readonly number[]
  readonly total: number
  readonly firstMs: number | null
  readonly lastMs: number
}

export class Hours {
  readonly #counts = new Float64Array(hoursOfWeek)
  #total = 0
  #firstMs: number | undefined
  #lastMs = 0

  constructor(state?: HoursState) {
    if (state === undefined) return
    this.#counts.set(state.counts.slice(0, hoursOfWeek))
    this.#total = state.total
    this.#firstMs = state.firstMs ?? undefined
    this.#lastMs = state.lastMs
  }

  get state(): HoursState {
    return {
      counts: [...this.#counts],
      total: this.#total,
      firstMs: this.#firstMs ?? null,
      lastMs: this.#lastMs,
    }
  }

  add({ fromMs, toMs, events }: HourRun): void {
    const hour = hourOf(fromMs)
    this.#counts[hour] = (this.#counts[hour] ?? 0) + events
    this.#total += events
    this.#firstMs ??= fromMs
    this.#lastMs = toMs
  }

  /** Nats that a block of these adds; 0 while there is too little to compare with. */
  unusual(runs: readonly HourRun[], everybody: Hours): number {
    if (this.#total < minEvents || this.#lastMs - (this.#firstMs ?? 0) < minSpanMs) return 0
    let sum = 0
    let all = 0
    for (const { fromMs, events } of runs) {
      sum += events * this.#unusualHour(hourOf(fromMs), everybody)
      all += events
    }
    return Math.max(minNats, Math.min(maxNats, sum / Math.max(1, all)))
  }

  #unusualHour(hour: number, everybody: Hours): number {
    const expected = everybody.share(hour)
    const usual = (this.#smoothed(hour) + priorEvents * expected) / (this.#total + priorEvents)
    return Math.log(expected / usual)
  }

  /** Of all events, the share in an hour; never 0. */
  share(hour: number): number {
    return (this.#smoothed(hour) + 1) / (this.#total + hoursOfWeek)
  }

  #smoothed(hour: number): number {
    let sum = 0
    for (let offset = -2; offset <= 2; offset++)
      sum += (kernel[offset + 2] ?? 0) * (this.#counts[(hour + offset + hoursOfWeek) % hoursOfWeek] ?? 0)
    return sum
  }

  shareAt(atMs: number): number {
    return this.share(hourOf(atMs))
  }
}

/** 0 is Monday, midnight to one, UTC. */
export function hourOf(atMs: number): number {
  return Math.floor(((((atMs - mondayOffsetMs) / hourMs) % hoursOfWeek) + hoursOfWeek) % hoursOfWeek)
}

/** Whole hours; of weeks, those begin at the same instants. */
export function hourSince1970(atMs: number): number {
  return Math.floor(atMs / hourMs)
}
