/** `sallyport retention`: how long recordings are kept, legal holds, and requests of persons; all through the running gateway. */
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import type { HoldRow } from '../model.ts'
import type { ListedHold, PersonWish, RetentionPlan, RetentionRun } from '../recorder/retention/retention.ts'
import type { Forgotten } from '../recorder/retention/forget.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine, printJson, table } from './print.ts'

type WithJson = WithConfig & { json?: boolean }
type Reasoned = { who?: string; why: string }
type PersonOptions = { person?: string; issuer?: string; subject?: string }
type HoldOptions = WithJson & Reasoned & PersonOptions & { session?: string[]; case?: string; until?: string }

export function addRetention(program: Command): void {
  const retention = program
    .command('retention')
    .description('how long recordings are kept: what policy removes, legal holds, requests of persons')
  data(retention.command('plan').description('what a run would remove now, and what is kept and why')).action(
    (options: WithJson) => answer(options, client => client.retentionPlan(), printPlan),
  )
  data(
    retention
      .command('run')
      .description('remove what is due, as the gateway does by itself every hour')
      .option('--dry-run', 'only say what would be removed'),
  ).action((options: WithJson & { dryRun?: boolean }) =>
    options.dryRun === true
      ? answer(options, client => client.retentionPlan(), printPlan)
      : answer(options, client => client.retentionRun(localUser()), printRun),
  )
  data(retention.command('holds').description('the holds that nobody has released')).action(
    (options: WithJson) => answer(options, client => client.holds(), printHolds),
  )
  addHold(retention)
  addRelease(retention)
  addForget(retention)
}

function addHold(retention: Command): void {
  const hold = retention
    .command('hold')
    .description(
      'keep recordings whatever the policy says: of sessions, or all of a person, past and to come',
    )
    .option('--session <id...>', 'sessions')
    .option('--case <name>', 'a name under which several holds are placed and released')
    .option('--until <date>', 'until then (2027-12-31, UTC); without it, until it is released')
  data(reasoned(person(hold))).action((options: HoldOptions) =>
    answer(options, client => client.hold(holdWish(options), localUser()), printPlaced),
  )
}

function addRelease(retention: Command): void {
  const release = retention
    .command('release')
    .description('end holds: what is due by then goes with the next run')
    .argument('[hold...]', 'ids of holds')
    .option('--case <name>', 'all holds of this case')
  data(reasoned(release)).action((ids: string[], options: WithJson & Reasoned & { case?: string }) => {
    if (ids.length === 0 && options.case === undefined)
      throw new Fault('CONFIG_INVALID', 'Say which holds, or --case.')
    const { who = localUser(), why } = options
    const wish = { ids, caseName: options.case, who, why }
    return answer(options, client => client.release(wish, localUser()), printReleased)
  })
}

function addForget(retention: Command): void {
  const forget = retention
    .command('forget')
    .description('remove what was recorded of a person, as far as holds and minimum ages permit')
    .requiredOption('--why <text>', 'the reason, which stays in the logs: name nobody in it')
    .option('--dry-run', 'only say what would be removed and what would remain')
  data(person(forget)).action((options: WithJson & PersonOptions & { why: string; dryRun?: boolean }) => {
    const wish = { why: options.why, by: localUser(), dryRun: options.dryRun === true }
    return answer(options, client => client.forget(personOf(options), wish), printForgotten)
  })
}

function data(command: Command): Command {
  return configOption(command.option('--json', 'for scripts'))
}

function reasoned(command: Command): Command {
  return command
    .requiredOption('--why <text>', 'why')
    .option('--who <text>', 'who wants it, if that is not you')
}

function person(command: Command): Command {
  return command
    .option('--person <name>', 'a person by the name that sessions show')
    .option('--subject <subject>', 'a person by the subject of their tokens')
    .option('--issuer <url>', 'whose tokens those are')
}

async function answer<T>(
  options: WithJson,
  ask: (client: AdminClient) => Promise<T>,
  print: (value: T) => void,
): Promise<void> {
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  const value = await ask(new AdminClient(foldersOf(config).adminSocket))
  if (options.json === true) printJson(value)
  else print(value)
}

/** Who types this, for the audit log. */
function localUser(): string {
  return `local user ${process.getuid?.() ?? ''} (${userInfo().username})`
}

