/** `sallyport play`: replays a session in the terminal. */
import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import { carriesData, commandOf, type EventRecord } from '../recorder/event.ts'
import { readRecording, type RecordingReader } from '../recorder/reader.ts'
import { printableLine } from './print.ts'
import { openAccess, resolveId } from './access.ts'
import { configOption, configFileOf, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway.ts'
import { TerminalFilter, terminalReset } from './terminal-filter.ts'

type PlayOptions = WithConfig & {
  speed: string
  idle: string
  at?: string
  command?: string
  list?: boolean
  channel?: string
}

export function addPlay(program: Command): void {
  configOption(
    program
      .command('play')
      .description('replay a session in this terminal; space pauses, q leaves, + and - change the speed')
      .argument('<session>', 'the id of a session, or "last"')
      .option('--speed <factor>', 'how fast', '1')
      .option('--idle <seconds>', 'pauses are cut to this length; 0 keeps none', '2')
      .option('--at <time>', 'start there: seconds or h:mm:ss from the beginning')
      .option('--command <number>', 'start at this command of --list')
      .option('--list', 'list the commands instead of playing')
      .option('--channel <number>', 'only this channel'),
  ).action(play)
}

async function play(id: string, options: PlayOptions): Promise<void> {
  const access = await openAccess(requireConfig(configFileOf(options)))
  try {
    const file = await access.read(await resolveId(access, id), 'play')
    const recording = readRecording(file)
    try {
      if (options.list === true) listCommands(recording)
      else await new Player(recording, pace(options)).run(await startOf(file, options))
    } finally {
      recording.close()
    }
  } finally {
    await access.close()
  }
}

type Pace = { speed: number; maxIdleUs: number; channel: number | undefined }

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

async function startOf(file: string, options: PlayOptions): Promise<number> {
  if (options.at !== undefined) return parseInstantUs(options.at)
  if (options.command === undefined) return 0
  const recording = readRecording(file)
  try {
    const number = numberOf(options.command, '--command', 1)
    const command = [...commandsOf(recording)][number - 1]
    if (command === undefined)
      throw new Fault('NOT_FOUND', `There is no command ${number}. "--list" shows them.`)
    return Math.max(0, command.us - 500_000)
  } finally {
    recording.close()
  }
}

/** Exec requests as they were sent, and lines typed in a terminal as far as the screen showed them. */
function* commandsOf(recording: RecordingReader): Generator<{ us: number; text: string }> {
  for (const { us, event } of recording.events()) {
    const command = commandOf(event)
    if (command !== undefined) yield { us, text: command.toString() }
    else if (event.type === 'typed' && 'fields' in event) yield { us, text: String(event.fields['text']) }
  }
}

function listCommands(recording: RecordingReader): void {
  let number = 0
  for (const { us, text } of commandsOf(recording)) {
    process.stdout.write(`${String(++number).padStart(4)}  ${clockText(us)}  ${printableLine(text)}\n`)
  }
  if (number === 0) process.stdout.write('No commands were recorded.\n')
}

function clockText(us: number): string {
  const seconds = Math.floor(us / 1e6)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

class Player {
  readonly #recording: RecordingReader
  readonly #filters = new Map<string, TerminalFilter>()
  readonly #channel: number | undefined
  readonly #maxIdleUs: number
  #speed: number
  #paused = false
  #stopped = false
  #wake: () => void = () => {}

  constructor(recording: RecordingReader, { speed, maxIdleUs, channel }: Pace) {
    this.#recording = recording
    this.#speed = speed
    this.#maxIdleUs = maxIdleUs
    this.#channel = channel
  }

  async run(startUs: number): Promise<void> {
    const release = this.#takeKeys()
    try {
      await this.#play(startUs)
    } finally {
      release()
      if (process.stdout.isTTY) process.stdout.write(`${terminalReset}\n`)
    }
  }

  async #play(startUs: number): Promise<void> {
    this.#say(this.#headline())
    let shownUs = startUs
    for (const record of this.#recording.events()) {
      if (record.us > startUs) await this.#wait(record.us - shownUs)
      if (this.#stopped) return
      shownUs = Math.max(shownUs, record.us)
      this.#show(record)
    }
    this.#say(
      this.#recording.end?.kind === 'sealed' ? 'end of the recording' : 'the recording has no end (yet)',
    )
  }

  #headline(): string {
    const { principal, login, target, openedAt } = this.#recording.header
    return `${principal.name} as ${login}@${target.name}, ${openedAt}`
  }

  #say(text: string): void {
    const reset = process.stdout.isTTY ? terminalReset : ''
    process.stdout.write(`${reset}\r\n── ${printableLine(text)} ──\r\n`)
  }

  #show({ event }: EventRecord): void {
    if (carriesData(event)) {
      if (event.type === 'input' || (this.#channel !== undefined && event.channel !== this.#channel)) return
      process.stdout.write(this.#filter(`${event.channel} ${event.type}`).push(event.data))
      return
    }
    const command = commandOf(event)
    if (command !== undefined) this.#say(`command: ${command.toString()}`)
    else if (event.type === 'shell') this.#say('shell')
    else if (event.type === 'request-refused') this.#say(`refused: ${String(event.fields['request'])}`)
  }

  #filter(stream: string): TerminalFilter {
    const filter = this.#filters.get(stream) ?? new TerminalFilter()
    this.#filters.set(stream, filter)
    return filter
  }

  async #wait(us: number): Promise<void> {
    if (us > this.#maxIdleUs && us > 10e6) this.#say(`skipped ${clockText(us)} in which nothing happened`)
    const sleepMs = Math.min(us, this.#maxIdleUs) / 1000 / this.#speed
    if (sleepMs >= 1) await this.#sleep(sleepMs)
    while (this.#paused && !this.#stopped) await this.#sleep(2 ** 30)
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #takeKeys(): () => void {
    if (!process.stdin.isTTY) return () => {}
    const onKey = (data: Buffer): void => this.#key(data.toString())
    process.stdin.setRawMode(true).resume().on('data', onKey)
    return () => process.stdin.off('data', onKey).setRawMode(false).pause()
  }

  #key(key: string): void {
    if (key === ' ') this.#paused = !this.#paused
    if (key === '+') this.#speed *= 2
    if (key === '-') this.#speed /= 2
    if (key === 'q' || key === '\x03') this.#stopped = true
    this.#wake()
  }
}
