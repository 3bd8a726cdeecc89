import type { OcsfClass, OcsfSeverity, statuses } from './classes.ts'
import type { OcsfObject } from './reading.ts'

/** What one kind of entry becomes. */
export type Mapped = {
  readonly class: OcsfClass
  /** A name of the class's activities; any other is OCSF's 99 with that name. */
  readonly activity: string
  readonly severity: OcsfSeverity
  readonly status?: keyof typeof statuses
  readonly message: string
  /** What the class wants besides. */
  readonly more?: OcsfObject
}

/** Where an event comes from. */
export type Producer = { readonly gateway: string; readonly version: string }
