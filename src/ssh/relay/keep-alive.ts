/** Finds peers that vanished without a word, and keeps firewalls from forgetting quiet connections. */
import { encodeGlobalRequest } from '../messages.ts'
import type { Circuit } from './circuit.ts'
import type { GlobalReply, Leg } from './leg.ts'

/** Intervals that a peer may stay silent for, though it was asked in each; then it is gone. */
const maxSilentIntervals = 3

const noBytes = Buffer.alloc(0)
const nobodyCares: GlobalReply = () => {}

export class KeepAlive {
  readonly #circuit: Circuit
  readonly #timer: NodeJS.Timeout
  #inputWaitIntervals = 0

  constructor(circuit: Circuit) {
    this.#circuit = circuit
    this.#timer = setInterval(() => this.#ask(), circuit.limits.keepAliveIntervalMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #ask(): void {
    const silent = this.#silentLeg()
    if (silent !== undefined) {
      const text = `The ${silent.name} no longer answers.`
      return this.#circuit.session.end({ reason: `the ${silent.name} no longer answers`, userText: text })
    }
    for (const { transport, asked } of this.#countIntervals()) {
      asked.push(nobodyCares)
      transport.send(encodeGlobalRequest('keepalive@openssh.com', true, noBytes))
    }
  }

  /** A leg that we ourselves do not read is not blamed for its silence: the one that holds it back is. */
  #silentLeg(): Leg | undefined {
    const { client, target, inputWaits } = this.#circuit
    this.#inputWaitIntervals = inputWaits.size > 0 ? this.#inputWaitIntervals + 1 : 0
    if (this.#inputWaitIntervals > maxSilentIntervals) return target
    return [client, target].find(leg => !leg.held && leg.silentIntervals >= maxSilentIntervals)
  }

  #countIntervals(): readonly Leg[] {
    const legs = [this.#circuit.client, this.#circuit.target]
    for (const leg of legs) {
      if (!leg.held) leg.silentIntervals++
    }
    return legs
  }
}
