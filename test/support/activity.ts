/** A made-up company's commands: people with tasks of their own, who drift, and strangers in their accounts. */
import type { ActivityEvent } from '../../src/analysis/baseline/event.ts'

/** Mulberry32: the same seed, the same company. */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export type Company = {
  /** In order of time. */
  readonly events: readonly ActivityEvent[]
  /** Who was somebody else: `principal block`. */
  readonly strangers: ReadonlySet<string>
  readonly trainUntilMs: number
}

export type CompanyOptions = {
  readonly seed: number
  readonly people: number
  readonly blocks: number
  readonly trainingBlocks: number
}

export const blockEvents = 100
const startMs = Date.UTC(2026, 0, 5)
const minuteMs = 60_000

/** Each has some tasks; a task is some commands that follow each other. Every hundredth block begins a stranger's visit. */
export function simulateCompany({ seed, people, blocks, trainingBlocks }: CompanyOptions): Company {
  const random = randomOf(seed)
  const pick = (count: number): number => Math.floor(random() * count)
  const skewed = (count: number): number => Math.floor(count * random() ** 2.5)
  const tasks = Array.from({ length: 120 }, () => Array.from({ length: 3 + pick(12) }, () => skewed(600)))
  const live = (count: number): number[] => {
    const own = Array.from({ length: 5 + pick(10) }, () => skewed(tasks.length))
    const commands: number[] = []
    while (commands.length < count) {
      if (random() < 0.01) own.push(skewed(tasks.length))
      const task = tasks[own[pick(own.length)] ?? 0] ?? []
      for (let left = 5 + pick(60); left > 0; left--)
        commands.push(random() < 0.08 ? skewed(600) : (task[pick(task.length)] ?? 0))
    }
    return commands.slice(0, count)
  }
  const length = blocks * blockEvents
  const histories = Array.from({ length: people }, () => live(length))
  const outsiders = Array.from({ length: 8 }, () => live(length))
  const strangers = new Set<string>()
  histories.forEach((history, person) => {
    for (let block = trainingBlocks; block < blocks; block++) {
      if (random() > 0.03) continue
      const from = outsiders[pick(outsiders.length)] ?? []
      history.splice(block * blockEvents, blockEvents, ...from.slice(0, blockEvents))
      strangers.add(`person${person} ${block}`)
    }
  })
  const events = Array.from({ length }, (_, at) =>
    histories.map((history, person) => ({
      principal: `person${person}`,
      target: 'web1',
      protocol: 'ssh',
      atMs: startMs + at * minuteMs + person,
      text: `command${history[at]}`,
    })),
  ).flat()
  return { events, strangers, trainUntilMs: startMs + trainingBlocks * blockEvents * minuteMs - 1 }
}

/** The chance that a planted block ranks above one that was not. */
export function rankOf(planted: readonly number[], usual: readonly number[]): number {
  let above = 0
  for (const score of planted) above += usual.filter(other => other < score).length
  return above / (planted.length * usual.length)
}
