export type ExchangeLimits = {
  /** Requests that wait for their replies; the client is held back beyond it. */
  readonly maxOutstandingRequests: number
  /** Prepared statements, and portals, that are remembered by name. More are refused: what cannot be named cannot be recorded. */
  readonly maxStatements: number
}
