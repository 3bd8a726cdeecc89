/** `sallyport play`: replays a session in the terminal. */
import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import { carriesData, commandOf, type EventRecord, type TextEvent } from '../recorder/event.ts'
import type { FileContent } from '../recorder/file-event.ts'
import { FormatProblem } from '../recorder/format.ts'
import { type KeyframeIndex, openIndex, screenAt, seekTo } from '../recorder/keyframe.ts'
import { pathOf } from '../recorder/moved-file.ts'
import { headerOf, readRecording, type RecordingReader } from '../recorder/reader.ts'
import { printableLine } from './print.ts'
import { openAccess, resolveId } from './access.ts'
import { auditorKeyOption, isCopy, readOptionsOf, type WithAuditorKey } from './auditor-key.ts'
import { configOption, configFileOf, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway/configuration.ts'
import { listFiles } from './list-files.ts'
import { clockText, type Pace, Playback } from './playback.ts'
import { listStatements, playStatements, type Readable } from './play-sql.ts'
import { tellGap, withNextGood } from './tell-gap.ts'
import { TerminalFilter, terminalReset } from './terminal-filter.ts'

type PlayOptions = WithConfig &
  WithAuditorKey & {
    speed: string
    idle: string
    at?: string
    command?: string
    statement?: string
    list?: boolean
    files?: boolean
    pastDamage?: boolean
    channel?: string
  }

export function addPlay(program: Command): void {
  auditorKeyOption(
    configOption(
      program
        .command('play')
        .description('replay a session in this terminal; space pauses, q leaves, + and - change the speed')
        .argument('<session>', 'the id of a session, or "last"; with --auditor-key also the file of a copy')
        .option('--speed <factor>', 'how fast', '1')
        .option('--idle <seconds>', 'pauses are cut to this length; 0 keeps none', '2')
        .option('--at <time>', 'start there: seconds or h:mm:ss from the beginning')
        .option('--command <number>', 'start at this command of --list')
        .option('--statement <number>', 'start at this statement of a PostgreSQL session')
        .option('--list', 'list the commands or statements instead of playing')
        .option('--files', 'list the files that passed instead of playing')
        .option('--channel <number>', 'only this channel')
        .option('--past-damage', 'of a damaged recording, go on behind the damage'),
    ),
  ).action(play)
}

async function play(id: string, options: PlayOptions): Promise<void> {
  if (isCopy(id, options)) return playFile(id, options)
  const access = await openAccess(requireConfig(configFileOf(options), { withoutSecrets: true }))
  try {
    await playFile(await access.read(await resolveId(access, id), 'play'), options)
  } finally {
    await access.close()
  }
}

async function playFile(path: string, options: PlayOptions): Promise<void> {
  const onGap = options.pastDamage === true ? tellGap : undefined
  const readable: Readable = { path, ...(await readOptionsOf(path, options)), onGap }
  if (options.files === true) return listFiles(readable)
  if (headerOf(path).protocol === 'postgres') return await playSql(readable, options)
  if (options.list === true) return listCommands(await openIndex(path, readable))
  try {
    await new Player(readable, pace(options)).run(await startOf(readable, options))
  } catch (error) {
    throw error instanceof FormatProblem ? withNextGood(path, error) : error
  }
}

async function playSql(file: Readable, options: PlayOptions): Promise<void> {
  if (options.list === true) return listStatements(file)
  const statement =
    options.statement === undefined ? undefined : numberOf(options.statement, '--statement', 1)
  const startUs = options.at === undefined ? 0 : parseInstantUs(options.at)
  await playStatements(file, pace(options), { statement, startUs })
}

/** Whoever jumps to a command sees how it was typed. */
const leadUs = 500_000

function pace(options: PlayOptions): Pace {
  const channel = options.channel === undefined ? undefined : numberOf(options.channel, '--channel', 0)
  return {
    speed: numberOf(options.speed, '--speed', 0.01),
    maxIdleUs: numberOf(options.idle, '--idle', 0) * 1e6,
    channel,
  }
}

function numberOf(text: string, option: string, least: number): number {
  const value = Number(text)
  if (Number.isFinite(value) && value >= least) return value
  throw new Fault('CONFIG_INVALID', `${option} must be a number of at least ${least}, not "${text}".`)
}

/** Seconds, m:ss or h:mm:ss. */
export function parseInstantUs(text: string): number {
  const parts = text.split(':').map(Number)
  if (parts.length > 3 || parts.some(part => !Number.isFinite(part) || part < 0)) {
    throw new Fault('CONFIG_INVALID', `--at must be seconds or h:mm:ss, not "${text}".`)
  }
  return parts.reduce((sum, part) => sum * 60 + part, 0) * 1e6
}

async function startOf(file: Readable, options: PlayOptions): Promise<number> {
  if (options.at !== undefined) return parseInstantUs(options.at)
  if (options.command === undefined) return 0
  const number = numberOf(options.command, '--command', 1)
  const command = (await openIndex(file.path, file)).commands[number - 1]
  if (command === undefined)
    throw new Fault('NOT_FOUND', `There is no command ${number}. "--list" shows them.`)
  return Math.max(0, command.us - leadUs)
}

/** Exec requests as they were sent, and lines typed in a terminal as far as the screen showed them. */
function listCommands({ commands }: KeyframeIndex): void {
  for (const [index, { us, text }] of commands.entries()) {
    process.stdout.write(`${String(index + 1).padStart(4)}  ${clockText(us)}  ${printableLine(text)}\n`)
  }
  if (commands.length === 0) process.stdout.write('No commands were recorded.\n')
}

class Player {
  readonly #file: Readable
  readonly #recording: RecordingReader
  readonly #filters = new Map<string, TerminalFilter>()
  readonly #channel: number | undefined
  readonly #playback: Playback

  constructor(file: Readable, pace: Pace) {
    this.#file = file
    this.#recording = readRecording(file.path, file)
    this.#playback = new Playback(pace)
    this.#channel = pace.channel
  }

  async run(startUs: number): Promise<void> {
    const release = this.#playback.takeKeys()
    try {
      this.#playback.say(this.#headline())
      await this.#play(startUs === 0 ? this.#recording.events() : await this.#seek(startUs), startUs)
    } finally {
      release()
      this.#recording.close()
      if (process.stdout.isTTY) process.stdout.write(terminalReset(this.#onAlternateScreen))
      this.#playback.say(this.#playback.stopped ? 'left' : 'end')
    }
  }

  /** Draws the screen of that instant from the keyframe before it, and gives what follows. */
  async #seek(startUs: number): Promise<Iterable<EventRecord>> {
    const index = await openIndex(this.#file.path, this.#file)
    const channel = this.#channel ?? index.keyframes[0]?.channel ?? 0
    const screen = screenAt(this.#file.path, index, channel, startUs, this.#file)
    if (screen !== undefined)
      process.stdout.write(this.#filter(`${channel} output`).push(Buffer.from(screen.drawing())))
    return seekTo(this.#file.path, index, channel, startUs, this.#file).events()
  }

  async #play(events: Iterable<EventRecord>, startUs: number): Promise<void> {
    let shownUs = startUs
    for (const record of events) {
      if (record.us <= startUs && startUs > 0) continue
      await this.#playback.wait(record.us - shownUs)
      if (this.#playback.stopped) return
      shownUs = record.us
      this.#show(record)
    }
  }

  #headline(): string {
    const { principal, login, target, openedAt } = this.#recording.header
    return `${principal.name} as ${login}@${target.name}, ${openedAt}`
  }

  #show({ event }: EventRecord): void {
    if (carriesData(event)) {
      if (event.type === 'input' || (this.#channel !== undefined && event.channel !== this.#channel)) return
      process.stdout.write(this.#filter(`${event.channel} ${event.type}`).push(event.data))
      return
    }
    const file = fileText(event)
    if (file !== undefined) this.#playback.say(file)
    const command = commandOf(event)
    if (command !== undefined) this.#playback.say(`command: ${command.toString()}`)
    else if (event.type === 'shell') this.#playback.say('shell')
    else if (event.type === 'request-refused')
      this.#playback.say(`refused: ${String(event.fields['request'])}`)
  }

  get #onAlternateScreen(): boolean {
    return [...this.#filters.values()].some(filter => filter.onAlternateScreen)
  }

  #filter(stream: string): TerminalFilter {
    const filter = this.#filters.get(stream) ?? new TerminalFilter()
    this.#filters.set(stream, filter)
    return filter
  }
}

/** A file that has passed, in a line. */
function fileText({ type, fields }: TextEvent): string | undefined {
  if (type !== 'file-close') return undefined
  const { read, written } = fields as { read?: FileContent; written?: FileContent }
  const content = written ?? read
  if (content === undefined) return undefined
  const digest = content.sha256 === undefined ? 'in ranges' : `SHA-256 ${content.sha256}`
  return `file ${written === undefined ? 'read' : 'written'}: ${pathOf(fields)}, ${content.bytes} bytes, ${digest}`
}
