/** Watches of sessions that this worker relays, for watchers who are with the gateway. */
import type { LiveWatch } from '../../recorder/live-watch.ts'
import type { Session } from '../../session/session.ts'
import type { WorkerLink } from './ports.ts'

const tooMany = {
  reason: 'ended',
  text: 'This session has as many watchers as there may be. Try again later.',
} as const
const notOpen = { reason: 'ended', text: 'The session has ended.' } as const

export class WorkerWatches {
  readonly #link: WorkerLink
  readonly #watches = new Map<number, LiveWatch>()

  constructor(link: WorkerLink) {
    this.#link = link
  }

  begin(number: number, session: Session | undefined): void {
    const watch = session === undefined || session.ended ? undefined : session.recording.watch()
    if (watch === undefined) {
      this.#link.tell('watchOver', { watch: number, end: session === undefined ? notOpen : tooMany })
      return
    }
    this.#watches.set(number, watch)
    this.#pass(number, watch).catch(() => watch.end({ reason: 'left', text: '' })) // the gateway takes no more
  }

  end(number: number): void {
    this.#watches.get(number)?.end({ reason: 'left', text: '' })
  }

  /** One piece after the other: what waits for the gateway waits in the watch, which is bounded. */
  async #pass(number: number, watch: LiveWatch): Promise<void> {
    try {
      for (;;) {
        const taken = await watch.take()
        if ('reason' in taken) {
          this.#link.tell('watchOver', { watch: number, end: taken })
          return
        }
        await this.#link.ask('watched', { watch: number, lines: [...taken] })
      }
    } finally {
      this.#watches.delete(number)
    }
  }
}
