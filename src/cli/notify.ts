/** `sallyport notify`: what goes out to others, what did not arrive, and what to do about it; all through the running gateway. */
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { Letter } from '../notify/dead-letters.ts'
import type { LaneState } from '../notify/lane.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printJson, table } from './print.ts'

type WithJson = WithConfig & { json?: boolean }

export function addNotify(program: Command): void {
  const notify = program
    .command('notify')
    .description('what goes out to files, syslog servers and webhooks, and what did not arrive')
  configOption(
    notify
      .command('list')
      .description('the sinks, and the messages that became dead letters')
      .option('--json', 'for scripts'),
  ).action(async (options: WithJson) => {
    const state = await clientOf(options).notifyState()
    if (options.json === true) return printJson(state)
    printSinks(state.sinks)
    printLetters(state.letters)
  })
  configOption(
    notify.command('retry').description('send dead letters again').argument('<letter...>', 'ids, or: all'),
  ).action((ids: string[], options: WithConfig) => retry(ids, clientOf(options)))
  configOption(
    notify
      .command('drop')
      .description('forget dead letters; what they told stays in the audit log')
      .argument('<letter...>', 'ids, or: all'),
  ).action((ids: string[], options: WithConfig) => drop(ids, clientOf(options)))
  configOption(
    notify
      .command('resume')
      .description('send again to a receiver that had answered that it wants no more')
      .argument('<sink>'),
  ).action(async (sink: string, options: WithConfig) => {
    await clientOf(options).resumeSink(sink, localUser())
    say(`${sink} gets messages again, from where it stopped.`)
  })
}

function clientOf(options: WithConfig): AdminClient {
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  return new AdminClient(foldersOf(config).adminSocket)
}

/** Who types this, for the audit log. */
function localUser(): string {
  return `local user ${process.getuid?.() ?? ''} (${userInfo().username})`
}

async function retry(ids: readonly string[], client: AdminClient): Promise<void> {
  for (const id of await named(ids, client)) {
    const retried = await client.retryLetter(id, localUser())
    if (retried.kind === 'sent') say(`${id} was sent.`)
    else {
      say(`${id} was not taken: ${retried.kind === 'not-sent' ? retried.reason : 'it is not there'}.`)
      process.exitCode = 1
    }
  }
}

async function drop(ids: readonly string[], client: AdminClient): Promise<void> {
  for (const id of await named(ids, client)) {
    await client.dropLetter(id, localUser())
    say(`${id} was dropped.`)
  }
}

async function named(ids: readonly string[], client: AdminClient): Promise<readonly string[]> {
  if (ids.length !== 1 || ids[0] !== 'all') return ids
  return (await client.notifyState()).letters.map(({ id }) => id)
}

function printSinks(sinks: readonly LaneState[]): void {
  if (sinks.length === 0) return say('Nothing is configured under "notify".')
  const heads = ['SINK', 'SENT', 'FAILED', 'WAITING SINCE (UTC)', 'LINES BEHIND', 'DEAD', 'STATE']
  const rows = sinks.map(one => [
    one.sink,
    String(one.taken),
    String(one.away + one.refused),
    one.oldestAtMs === 0 ? '' : instant(one.oldestAtMs),
    String(one.backlog),
    String(one.deadLetters),
    one.isDisabled ? 'stopped: it wants no more' : 'on',
  ])
  say(table([heads, ...rows]))
}

function printLetters(letters: readonly Letter[]): void {
  if (letters.length === 0) return say('No dead letters.')
  const heads = ['LETTER', 'WHAT', 'WHEN (UTC)', 'ATTEMPTS', 'WHY']
  const rows = letters.map(({ id, kind, atMs, attempts, reason }) => [
    id,
    kind,
    instant(atMs),
    String(attempts),
    reason,
  ])
  say(table([heads, ...rows]))
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
