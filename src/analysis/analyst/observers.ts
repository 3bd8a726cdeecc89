/** Who looks at sessions within the analyst's thread. One line for each. */
import { join } from 'node:path'
import { FindingObserver, type ObserverOptions } from '../findings/observer.ts'
import type { Catalogue } from '../rules/catalogue.ts'
import { PersonWindows } from '../rules/person-windows.ts'
import { WindowKeeper } from '../rules/window-keeper.ts'
import type { SessionObserver } from './session-observer.ts'

export type ObserverParts = {
  readonly catalogue: Catalogue
  /** As the gateway gave it to the thread (`AnalystOptions.observing`): plain data. Left out, nobody looks. */
  readonly observing: unknown
  /** Hears what failed and stopped nothing. */
  readonly onTrouble: (cause: unknown) => void
}

export function openObservers({
  catalogue,
  observing,
  onTrouble,
}: ObserverParts): readonly SessionObserver[] {
  if (observing === undefined) return []
  const options = observing as ObserverOptions
  const keeper = new WindowKeeper(join(options.folder, 'windows'))
  const windows = new PersonWindows(catalogue, options.analysis.off, keeper)
  const onForget = (person: string): void => windows.forget(person)
  return [new FindingObserver(options, catalogue.all, { onForget, onTrouble }), windows]
}
