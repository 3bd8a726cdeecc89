import { readShell } from '../shell/reader.ts'
import type { FoundBy, ScreenCommand } from './command.ts'
import type { Mark } from './marks.ts'
import { expansionOf, refersToHistory } from './history-reference.ts'
import { type Asker, isOpen } from './prompt.ts'
import { withUnseen } from './unseen.ts'

/** A command as the screen shows it. */
export type Draft = {
  readonly us: number
  text: string
  readonly program: string | undefined
  readonly directory: string | undefined
  found: FoundBy
  sure: number
}

type Waiting = Draft & {
  expansion: string | undefined
  awaitsExpansion: boolean
  exitStatus: number | undefined
  isMarked: boolean
  isOver: boolean
}

/** A longer command is cut, with what follows it. */
const maxTextLength = 256 * 1024
/** Where an echo that the recorder saw says the same. */
const confirmed = 0.04
const byMarks = 0.99
/** Programs whose prompt is `> `. */
const asksLikeShell = /^\s*(?:(?:sudo|exec|env)\s+)*(?:\S*\/)?(node|deno|lua(?:jit)?|R)(?:\s|$)/
/** Clients of databases, whose prompts people set. */
const client = /^\s*(?:(?:sudo|exec|env)\s+)*(?:\S*\/)?(mysql|mariadb|psql|sqlite3)(?:\s|$)/
/** From where a shell may be started. */
const leaves = /^\s*(?:\\!|system\b|\.(?:shell|system)\b)/
/** Commands that are remembered to know their repetition. */
const maxBefore = 200
const maxRememberedLength = 1024

/** Puts what was read into commands: lines that belong together, and what marks say of them. The last one may still change. */
export class CommandQueue {
  readonly #channel: number
  readonly #nonce: string | undefined
  #last: Waiting | undefined
  #done: ScreenCommand[] = []
  #directory: string | undefined
  readonly #before = new Set<string>()
  /** The prompt that such a client showed last. */
  #clientPrompt: string | undefined

  constructor(channel: number, nonce: string | undefined) {
    this.#channel = channel
    this.#nonce = nonce
  }

  /** Commands that no longer change; each is given once. */
  take(): ScreenCommand[] {
    const done = this.#done
    this.#done = []
    return done
  }

  /** The last command, as far as it is known by now. */
  get running(): ScreenCommand | undefined {
    return this.#last === undefined ? undefined : this.#finish(this.#last)
  }

  /** What a line would be told as, if it was entered. */
  preview(draft: Draft): ScreenCommand {
    return this.#finish(this.#waiting(draft))
  }

  /** Whether the last command wants another line. */
  get isOpen(): boolean {
    return this.#last !== undefined && !this.#last.isOver && isOpen(this.#last.text)
  }

  /** Some programs ask as shells do for the next line of a command: they were just started, or asked so before. */
  askerAfter(asker: Asker, prompt: string): Asker {
    const last = this.#last
    if (asker.kind === 'shell' && !asker.isKnown) return this.#clientAfter(asker, prompt)
    if (asker.kind !== 'continuation' || last === undefined || this.isOpen) return asker
    const program = last.program ?? asksLikeShell.exec(last.text)?.[1]
    if (program === undefined || !asksLikeShell.test(program)) return asker
    return asker.program === undefined ? { kind: 'program', program } : { kind: 'continuation', program }
  }

  /** A prompt that no shell has shown yet, right after a client of a database was started. */
  #clientAfter(asker: Asker, prompt: string): Asker {
    const last = this.#last
    if (last === undefined) return asker
    if (last.program !== undefined && this.#clientPrompt === prompt)
      return { kind: 'program', program: last.program }
    if (leaves.test(last.text)) return asker
    const started = client.exec(last.text)?.[1]
    const program = last.program ?? (started === 'mariadb' ? 'mysql' : started)
    if (program === undefined || !client.test(program)) return asker
    this.#clientPrompt = prompt
    return { kind: 'program', program }
  }

