/** The filters of the list of sessions, as the address holds them and as the gateway is asked. */
import type { Query } from '../api.ts'
import { severities } from '../parts/severity.tsx'

/** Values that begin with `-` filter out. Each key may be repeated. */
export const valueFilters = [
  'principal',
  'target',
  'login',
  'source',
  'protocol',
  'state',
  'longer',
  'shorter',
  'severity',
  'assignee',
  'id',
  'named',
] as const
export type ValueFilter = (typeof valueFilters)[number]

export const filterNames: Readonly<Record<ValueFilter, string>> = {
  principal: 'User',
  target: 'Target',
  login: 'Login',
  source: 'From address',
  protocol: 'Protocol',
  state: 'Status',
  longer: 'Lasted at least',
  shorter: 'Lasted less than',
  severity: 'Severity at least',
  assignee: 'Assigned to',
  id: 'Session',
  named: 'Name has',
}

export const choices: Partial<Readonly<Record<ValueFilter, readonly (readonly [string, string])[]>>> = {
  protocol: [
    ['ssh', 'SSH'],
    ['postgres', 'PostgreSQL'],
  ],
  state: [
    ['open', 'Live'],
    ['ended', 'Ended'],
    ['terminated', 'Ended by somebody'],
    ['interrupted', 'Interrupted'],
  ],
  longer: [
    ['1m', '1 minute'],
    ['10m', '10 minutes'],
    ['1h', '1 hour'],
    ['8h', '8 hours'],
  ],
  shorter: [
    ['10s', '10 seconds'],
    ['1m', '1 minute'],
    ['10m', '10 minutes'],
    ['1h', '1 hour'],
  ],
  severity: [
    ['low', 'Low'],
    ['medium', 'Medium'],
    ['high', 'High'],
    ['critical', 'Critical'],
  ],
}

const minute = 60_000
const hour = 60 * minute

/** How far back, by its name in the address. */
export const presets = [
  { key: '1h', name: 'Last hour', ms: hour },
  { key: '24h', name: 'Last 24 hours', ms: 24 * hour },
  { key: '7d', name: 'Last 7 days', ms: 7 * 24 * hour },
  { key: '30d', name: 'Last 30 days', ms: 30 * 24 * hour },
] as const

/** What the gateway is asked for. The end of a preset is now, by the minute, so that scrolling does not move it. */
export function queryOf(address: URLSearchParams, nowMs: number): Query {
  const preset = presets.find(({ key }) => key === address.get('last'))
  const now = Math.ceil(nowMs / minute) * minute
  const values = Object.fromEntries(valueFilters.map(key => [key, address.getAll(key)]))
  const least = severities.findIndex(one => one === address.get('severity'))
  return {
    ...values,
    longer: lastingOf(address.get('longer')),
    shorter: lastingOf(address.get('shorter')),
    severity: least === -1 ? [] : severities.slice(least),
    from: preset === undefined ? instantOf(address.get('from')) : now - preset.ms,
    to: instantOf(address.get('to')),
    finding: address.get('finding') ?? undefined,
    reviewed: address.get('reviewed') ?? undefined,
    wanted: address.get('wanted') ?? undefined,
  }
}

/** `10m` in milliseconds. */
function lastingOf(text: string | null): number | undefined {
  const match = /^(\d{1,4})([smh])$/.exec(text ?? '')
  if (match === null) return undefined
  const unit = { s: 1000, m: minute, h: hour }[match[2] as 's' | 'm' | 'h']
  return Number(match[1]) * unit
}

/** Addresses hold instants as people read them: `2026-11-21T14:00:00Z`. */
export function instantOf(text: string | null): number | undefined {
  const ms = text === null ? Number.NaN : Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

export function instantText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** All keys that filter: what "clear" takes out. */
export const filterKeys: readonly string[] = [
  ...valueFilters,
  'last',
  'from',
  'to',
  'finding',
  'reviewed',
  'wanted',
]

export function hasFilters(address: URLSearchParams): boolean {
  return filterKeys.some(key => address.has(key))
}

/** One more value to filter by; the opposite of it goes. */
export function withValue(address: URLSearchParams, key: ValueFilter, value: string): string[] {
  const opposite = value.startsWith('-') ? value.slice(1) : `-${value}`
  const others = address.getAll(key).filter(one => one !== value && one !== opposite)
  return [...others, value]
}

export function withoutValue(address: URLSearchParams, key: ValueFilter, value: string): string[] {
  return address.getAll(key).filter(one => one !== value)
}
