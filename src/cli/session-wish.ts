/** What `sallyport sessions list` is asked for: its options, read and checked. */
import { type Command, Option } from 'commander'
import { Fault } from '../errors.ts'
import type { Among, SessionPlace, SessionsWish } from '../store/session-query.ts'

export type ListOptions = {
  limit: string
  state?: string
  person?: string[]
  target?: string[]
  protocol?: string
  from?: string
  to?: string
  cursor?: string
}

/** Rows of one list. */
const maxRows = 1000
const states = ['open', 'ended', 'terminated', 'interrupted'] as const

export function listOptions(command: Command): Command {
  return command
    .option('--limit <number>', 'at most so many', '50')
    .option('--state <state>', `one of ${states.join(', ')}`)
    .option('--person <name...>', 'people, as they are shown; * stands for any text')
    .option('--target <name...>', 'targets; * stands for any text')
    .addOption(new Option('--protocol <protocol>').choices(['ssh', 'postgres']))
    .option('--from <time>', 'that began then or later: 2026-11-21 or 2026-11-21T14:00, in UTC')
    .option('--to <time>', 'that began before')
    .option('--cursor <cursor>', 'go on behind a list')
}

/** Throws Fault CONFIG_INVALID, with what to write instead. */
export function wishOf(options: ListOptions): SessionsWish {
  const { person, target, protocol, state, cursor } = options
  const [fromMs, toMs] = [instantOf('--from', options.from), instantOf('--to', options.to)]
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw invalid('--from must be before --to: nothing begins in no time.')
  return {
    filter: {
      fromMs,
      toMs,
      among: {
        principalName: amongOf(person),
        target: amongOf(target),
        protocol: amongOf(protocol === undefined ? undefined : [protocol]),
      },
      states: state === undefined ? undefined : [stateOf(state)],
    },
    limit: limitOf(options.limit),
    before: cursor === undefined ? undefined : placeOf(cursor),
  }
}

/** The same as the gateway's HTTP interface has it (docs/api.md). */
export function queryOf({ filter, limit, before }: SessionsWish) {
  const { fromMs, toMs, among, states: state } = filter
  return {
    from: fromMs,
    to: toMs,
    principal: among.principalName?.is,
    target: among.target?.is,
    protocol: among.protocol?.is,
    state,
    limit,
    cursor: before === undefined ? undefined : cursorOf(before),
  }
}

/** As the gateway's lists write it. */
export function cursorOf({ openedAtMs, id }: SessionPlace): string {
  return `${openedAtMs}.${id}`
}

export function placeOf(cursor: string): SessionPlace {
  const [, openedAtMs, id] = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})$/.exec(cursor) ?? []
  if (openedAtMs === undefined || id === undefined)
    throw invalid('--cursor must be what a list ended with: run it without, and copy it from its last line.')
  return { openedAtMs: Number(openedAtMs), id }
}

function amongOf(values: readonly string[] | undefined): Among | undefined {
  return values === undefined ? undefined : { is: values, not: [] }
}

function limitOf(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= maxRows) return number
  throw invalid(`--limit must be a whole number from 1 to ${maxRows}.`)
}

function stateOf(text: string): (typeof states)[number] {
  const state = states.find(one => one === text)
  if (state !== undefined) return state
  throw invalid(`--state must be ${states.slice(0, -1).join(', ')} or ${states.at(-1)}, not "${text}".`)
}

/** A day stands for its beginning. Without a zone it is UTC. */
function instantOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  const [, day = '', time = '00:00', zone = 'Z'] = match ?? []
  const ms = Date.parse(`${day}T${time}${zone}`)
  // Programs take 31 February for 3 March.
  if (!Number.isNaN(ms) && new Date(`${day}T00:00Z`).toISOString().startsWith(day)) return ms
  throw invalid(
    `${option} must be a day or a time in UTC, such as 2026-11-21 or 2026-11-21T14:00, not "${text}".`,
  )
}

function invalid(text: string): Fault {
  return new Fault('CONFIG_INVALID', text)
}
