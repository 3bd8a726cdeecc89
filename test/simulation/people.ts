/** Twenty people in four roles, each with tasks, targets, hours and a rhythm of their own. */
import { roles, type Role, type Task, targetsOf, tasksOf } from './office.ts'

export type Random = () => number

export type Person = {
  readonly name: string
  role: Role
  tasks: readonly Task[]
  targets: readonly string[]
  /** Services and hosts that this person looks after. */
  readonly offset: number
  /** When the day begins, as hours of the day (UTC), and how long it is. */
  readonly startHour: number
  readonly hours: number
  readonly sessionsADay: number
  /** Monday is 0. */
  readonly workdays: readonly number[]
}

const peopleOfRole: Readonly<Record<Role, number>> = { platform: 5, web: 6, data: 5, dba: 4 }
const week = [0, 1, 2, 3, 4]

export function hire(random: Random): Person[] {
  const people = roles.flatMap(role =>
    Array.from({ length: peopleOfRole[role] }, (_, at) => newPerson(`${role}${at + 1}`, role, random)),
  )
  const change = (name: string, rhythm: Partial<Person>): void => {
    const at = people.findIndex(person => person.name === name)
    const before = people[at]
    if (before !== undefined) people[at] = { ...before, ...rhythm }
  }
  change('web3', { workdays: [0, 1, 2] }) // part of the week
  change('data2', { startHour: 13, hours: 8 }) // begins after school
  change('platform2', { startHour: 6 }) // early
  return people
}

function newPerson(name: string, role: Role, random: Random): Person {
  return {
    name,
    role,
    ...habits(role, random),
    offset: Math.floor(random() * 6),
    startHour: 8 + random() * 1.5,
    hours: 7.5,
    sessionsADay: 2 + random() * 2.5,
    workdays: week,
  }
}

/** A part of what the role does, in an order of one's own. */
export function habits(role: Role, random: Random): { tasks: readonly Task[]; targets: readonly string[] } {
  const ranked = tasksOf[role]
    .map((task, at) => ({ task, weight: random() / (at + 2) ** 1.5 }))
    .toSorted((a, b) => b.weight - a.weight)
  return {
    tasks: ranked.slice(0, Math.ceil(ranked.length * 0.8)).map(({ task }) => task),
    targets: targetsOf[role].filter((_, at) => at < 2 || random() < 0.6),
  }
}