function personOf(options: PersonOptions): PersonWish {
  const [wish] = personsOf(options)
  if (wish !== undefined) return wish
  throw new Fault('CONFIG_INVALID', 'Say --person, or --issuer and --subject.')
}

function personsOf({ person: name, issuer, subject }: PersonOptions): readonly PersonWish[] {
  if (name !== undefined && issuer === undefined && subject === undefined) return [{ name }]
  if (name === undefined && issuer !== undefined && subject !== undefined) return [{ issuer, subject }]
  if (name === undefined && issuer === undefined && subject === undefined) return []
  throw new Fault('CONFIG_INVALID', 'Say either --person, or --issuer and --subject together.')
}

function holdWish(options: HoldOptions) {
  const { session: sessions = [], who = localUser(), why, until } = options
  const untilMs = until === undefined ? undefined : instantOf(until)
  return { sessions, persons: personsOf(options), caseName: options.case, who, why, untilMs }
}

/** A day means to its end. */
function instantOf(text: string): number {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const ms = Date.parse(isDay ? `${text}T00:00:00Z` : text)
  if (Number.isNaN(ms))
    throw new Fault('CONFIG_INVALID', `--until must be a date (2027-12-31), not "${text}".`)
  return isDay ? ms + 86_400_000 : ms
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function printPlan(plan: RetentionPlan): void {
  for (const { rule, sessions } of plan.rules)
    say(printableLine(`rule ${rule}: decides for ${sessions} sessions`))
  if (plan.rules.length === 0) say('No rule of recording.retention: everything is kept for ever.')
  say(
    `${plan.dueCount} due now, ${plan.heldCount} on hold, ${plan.keptCount} kept for now, ${plan.unlimitedCount} for ever. Open sessions are never removed.`,
  )
  if (plan.nextAt !== undefined) say(`The next is due at ${plan.nextAt}.`)
  const rows = [
    ...plan.due.map(one => ['due', one.session, one.endedAt, one.person, one.where, one.why]),
    ...plan.held.map(one => ['held', one.session, one.endedAt, one.person, one.where, one.why]),
  ]
  if (rows.length > 0) say(table([['', 'SESSION', 'END (UTC)', 'WHO', 'WHERE', 'WHY'], ...rows]))
  printPending(plan.pending)
}

function printRun(run: RetentionRun): void {
  say(`Removed ${run.purgedCount} recordings, ${run.bytes} bytes here.`)
  for (const session of run.purged) say(printableLine(session))
  printPending(run.pending)
  for (const { session, problem } of run.refused) say(printableLine(`${session} stays: ${problem}`))
  if (run.pending.length + run.refused.length > 0) process.exitCode = 1
}

function printPending(pending: RetentionRun['pending']): void {
  for (const { session, problem } of pending)
    say(printableLine(`${session} was decided on and is still there: ${problem}`))
}

function printHolds(holds: readonly ListedHold[]): void {
  if (holds.length === 0) return say('Nothing is on hold.')
  const heads = ['HOLD', 'CASE', 'OF', 'UNTIL', 'WHO', 'WHY']
  say(table([heads, ...holds.map(hold => holdCells(hold, hold.inForce))]))
}

function holdCells(hold: HoldRow, inForce: boolean): string[] {
  const { id, caseName = '', session, person: name = '', untilMs, who, why } = hold
  const until = untilMs === undefined ? 'released' : new Date(untilMs).toISOString().slice(0, 16)
  return [id, caseName, session ?? name, inForce ? until : `${until} (over)`, who, why]
}

function printPlaced(holds: readonly HoldRow[]): void {
  for (const hold of holds) say(printableLine(`placed ${hold.id} on ${hold.session ?? hold.person ?? ''}`))
}

function printReleased(holds: readonly HoldRow[]): void {
  for (const hold of holds) say(printableLine(`released ${hold.id} on ${hold.session ?? hold.person ?? ''}`))
}

function printForgotten(done: Forgotten): void {
  const removed = done.dryRun ? 'would be removed' : 'were removed'
  say(`${done.removed} recordings ${removed}, ${done.rowsCleared} rows do not name the person any more.`)
  say(done.remains.length === 0 ? 'No recording remains.' : 'These remain:')
  for (const { session, why, untilMs } of done.remains) {
    const until = untilMs === undefined ? '' : `, until ${new Date(untilMs).toISOString()}`
    say(printableLine(`  ${session}: ${why}${until}`))
  }
  for (const note of done.notes) say(note)
}
