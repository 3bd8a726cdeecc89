import type { Clock } from '../clock.ts'
import type { SignInChecks } from '../identity/issuer.ts'
import { sourceNetwork } from '../identity/source-network.ts'

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

/** Browsers on their way to the issuer, in all and from one source (an office behind one address is many people). */
export const maxFlows = 2000
export const maxFlowsPerSource = 200

/** `source`: as limits count, so that who has a whole network of IPv6 is one. */
type Kept = Flow & { readonly source: string }

/** Who is at the issuer right now, by `state`. In memory: after a restart people press "Sign in" once more. */
export class Flows {
  readonly #clock: Clock
  readonly #flows = new Map<string, Kept>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  hasRoomFor(sourceAddress: string): boolean {
    this.#sweep()
    const own = this.#bySource().get(sourceNetwork(sourceAddress))?.length ?? 0
    if (own >= maxFlowsPerSource) return false
    return this.#flows.size < maxFlows || this.#largest().length >= own + 2
  }

  /** Of a source that has fewer than another, one is let in at the limit, too: the oldest of that other's goes. False if there is no room. */
  add(flow: Omit<Flow, 'startedAtUs'>): boolean {
    if (!this.hasRoomFor(flow.sourceAddress)) return false
    const [oldest] = this.#flows.size < maxFlows ? [] : this.#largest()
    if (oldest !== undefined) this.#flows.delete(oldest.checks.state)
    const source = sourceNetwork(flow.sourceAddress)
    this.#flows.set(flow.checks.state, { ...flow, source, startedAtUs: this.#clock.monotonicUs() })
    return true
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

  #bySource(): ReadonlyMap<string, readonly Kept[]> {
    return Map.groupBy(this.#flows.values(), ({ source }) => source)
  }

  /** Of the source that has most of them, the oldest first. */
  #largest(): readonly Kept[] {
    const [first = [], ...rest] = this.#bySource().values()
    return rest.reduce((most, one) => (one.length > most.length ? one : most), first)
  }

  #sweep(): void {
    const oldest = this.#clock.monotonicUs() - flowLifetimeMs * 1000
    for (const [state, flow] of this.#flows) {
      if (flow.startedAtUs > oldest) return
      this.#flows.delete(state)
    }
  }
}
