import type { ScreenCommand } from './command.ts'
import type { CommandQueue, Draft } from './command-queue.ts'
import { type Asker, directoryIn, type KnownPrompts } from './prompt.ts'
import type { ShellScreen } from './shell-screen.ts'

/** What was entered at a prompt, and under which circumstances. */
export type Answer = {
  readonly text: string
  readonly prompt: string
  /** When; where that is not known, it was just now. Microseconds. */
  readonly us?: number | undefined
  /** The first row that the output filled behind it. */
  readonly next?: string | undefined
  /** The shell's line editor was at work. */
  readonly hasEditor?: boolean
  /** The terminal changed its size meanwhile. */
  readonly wasResized?: boolean
  /** Nobody was seen to wait at the prompt. */
  readonly isGuessed?: boolean
}

/** What an answer is: a command, or without a draft where the last one goes on. */
type Read = { readonly draft: Draft | undefined; readonly program: string | undefined }

/** Makes commands of what was entered: it depends on who asked. */
export class Answers {
  readonly #screen: ShellScreen
  readonly #prompts: KnownPrompts
  readonly #queue: CommandQueue

  constructor(screen: ShellScreen, prompts: KnownPrompts, queue: CommandQueue) {
    this.#screen = screen
    this.#prompts = prompts
    this.#queue = queue
  }

  /** A line was entered. */
  enter(answer: Answer): void {
    this.#take(answer, this.#read(answer))
    this.followedBy(answer.next)
  }

  /** A line was interrupted. */
  giveUp(prompt: string): void {
    if (this.#prompts.continuesAs(prompt)) this.#queue.giveUp()
  }

  /** The first row that the output filled behind the last line, if there is one by now. */
  followedBy(row: string | undefined): void {
    if (row !== undefined) this.#queue.followedBy(() => row)
  }

  /** The command that was entered last: what `pending` would be told as, unless the last one goes on with it. */
  running(pending: Answer | undefined): ScreenCommand | undefined {
    const read = pending === undefined ? undefined : this.#read(pending)
    return read?.draft === undefined ? this.#queue.running : this.#queue.preview(read.draft)
  }

  #take({ text, prompt }: Answer, read: Read | undefined): void {
    if (read === undefined) return
    if (read.draft === undefined) return this.#queue.goOn(text, read.program)
    if (read.draft.program === undefined) this.#prompts.learn(prompt)
    this.#queue.add(read.draft)
  }

  /** Undefined where nothing asked for a command. */
  #read(answer: Answer): Read | undefined {
    const { text, prompt, hasEditor = false } = answer
    const asker = this.#queue.askerAfter(this.#prompts.askerOf(prompt, hasEditor), prompt)
    if (asker.kind === 'nobody' || isHidden(text)) return undefined
    if (asker.kind === 'continuation') return { draft: undefined, program: asker.program }
    if (asker.kind === 'shell' && this.#prompts.continuesAs(prompt) && this.#queue.isOpen)
      return { draft: undefined, program: undefined }
    const draft = this.#draftOf(answer, asker)
    return { draft, program: draft.program }
  }

  #draftOf({ text, us, prompt, ...how }: Answer, asker: Asker): Draft {
    const isShell = asker.kind === 'shell'
    return {
      us: us ?? this.#screen.us,
      text,
      program: asker.kind === 'program' ? asker.program : undefined,
      directory: isShell ? directoryIn(prompt) : undefined,
      found: how.hasEditor === true ? 'editor' : 'prompt',
      sure: Math.max(0.1, (isShell ? asker.sure : 0.9) - doubtOf(how)),
    }
  }
}

function doubtOf({ isGuessed = false, wasResized = false, hasEditor = false }: Partial<Answer>): number {
  return (isGuessed ? 0.15 : 0) + (wasResized ? 0.15 : 0) + (hasEditor ? 0 : 0.05)
}

/** Stars and bullets stand for a secret. */
function isHidden(text: string): boolean {
  return /^[*●•·∙⬤]+$/u.test(text.trim())
}
