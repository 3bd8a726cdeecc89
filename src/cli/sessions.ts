/** `sallyport sessions`: what the session pages show, for terminals and scripts. */
import type { Command } from 'commander'
import type { SessionDetail, SessionPage, SessionSummary } from '../api/schema.ts'
import type { SessionRow } from '../model.ts'
import type { KeptView } from '../recorder/retention/view.ts'
import { type Access, openAccess, resolveId } from './access.ts'
import { configFileOf, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine, printJson, table } from './print.ts'
import { placeOptions, type RemoteGateway, remoteGatewayOf, type WithGateway } from './remote-gateway.ts'
import { cursorOf, type ListOptions, listOptions, placeOf, queryOf, wishOf } from './session-wish.ts'
import { addWatch } from './watch.ts'

type Place = WithConfig & WithGateway
type ListWish = Place & ListOptions & { json?: boolean }

export function addSessions(program: Command): void {
  const sessions = program.command('sessions').description('list, show, watch, pause and end sessions')
  placeOptions(
    listOptions(sessions.command('list').description('newest first')).option('--json', 'for scripts'),
  ).action((options: ListWish) =>
    reach(options, {
      there: remote => listThere(remote, options),
      here: access => list(access, options),
    }),
  )
  placeOptions(
    sessions.command('show').description('one session').argument('<session>').option('--json', 'for scripts'),
  ).action((id: string, options: Place & { json?: boolean }) =>
    reach(options, {
      there: remote => showThere(remote, id, options.json === true),
      here: async access => show(await access.get(await resolveId(access, id)), options.json === true),
    }),
  )
  addWatch(sessions)
  addAct(sessions, 'end', 'end an open session within a second; its user is told the reason', 'was ended')
  addAct(
    sessions,
    'pause',
    'hold what the user of an open session sends, and tell them the reason; after ten minutes it ends',
    'is paused',
  )
  addAct(sessions, 'resume', 'let a session go on that is held', 'goes on')
}

/** What is done to an open session, with a reason that the audit log keeps. `said`: what became of it. */
function addAct(sessions: Command, act: 'end' | 'pause' | 'resume', description: string, said: string): void {
  placeOptions(
    sessions
      .command(act)
      .description(description)
      .argument('<session>')
      .requiredOption('--reason <text>', 'why'),
  ).action(async (id: string, options: Place & { reason: string }) => {
    const { reason } = options
    await reach(options, {
      there: remote => remote.post(`${pathOf(id)}/${act}`, { reason }),
      here: access => access[act](id, reason),
    })
    process.stdout.write(`Session ${printableLine(id)} ${said}.\n`)
  })
}

type Ways = {
  readonly there: (remote: RemoteGateway) => Promise<unknown>
  readonly here: (access: Access) => Promise<unknown>
}

async function reach(options: Place, { there, here }: Ways): Promise<void> {
  const remote = remoteGatewayOf(options)
  if (remote === undefined) await withAccess(options, here)
  else await there(remote)
}

async function withAccess(options: WithConfig, work: (access: Access) => Promise<unknown>): Promise<void> {
  const access = await openAccess(requireConfig(configFileOf(options), { withoutSecrets: true }))
  try {
    await work(access)
  } finally {
    await access.close()
  }
}

async function list(access: Access, options: ListWish): Promise<void> {
  const wish = wishOf(options)
  const { rows, next, total, isTotalExact } = await access.find(wish)
  const listed = rows.map(row => ({ ...row, principal: row.principalName }))
  const page = { rows: listed, next: next === undefined ? undefined : cursorOf(next), total, isTotalExact }
  printList({ ...page, json: rows }, options)
}

/** Rows of one answer of the interface. */
const maxRowsThere = 200

/** As many answers as it takes. */
async function listThere(remote: RemoteGateway, options: ListWish): Promise<void> {
  const wish = wishOf(options)
  const rows: SessionSummary[] = []
  for (let before = wish.before; ; ) {
    const limit = Math.min(maxRowsThere, wish.limit - rows.length)
    const page = await remote.get<SessionPage>('/sessions', queryOf({ ...wish, limit, before }))
    rows.push(...page.items)
    const { next, total, isTotalExact } = page
    if (next === undefined || rows.length >= wish.limit || page.items.length === 0)
      return printList({ rows, next, total, isTotalExact, json: rows }, options)
    before = placeOf(next)
  }
}

type Found = {
  readonly rows: readonly Listed[]
  readonly next: string | undefined
  /** Of all that are like it, on this list or not. */
  readonly total: number
  readonly isTotalExact: boolean
  /** For scripts. */
  readonly json: unknown
}