  /** The title of the terminal was set before the last command runs. */
  spell(title: string): void {
    const last = this.#last
    if (last !== undefined && last.found === 'editor') last.text = withUnseen(last.text, title)
  }

  add(draft: Draft): void {
    this.flush()
    this.#last = this.#waiting(draft)
  }

  #waiting(draft: Draft): Waiting {
    const directory = this.#directory ?? draft.directory
    return {
      ...draft,
      directory,
      expansion: undefined,
      awaitsExpansion: draft.program === undefined && refersToHistory(draft.text),
      exitStatus: undefined,
      isMarked: false,
      isOver: false,
    }
  }

  /** The first row that the output filled after the last command. */
  followedBy(row: () => string): void {
    const last = this.#last
    if (last?.awaitsExpansion !== true) return
    last.awaitsExpansion = false
    last.expansion = expansionOf(last.text, row(), this.#before)
  }

  /** A line at a prompt that asks for more. */
  goOn(text: string, program: string | undefined): void {
    const last = this.#last
    if (last === undefined || last.isMarked || (program !== undefined && program !== last.program)) return
    if (last.text.length + text.length < maxTextLength) last.text += `\n${text}`
  }

  /** The line that was being typed will not run, nor will those before it that it belonged to. */
  giveUp(): void {
    if (this.isOpen && this.#last?.program === undefined) this.#last = undefined
  }

  /** The recorder saw these characters typed and shown one by one. */
  confirm(text: string): void {
    const last = this.#last
    if (last !== undefined && last.found !== 'marks' && last.text === text.trimEnd())
      last.sure = Math.min(0.98, last.sure + confirmed)
  }

  mark(mark: Mark, us: number): void {
    switch (mark.kind) {
      case 'command':
        if (this.#isOurs(mark.nonce)) this.#told(mark.text, us)
        break
      case 'directory':
        if (this.#isOurs(mark.nonce) || this.#nonce === undefined) this.#directory = mark.path
        break
      case 'end':
        if (this.#last !== undefined && (this.#isOurs(mark.nonce) || this.#nonce === undefined))
          this.#end(this.#last, mark.status)
        break
      case 'prompt':
      case 'line':
      case 'output':
        break
    }
  }

  /** The last command is complete. */
  flush(): void {
    const last = this.#last
    this.#last = undefined
    if (last === undefined || last.text.trim() === '') return
    this.#done.push(this.#finish(last))
    this.#remember(last.expansion ?? last.text)
  }

  #remember(text: string): void {
    if (text.length > maxRememberedLength) return
    this.#before.delete(text)
    this.#before.add(text)
    for (const oldest of this.#before) if (this.#before.size > maxBefore) this.#before.delete(oldest)
  }

  #isOurs(nonce: string | undefined): boolean {
    return this.#nonce !== undefined && nonce === this.#nonce
  }

  /** The shell itself says what it is about to run: the line that was just read, only exactly. */
  #told(text: string, us: number): void {
    const last = this.#last
    const isSame = last !== undefined && !last.isMarked && !last.isOver && last.program === undefined
    if (!isSame)
      this.add({ us, text, program: undefined, directory: undefined, found: 'marks', sure: byMarks })
    if (this.#last === undefined) return
    Object.assign(this.#last, {
      text: text.slice(0, maxTextLength),
      found: 'marks',
      sure: byMarks,
      isMarked: true,
    })
  }

  #end(last: Waiting, status: number | undefined): void {
    if (last.isOver || last.program !== undefined) return
    last.isOver = true
    last.exitStatus = status
  }

  #finish(last: Waiting): ScreenCommand {
    const { us, program, directory, expansion, exitStatus, found, sure } = last
    const text = last.text.trimEnd()
    const decoded = program === undefined ? readShell(expansion ?? text).decoded : []
    return {
      channel: this.#channel,
      us,
      text,
      expansion,
      program,
      directory,
      exitStatus,
      found,
      sure: round(sure),
      decoded,
    }
  }
}

function round(sure: number): number {
  return Math.round(sure * 100) / 100
}
