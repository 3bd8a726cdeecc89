/** Every fault that Sallyport raises by itself has one of these codes; scripts and tests may rely on them. */
export type FaultCode =
  | 'CONFIG_INVALID'
  | 'DATA_FOLDER_IN_USE'
  | 'STORE_UNAVAILABLE'
  | 'SEARCH_UNAVAILABLE'
  | 'AUDIT_APPEND_FAILED'
  | 'SESSION_LOG_FAILED'
  | 'RECORDING_APPEND_FAILED'
  | 'DISK_FULL'
  | 'RECORDING_FORMAT'
  | 'RECORDING_NOT_FOUND'
  | 'RECORDING_LOCKED'
  | 'RECORDING_STORE_UNAVAILABLE'
  | 'RECORDING_STORE_BEHIND'
  | 'RECORDING_ENCRYPTED'
  | 'ISSUER_UNAVAILABLE'
  | 'TOKEN_REFUSED'
  | 'ENGINE_NOT_HARDENED'
  | 'KEY_UNUSABLE'
  | 'KEY_CHANGE_REFUSED'
  | 'CREDENTIAL_USED'
  | 'SSH_PROTOCOL'
  | 'POSTGRES_PROTOCOL'
  | 'UPSTREAM_FAILED'
  | 'PORT_IN_USE'
  | 'GATEWAY_NOT_RUNNING'
  | 'NOT_FOUND'
  | 'EVENTS_INVALID'
  | 'NOTIFY_FAILED'

/**
 * A fault with two texts: `userText` may leave the process and says what to do next, `message` is for the log.
 * Refusals (a wrong code, a denial by policy) are values, not Faults.
 */
export class Fault extends Error {
  readonly code: FaultCode
  readonly userText: string

  constructor(code: FaultCode, userText: string, options: { log?: string; cause?: unknown } = {}) {
    super(options.log ?? userText, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Fault'
    this.code = code
    this.userText = userText
  }
}

/** The text of whatever was thrown, for the log. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
