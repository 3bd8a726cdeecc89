/** Time and keys of a replay in this terminal: space pauses, q leaves, + and - change the speed. */
import { plainText } from './terminal-filter.ts'
import { printableLine } from './print.ts'

export type Pace = {
  readonly speed: number
  readonly maxIdleUs: number
  readonly channel: number | undefined
}

/** Skips of at least so long are said. */
const saidSkipUs = 10e6

export class Playback {
  readonly #maxIdleUs: number
  #speed: number
  #paused = false
  #stopped = false
  #wake: () => void = () => {}

  constructor({ speed, maxIdleUs }: Pace) {
    this.#speed = speed
    this.#maxIdleUs = maxIdleUs
  }

  /** Who watches has left. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** A line of our own between what was recorded. */
  say(text: string): void {
    const reset = process.stdout.isTTY ? plainText : ''
    process.stdout.write(`${reset}\r\n── ${printableLine(text)} ──\r\n`)
  }

  /** Waits as long as the session did, but no longer than was asked for, and while it is paused. */
  async wait(us: number): Promise<void> {
    if (us > this.#maxIdleUs && us > saidSkipUs)
      this.say(`skipped ${clockText(us)} in which nothing happened`)
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

  takeKeys(): () => void {
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

/** `h:mm:ss`. */
export function clockText(us: number): string {
  const seconds = Math.floor(us / 1e6)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}
