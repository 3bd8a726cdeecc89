/** Thirteen weeks of a company's sessions, the same for the same seed: days, nights on call, a change of job, and planted cases. */
import { randomOf } from '../support/activity.ts'
import { colleagues, hosts, isDatabase, nightTasks, type Role, services, type Task } from './office.ts'
import { habits, hire, type Person, type Random } from './people.ts'
import { type Case, plantedCases } from './planted.ts'
import { type Line, newSession, type Session } from './session.ts'

export type Quarter = {
  readonly sessions: readonly Session[]
  readonly cases: readonly Case[]
  readonly startMs: number
  readonly days: number
  readonly people: readonly { readonly name: string; readonly role: Role }[]
}

export const dayMs = 86_400_000
const hourMs = 3_600_000
/** A Monday. */
const startMs = Date.UTC(2026, 0, 5)
/** In this week one of the web developers becomes an analyst. */
const jobChangeWeek = 7
export const mover = 'web6'

export function simulateQuarter(options: { readonly seed: number; readonly weeks: number }): Quarter {
  const random = randomOf(options.seed)
  const people = hire(random)
  const staff = people.map(({ name, role }) => ({ name, role }))
  const sessions: Session[] = []
  const days = options.weeks * 7
  for (let day = 0; day < days; day++) {
    const week = Math.floor(day / 7)
    if (week === jobChangeWeek && day % 7 === 0) changeJob(people, random)
    for (const [at, person] of people.entries()) {
      if (person.workdays.includes(day % 7) && random() > 0.07) workday(person, day, random, sessions)
      if (person.role === 'platform' && week % 5 === at) onCall(person, day, random, sessions)
    }
  }
  const cases = plantedCases(options.weeks)
  for (const each of cases) sessions.push(...each.sessions(startMs, people, random))
  return {
    sessions: sessions.toSorted((a, b) => a.openedAtMs - b.openedAtMs),
    cases,
    startMs,
    days,
    people: staff,
  }
}

function changeJob(people: Person[], random: Random): void {
  const person = people.find(({ name }) => name === mover)
  if (person === undefined) return
  person.role = 'data'
  Object.assign(person, habits('data', random))
}

function workday(person: Person, day: number, random: Random, sessions: Session[]): void {
  const count = Math.max(1, Math.round(person.sessionsADay + (random() - 0.5) * 2))
  for (let number = 0; number < count; number++) {
    const hour = person.startHour + (random() + number) * (person.hours / count)
    sessions.push(sessionOf(person, startMs + day * dayMs + hour * hourMs, random))
  }
}

/** One night or weekend in three, something breaks. */
function onCall(person: Person, day: number, random: Random, sessions: Session[]): void {
  if (random() > 0.35) return
  const hour = day % 7 > 4 ? random() * 24 : 19 + random() * 11
  const at = startMs + day * dayMs + hour * hourMs
  sessions.push(sessionOf({ ...person, tasks: nightTasks }, at, random))
}

function sessionOf(person: Person, openedAtMs: number, random: Random): Session {
  const pick = <T>(list: readonly T[], skew = 1): T => list[Math.floor(list.length * random() ** skew)] as T
  const target = pick(person.targets, 2)
  const protocol = isDatabase(target) ? 'postgres' : 'ssh'
  const possible = person.tasks.filter(task => task.protocol === protocol)
  const tasks = Array.from({ length: 3 + Math.floor(random() ** 2 * 22) }, () => pick(possible, 2.5)).filter(
    (task): task is Task => task !== undefined,
  )
  const lines = typed(
    tasks.flatMap(task => task.lines.map(line => filled(line, person, random))),
    {
      protocol,
      openedAtMs,
      random,
    },
  )
  return { ...newSession(person.name, person.role, target, openedAtMs), lines }
}

function filled(line: string, { offset }: Person, random: Random): string {
  const of = (list: readonly string[]): string =>
    list[(offset + Math.floor(random() ** 2 * 3)) % list.length] ?? ''
  return line
    .replaceAll('{service}', of(services))
    .replaceAll('{host}', of(hosts))
    .replaceAll('{colleague}', of(colleagues))
    .replaceAll('{n}', String(1000 + Math.floor(random() * 9000)))
    .replaceAll('{d}', String(1 + Math.floor(random() * 9)))
}

/** Somebody types a line, looks, and types the next. */
function typed(
  texts: readonly string[],
  { protocol, openedAtMs, random }: { protocol: 'ssh' | 'postgres'; openedAtMs: number; random: Random },
): Line[] {
  let atMs = openedAtMs
  return texts.map(text => {
    atMs += 4000 + random() ** 3 * 120_000
    return protocol === 'ssh'
      ? { kind: 'command', text, atMs }
      : { kind: 'statement', text, atMs, rows: Math.floor(random() ** 4 * 2000) }
  })
}
