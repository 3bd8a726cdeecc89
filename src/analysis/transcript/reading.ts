import type { Terminal } from '../../recorder/terminal.ts'
import { Anchors } from './anchors.ts'
import { Answers } from './answers.ts'
import type { CommandQueue } from './command-queue.ts'
import { EarlyLines } from './early-lines.ts'
import { Keystrokes } from './keystrokes.ts'
import { KnownPrompts } from './prompt.ts'
import { ShellScreen } from './shell-screen.ts'

/** What is known of one terminal while commands are read off it; the ways of reading have it in common. */
export class Reading {
  readonly screen: ShellScreen
  readonly prompts = new KnownPrompts()
  readonly keys = new Keystrokes()
  readonly early = new EarlyLines(this.prompts)
  readonly anchors: Anchors
  readonly answers: Answers
  readonly queue: CommandQueue

  constructor(terminal: Terminal, queue: CommandQueue) {
    this.queue = queue
    this.screen = new ShellScreen(terminal)
    this.anchors = new Anchors(this.screen, this.prompts)
    this.answers = new Answers(this.screen, this.prompts, queue)
  }
}
