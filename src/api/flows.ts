import type { Clock } from '../clock.ts'
import type { SignInChecks } from '../identity/issuer.ts'

/** Where a browser goes after the issuer sent it back: pages that we made, named by ids; never to another origin. */
export type ReturnTarget =
  | { readonly to: 'waiting'; readonly id: string }
  | { readonly to: 'sessions' }
  | { readonly to: 'keys' }
  | { readonly to: 'connect' }
  | { readonly to: 'session'; readonly id: string }
  /** Path and query of one of the auditors' pages, which hold all that the page shows; `appPath` has looked at it. */
  | { readonly to: 'app'; readonly path: string }

export type Flow = {
  readonly checks: SignInChecks
  /** Hash of the flow cookie: the answer counts only in the browser that asked. */
  readonly browser: string
  readonly sourceAddress: string
  readonly returnTo: ReturnTarget
  readonly startedAtUs: number
}

/** How long people may take at the issuer, in milliseconds. */
export const flowLifetimeMs = 10 * 60_000

/** Browsers on their way to the issuer, in all and from one address (an office behind one address is many people). */
export const maxFlows = 2000
export const maxFlowsPerSource = 200

/** Who is at the issuer right now, by `state`. In memory: after a restart people press "Sign in" once more. */
export class Flows {
  readonly #clock: Clock
  readonly #flows = new Map<string, Flow>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  hasRoomFor(sourceAddress: string): boolean {
    this.#sweep()
    if (this.#flows.size >= maxFlows) return false
    const fromThere = [...this.#flows.values()].filter(flow => flow.sourceAddress === sourceAddress)
    return fromThere.length < maxFlowsPerSource
  }

  add(flow: Omit<Flow, 'startedAtUs'>): void {
    this.#flows.set(flow.checks.state, { ...flow, startedAtUs: this.#clock.monotonicUs() })
  }

  /** Whether this browser has a flow under way, so that a second tab keeps its cookie. */
  knows(browser: string): boolean {
    this.#sweep()
    return [...this.#flows.values()].some(flow => flow.browser === browser)
  }

  /** Takes the flow that `state` names out, once, and only for the browser that started it. */
  take(state: string, browser: string): Flow | undefined {
    this.#sweep()
    const flow = this.#flows.get(state)
    if (flow === undefined || flow.browser !== browser) return undefined
    this.#flows.delete(state)
    return flow
  }

  #sweep(): void {
    const oldest = this.#clock.monotonicUs() - flowLifetimeMs * 1000
    for (const [state, flow] of this.#flows) {
      if (flow.startedAtUs > oldest) return
      this.#flows.delete(state)
    }
  }
}
