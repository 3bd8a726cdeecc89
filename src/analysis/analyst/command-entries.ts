/** Commands: requests of the client as they were sent, and lines of interactive shells as the screen shows them. */
import { channelOf } from '../../recorder/choose-channel.ts'
import { carriesData, commandOf, type EventRecord, type TextEvent } from '../../recorder/event.ts'
import type { CommandDetail } from '../entry.ts'
import { readShell } from '../shell/reader.ts'
import type { ScreenCommand } from '../transcript/command.ts'
import { Transcript } from '../transcript/transcript.ts'
import { type Draft, type Going, momentUs, type Teller } from './teller.ts'

/** Requests that run at once, as many as a connection may have open channels. */
const maxRunning = 64

export class CommandEntries {
  readonly #teller: Teller
  readonly #transcript = new Transcript()
  /** The last line of each terminal, once it was told although it may still run. */
  readonly #early = new Map<number, { readonly us: number; readonly going: Going; last: ScreenCommand }>()
  readonly #execs = new Map<number, { readonly going: Going; exitStatus?: number; blocked?: string }>()
  #isChecking = false

  constructor(teller: Teller) {
    this.#teller = teller
  }

  take(record: EventRecord): void {
    for (const command of this.#transcript.take(record)) this.#complete(command)
    if (!carriesData(record.event)) this.#told(record.us, record.event)
  }

  /** Puts terminals aside until somebody writes to them. Gives the bytes that they take. */
  park(): number {
    return this.#transcript.park()
  }

  end(): void {
    for (const command of this.#transcript.end()) this.#complete(command)
    for (const channel of this.#execs.keys()) this.#finish(channel)
  }

  #told(us: number, event: TextEvent): void {
    const channel = channelOf(event)
    if (channel === undefined) return
    if (event.type === 'input-count') this.#check(us + momentUs)
    else if (event.type === 'exec') this.#start(channel, us, event)
    else if (event.type === 'exit-status') this.#exited(channel, event.fields['status'])
    else if (event.type === 'request-refused') this.#refused(channel, event.fields)
    else if (event.type === 'channel-close') this.#finish(channel)
  }

  // Requests.

  #start(channel: number, us: number, event: TextEvent): void {
    const text = commandOf(event)?.toString() ?? ''
    if (this.#execs.has(channel) || this.#execs.size >= maxRunning || text.trim() === '') return
    const { decoded } = readShell(text)
    const read = (): Draft => {
      const { exitStatus, blocked } = this.#execs.get(channel) ?? {}
      const command: CommandDetail = {
        channel,
        found: 'exec',
        sure: 1,
        ...(exitStatus === undefined ? {} : { exitStatus }),
        ...(blocked === undefined ? {} : { blocked }),
        ...(decoded.length === 0 ? {} : { decoded }),
      }
      return { kind: 'command', us, text, command }
    }
    this.#execs.set(channel, { going: this.#teller.begin(us, read) })
  }

  #refused(channel: number, { request, reason }: Readonly<Record<string, unknown>>): void {
    const exec = this.#execs.get(channel)
    if (exec !== undefined && request === 'exec' && typeof reason === 'string') exec.blocked = reason
  }

  #exited(channel: number, status: unknown): void {
    const exec = this.#execs.get(channel)
    if (exec !== undefined && typeof status === 'number') exec.exitStatus = status
  }

  #finish(channel: number): void {
    const exec = this.#execs.get(channel)
    if (exec !== undefined) this.#teller.finish(exec.going)
    this.#execs.delete(channel)
  }

  // Lines of shells.

  /** Somebody typed: a moment later a command may run that was not told. */
  #check(us: number): void {
    if (this.#isChecking) return
    this.#isChecking = true
    this.#teller.at(us, () => {
      this.#isChecking = false
      for (const command of this.#transcript.running()) this.#tellEarly(command, us)
    })
  }

  #tellEarly(last: ScreenCommand, nowUs: number): void {
    const { channel, us } = last
    if (this.#early.get(channel)?.us === us) return
    if (us + momentUs > nowUs) return this.#check(us + momentUs)
    const early = { us, last, going: { number: undefined, isOver: false, read: () => draftOf(early.last) } }
    this.#early.set(channel, early)
    this.#teller.early(early.going)
  }

  #complete(command: ScreenCommand): void {
    const early = this.#early.get(command.channel)
    if (early?.us !== command.us) return this.#teller.once(draftOf(command))
    this.#early.delete(command.channel)
    early.last = command
    this.#teller.finish(early.going)
  }
}

function draftOf({
  channel,
  us,
  text,
  expansion,
  program,
  directory,
  exitStatus,
  found,
  sure,
  decoded,
}: ScreenCommand): Draft {
  const command: CommandDetail = {
    channel,
    found,
    sure,
    ...(program === undefined ? {} : { program }),
    ...(directory === undefined ? {} : { directory }),
    ...(exitStatus === undefined ? {} : { exitStatus }),
    ...(decoded.length === 0 ? {} : { decoded }),
  }
  const runs = expansion === undefined || expansion === text ? {} : { runs: expansion }
  return { kind: 'command', us, text, command, ...runs }
}
