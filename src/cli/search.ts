/** `sallyport search`: what was typed, asked of databases, moved and shown, across sessions. Through a running gateway, which notes it. */
import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import { kinds } from '../analysis/index/schema.ts'
import type { SearchHit, SearchPage } from '../api/schema.ts'
import { Fault } from '../errors.ts'
import { terminalSafe } from '../recorder/terminal-safe.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printJson } from './print.ts'
import { placeOptions, remoteGatewayOf, type WithGateway } from './remote-gateway.ts'

type Wish = { kind?: string; session?: string; limit: string; cursor?: string }
type SearchOptions = WithConfig & WithGateway & Wish & { json?: boolean }

export function addSearch(program: Command): void {
  placeOptions(
    program
      .command('search')
      .description('look for words in commands, statements, files, and what screens showed')
      .argument(
        '<text...>',
        'words, "phrases", begin*, -without, OR; kind: user: target: session: rule: before: after:',
      )
      .addOption(new Option('--kind <kind>', 'only these').choices(kinds))
      .option('--session <session>', 'only in this one')
      .option('--limit <number>', 'at most so many', '50')
      .option('--cursor <cursor>', 'go on behind a page')
      .option('--json', 'for scripts')
      .addHelpText(
        'after',
        '\nWords that begin with a minus come after --, as in: sallyport search -- rm -rf',
      ),
  ).action((words: string[], options: SearchOptions) => search(words.join(' '), options))
}

async function search(text: string, options: SearchOptions): Promise<void> {
  const { kind, session, cursor, limit } = options
  const wish: Wish & { q: string } = {
    q: text,
    limit,
    ...(kind === undefined ? {} : { kind }),
    ...(session === undefined ? {} : { session }),
    ...(cursor === undefined ? {} : { cursor }),
  }
  const remote = remoteGatewayOf(options)
  const page =
    remote === undefined ? await searchHere(wish, options) : await remote.get<SearchPage>('/search', wish)
  if (options.json === true) printJson(page)
  else process.stdout.write(`${linesOf(page).join('\n')}\n`)
}

async function searchHere(wish: Wish & { q: string }, options: WithConfig): Promise<SearchPage> {
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  const client = new AdminClient(foldersOf(config).adminSocket)
  if (!(await client.isUp()))
    throw new Fault('GATEWAY_NOT_RUNNING', 'The gateway is not running, and it is the one that searches.')
  return await client.search({ ...wish, by: `local user ${userInfo().username}` })
}

/** What is shown was written by people and targets. */
function linesOf(page: SearchPage): readonly string[] {
  if (page.items.length === 0) return ['Nothing was found.']
  const total = page.isTotalExact ? String(page.total) : `more than ${page.total}`
  const more = page.next === undefined ? '' : `; --cursor ${page.next} shows more`
  return [...page.items.map(lineOf), `${page.items.length} of ${total}${more}`]
}

/** The login is told on the gateway's own machine only. */
function lineOf(hit: SearchHit & { readonly login?: string }): string {
  const { session, atMs, kind, principal, login, target, text } = hit
  const at = new Date(atMs).toISOString().replace('T', ' ').slice(0, 19)
  const where = terminalSafe(`${principal} ${login === undefined ? '' : `${login}@`}${target}`, {
    oneLine: true,
  })
  return `${at}  ${session}  ${kind.padEnd(9)}  ${where}\n    ${terminalSafe(text).replaceAll('\n', '\n    ')}`
}