/** How to go on does not stand in what a script reads. */
function printList({ rows, next, total, isTotalExact, json }: Found, options: ListWish): void {
  const more =
    next === undefined
      ? ''
      : `${rows.length} of ${isTotalExact ? total : `more than ${total}`}; --cursor ${next} shows more\n`
  if (options.json === true) {
    printJson(json)
    process.stderr.write(more)
  } else process.stdout.write(`${listText(rows, options)}\n${more}`)
}

function listText(
  rows: readonly Listed[],
  { person, target, protocol, state, from, to, cursor }: ListWish,
): string {
  const head = ['SESSION', 'START (UTC)', 'WHO', 'WHERE', 'STATE', 'END']
  if (rows.length > 0) return table([head, ...rows.map(cells)])
  const isFiltered = [person, target, protocol, state, from, to, cursor].some(one => one !== undefined)
  return isFiltered
    ? 'No session is like that. Take out a filter, or choose a longer time.'
    : 'No sessions yet.'
}

type Listed = Pick<
  SessionSummary,
  'id' | 'openedAtMs' | 'principal' | 'login' | 'target' | 'state' | 'held'
> & {
  readonly endReason?: string | undefined
}

/** An open session may wait. The machine's own store does not know it; the interface does. */
function stateText({ state, held }: Pick<SessionSummary, 'state' | 'held'>): string {
  if (held === undefined) return state
  return held.kind === 'pause' ? 'paused' : 'waits for a sign-in'
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}

function cells(row: Listed): string[] {
  const { id, openedAtMs, principal, login, target, endReason = '' } = row
  return [id, instant(openedAtMs), principal, `${login}@${target}`, stateText(row), endReason]
}

/** A gateway that runs says how long it keeps the recording. */
function keptFacts({ kept }: SessionRow & { readonly kept?: KeptView }): [string, string][] {
  if (kept === undefined) return []
  const { purgeAtMs, rule = '', hold, purged } = kept
  if (purged !== undefined) return [['removed (UTC)', `${instant(purged.atMs)}, ${purged.rule}`]]
  const until = hold?.untilMs === undefined ? 'it is released' : instant(hold.untilMs)
  return [
    ...(hold === undefined ? [] : [['on hold until', until] satisfies [string, string]]),
    ...(purgeAtMs === undefined
      ? []
      : [['kept until', `${instant(purgeAtMs)}, ${rule}`] satisfies [string, string]]),
  ]
}

function show(row: SessionRow & { readonly kept?: KeptView }, json: boolean): void {
  if (json) return printJson(row)
  const facts: [string, string][] = [
    ['session', row.id],
    ['who', row.principalName],
    ['issuer, subject', `${row.issuer}, ${row.subject}`],
    ['where', `${row.login}@${row.target} (${row.protocol})`],
    ['by role', row.role],
    ['from', row.sourceAddress],
    ['opened (UTC)', instant(row.openedAtMs)],
    ['ended (UTC)', row.endedAtMs === undefined ? '' : instant(row.endedAtMs)],
    ['state', row.state],
    ['end reason', row.endReason ?? ''],
    ['recording', row.recording],
    ...keptFacts(row),
  ]
  process.stdout.write(`${table(facts)}\n`)
}

async function showThere(remote: RemoteGateway, id: string, json: boolean): Promise<void> {
  const found = await remote.get<SessionDetail>(pathOf(id))
  if (json) return printJson(found)
  const { keepUntilMs } = found.recording
  const facts: [string, string][] = [
    ['session', found.id],
    ['who', found.principal],
    ['issuer, subject', `${found.issuer}, ${found.subject}`],
    ['where', `${found.login}@${found.target} (${found.protocol})`],
    ['by role', found.role],
    ['from', found.sourceAddress],
    ['opened (UTC)', instant(found.openedAtMs)],
    ['ended (UTC)', found.endedAtMs === undefined ? '' : instant(found.endedAtMs)],
    ['state', stateText(found)],
    ['end reason', found.endReason ?? ''],
    ['recording', found.integrity],
    ['kept until', keepUntilMs === undefined ? '' : instant(keepUntilMs)],
    ['findings', String(found.findings)],
    ['reviewed by', found.reviewedBy.join(', ')],
    ...found.facts.map(({ name, value }): [string, string] => [name.toLowerCase(), value]),
  ]
  process.stdout.write(`${table(facts)}\n`)
}

function pathOf(id: string): string {
  return `/sessions/${encodeURIComponent(id)}`
}
