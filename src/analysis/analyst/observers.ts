/** Who looks at sessions within the analyst's thread. One line for each. */
import type { Catalogue } from '../rules/catalogue.ts'
import type { SessionObserver } from './session-observer.ts'

export type ObserverParts = {
  readonly catalogue: Catalogue
  /** As the gateway gave it to the thread (`AnalystOptions.observing`): plain data. */
  readonly observing: unknown
}

export function openObservers(_parts: ObserverParts): readonly SessionObserver[] {
  return []
}
