/** `sallyport sessions`: what the session pages show, for terminals and scripts. */
import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import type { SessionRow, SessionState } from '../model.ts'
import type { KeptView } from '../recorder/retention/view.ts'
import { type Access, openAccess, resolveId } from './access.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printJson, table } from './print.ts'
import { addWatch } from './watch.ts'

type ListOptions = WithConfig & { limit: string; state?: string; json?: boolean }

export function addSessions(program: Command): void {
  const sessions = program.command('sessions').description('list, show, watch and end sessions')
  configOption(
    sessions
      .command('list')
      .description('newest first')
      .option('--limit <number>', 'at most so many', '50')
      .option('--state <state>', 'open, ended or interrupted')
      .option('--json', 'for scripts'),
  ).action((options: ListOptions) => withAccess(options, access => list(access, options)))
  configOption(
    sessions.command('show').description('one session').argument('<session>').option('--json', 'for scripts'),
  ).action((id: string, options: WithConfig & { json?: boolean }) =>
    withAccess(options, async access =>
      show(await access.get(await resolveId(access, id)), options.json === true),
    ),
  )
  addWatch(sessions)
  configOption(
    sessions
      .command('end')
      .description('end an open session within a second; its user is told the reason')
      .argument('<session>')
      .requiredOption('--reason <text>', 'why'),
  ).action((id: string, options: WithConfig & { reason: string }) =>
    withAccess(options, async access => {
      await access.end(id, options.reason)
      process.stdout.write(`Session ${id} was ended.\n`)
    }),
  )
}

async function withAccess(options: WithConfig, work: (access: Access) => Promise<void>): Promise<void> {
  const access = await openAccess(requireConfig(configFileOf(options), { withoutSecrets: true }))
  try {
    await work(access)
  } finally {
    await access.close()
  }
}

async function list(access: Access, options: ListOptions): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new Fault('CONFIG_INVALID', '--limit must be a whole number from 1 to 1000.')
  }
  const rows = await access.list({ limit, ...stateOf(options.state) })
  if (options.json === true) return printJson(rows)
  if (rows.length === 0) process.stdout.write('No sessions yet.\n')
  else
    process.stdout.write(
      `${table([['SESSION', 'START (UTC)', 'WHO', 'WHERE', 'STATE', 'END'], ...rows.map(cells)])}\n`,
    )
}

function stateOf(text: string | undefined): { state?: SessionState } {
  if (text === undefined) return {}
  if (text === 'open' || text === 'ended' || text === 'interrupted') return { state: text }
  throw new Fault('CONFIG_INVALID', `--state must be open, ended or interrupted, not "${text}".`)
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}

function cells(row: SessionRow): string[] {
  return [
    row.id,
    instant(row.openedAtMs),
    row.principalName,
    `${row.login}@${row.target}`,
    row.state,
    row.endReason ?? '',
  ]
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
