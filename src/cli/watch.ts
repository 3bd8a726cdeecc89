/** `sallyport sessions watch`: shows an open session while it goes on. Who is watched cannot notice. */
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import type { SessionRow } from '../model.ts'
import { carriesData, commandOf, type ReadEvent } from '../recorder/event.ts'
import { type SqlEntry, StatementReader } from '../recorder/sql-statements.ts'
import { linesOf } from '../recorder/sql-text.ts'
import { AdminClient } from './admin-client.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine } from './print.ts'
import { plainText, TerminalFilter, terminalReset } from './terminal-filter.ts'

type WatchOptions = WithConfig & { channel?: string; json?: boolean }

export function addWatch(sessions: Command): void {
  configOption(
    sessions
      .command('watch')
      .description('show an open session while it goes on; Ctrl-C leaves it')
      .argument('<session>')
      .option('--channel <number>', 'only this channel')
      .option('--json', 'the events as they come, one JSON object a line'),
  ).action(watch)
}

async function watch(id: string, options: WatchOptions): Promise<void> {
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  const client = new AdminClient(foldersOf(config).adminSocket)
  const viewer = new Viewer(options)
  const leave = new AbortController()
  process.once('SIGINT', () => leave.abort())
  try {
    const by = `local user ${process.getuid?.() ?? ''} (${userInfo().username})`
    await client.watch(id, by, line => viewer.take(line), leave.signal)
  } finally {
    viewer.close()
  }
  if (viewer.wasTooSlow) process.exitCode = 1
}

/** What the gateway sends, taken apart; targets and people wrote what is in it. */
type WatchMessage = {
  readonly session?: SessionRow
  readonly us?: number
  readonly event?: { readonly type: string; readonly channel?: number; readonly base64?: string }
  readonly end?: { readonly reason: string; readonly text: string }
}

/** A statement is shown once it is known to be whole, or after nothing more came of it for so long. */
const statementPauseMs = 200

export class Viewer {
  readonly #options: Pick<WatchOptions, 'json'>
  readonly #channel: number | undefined
  readonly #filters = new Map<string, TerminalFilter>()
  readonly #statements = new StatementReader()
  readonly #write: (text: string) => void
  #pause: NodeJS.Timeout | undefined
  wasTooSlow = false

  constructor(
    options: Pick<WatchOptions, 'channel' | 'json'>,
    write: (text: string) => void = text => void process.stdout.write(text),
  ) {
    this.#options = options
    this.#write = write
    this.#channel = options.channel === undefined ? undefined : Number(options.channel)
    if (this.#channel !== undefined && !Number.isInteger(this.#channel))
      throw new Fault('CONFIG_INVALID', `--channel must be a number, not "${options.channel}".`)
  }

  take(line: string): void {
    if (this.#options.json === true) return this.#write(`${line}\n`)
    const { session, us = 0, event, end } = JSON.parse(line) as WatchMessage
    if (session !== undefined) this.#begin(session)
    if (event !== undefined) this.#show(us, eventOf(event))
    if (end !== undefined) this.#end(end)
  }

  close(): void {
    this.#finishStatement()
    const onAlternateScreen = [...this.#filters.values()].some(filter => filter.onAlternateScreen)
    if (process.stdout.isTTY && this.#options.json !== true) this.#write(terminalReset(onAlternateScreen))
  }

  #begin({ principalName, login, target, openedAtMs }: SessionRow): void {
    const since = new Date(openedAtMs).toISOString()
    this.#say(`${principalName} as ${login}@${target}, open since ${since}; from here on`)
  }

  #end({ reason, text }: { readonly reason: string; readonly text: string }): void {
    this.#finishStatement()
    this.wasTooSlow = reason === 'too-slow'
    this.#say(text)
  }

  #show(us: number, event: ReadEvent): void {
    if (carriesData(event)) {
      if (event.type === 'input' || (this.#channel !== undefined && event.channel !== this.#channel)) return
      return this.#write(this.#filter(`${event.channel} ${event.type}`).push(event.data))
    }
    const command = commandOf(event)
    if (command !== undefined) return this.#say(`command: ${command.toString()}`)
    if (event.type === 'shell') return this.#say('shell')
    if (event.type === 'pty' || event.type === 'resize')
      return this.#say(`terminal of ${String(event.fields['columns'])} × ${String(event.fields['rows'])}`)
    this.#showStatements(this.#statements.take(us, event.type, event.fields))
    clearTimeout(this.#pause)
    this.#pause = setTimeout(() => this.#finishStatement(), statementPauseMs).unref()
  }

  #finishStatement(): void {
    clearTimeout(this.#pause)
    this.#showStatements(this.#statements.finish())
  }

  #showStatements(entries: Iterable<SqlEntry>): void {
    for (const entry of entries) for (const line of linesOf(entry)) this.#write(`${printableLine(line)}\n`)
  }

  /** A line of our own. */
  #say(text: string): void {
    this.#write(`${process.stdout.isTTY ? plainText : ''}\r\n── ${printableLine(text)} ──\r\n`)
  }

  #filter(stream: string): TerminalFilter {
    const filter = this.#filters.get(stream) ?? new TerminalFilter()
    this.#filters.set(stream, filter)
    return filter
  }
}

function eventOf(event: NonNullable<WatchMessage['event']>): ReadEvent {
  const { type, channel = 0, base64 } = event
  const isBytes = type === 'output' || type === 'error-output' || type === 'input'
  if (isBytes) return { type, channel, data: Buffer.from(base64 ?? '', 'base64') }
  return { type, fields: { ...event } }
}
