/** What sessions of one person are like, as far as it is remembered. */

/** A session as habits see it, at its end. */
export type SessionFacts = {
  readonly person: string
  readonly role: string
  readonly openedAtMs: number
  readonly endedAtMs: number
  readonly items: Readonly<Record<ItemKind, readonly string[]>>
  readonly volumes: Readonly<Record<VolumeName, number>>
  /** Another session of the person was open from another network. */
  readonly hasTwoSources: boolean
}

export const itemKinds = ['target', 'login', 'table', 'source'] as const
export type ItemKind = (typeof itemKinds)[number]
export const volumeNames = ['rows', 'bytes', 'files', 'durationMs', 'tables', 'targets'] as const
export type VolumeName = (typeof volumeNames)[number]

/** Items of a kind that are remembered of one person; the ones not used for longest go. */
const maxItems = 2000
/** Sessions whose volumes are remembered. */
const maxVolumes = 200
/** A day teaches so many new items of a kind, and so many volumes: whoever wants to teach a profile needs many days. */
export const maxNewItemsOfDay = 30
const maxVolumesOfDay = 20
const dayMs = 86_400_000

export type Habit = {
  role: string
  firstMs: number
  lastMs: number
  sessions: number
  readonly items: Record<ItemKind, Map<string, number>>
  readonly newSessions: Record<ItemKind, number>
  readonly volumes: Record<VolumeName, number[]>
  twoSources: number
  day: number
  dayItems: number
  dayVolumes: number
}

/** Before any session. */
export function newHabit({ role, openedAtMs, endedAtMs }: SessionFacts): Habit {
  return {
    role,
    firstMs: openedAtMs,
    lastMs: endedAtMs,
    sessions: 0,
    items: eachKind(() => new Map<string, number>()),
    newSessions: eachKind(() => 0),
    volumes: { rows: [], bytes: [], files: [], durationMs: [], tables: [], targets: [] },
    twoSources: 0,
    day: 0,
    dayItems: 0,
    dayVolumes: 0,
  }
}

/** A session has ended. */
export function learn(habit: Habit, facts: SessionFacts): void {
  const day = Math.floor(facts.endedAtMs / dayMs)
  if (habit.day !== day) Object.assign(habit, { day, dayItems: 0, dayVolumes: 0 })
  habit.role = facts.role
  habit.lastMs = Math.max(habit.lastMs, facts.endedAtMs)
  habit.sessions++
  if (facts.hasTwoSources) habit.twoSources++
  for (const kind of itemKinds) learnItems(habit, kind, facts)
  if (habit.dayVolumes++ < maxVolumesOfDay) for (const name of volumeNames) learnVolume(habit, name, facts)
}

function learnItems(habit: Habit, kind: ItemKind, { items, endedAtMs }: SessionFacts): void {
  const known = habit.items[kind]
  let hasNew = false
  for (const item of items[kind]) {
    if (!known.has(item)) {
      hasNew = true
      if (habit.sessions > 1 && habit.dayItems++ >= maxNewItemsOfDay) continue
    }
    known.delete(item) // the newest last
    known.set(item, endedAtMs)
  }
  if (hasNew && habit.sessions > 1) habit.newSessions[kind]++
  for (const oldest of known.keys()) {
    if (known.size <= maxItems) break
    known.delete(oldest)
  }
}

function learnVolume({ volumes }: Habit, name: VolumeName, facts: SessionFacts): void {
  if (facts.volumes[name] === 0) return // a session at a shell has no rows: it says nothing of those that have some
  const values = volumes[name]
  values.push(Math.log1p(facts.volumes[name]))
  if (values.length > maxVolumes) values.shift()
}

/** The same for each kind of item. */
export function eachKind<T>(make: (kind: ItemKind) => T): Record<ItemKind, T> {
  return { target: make('target'), login: make('login'), table: make('table'), source: make('source') }
}
