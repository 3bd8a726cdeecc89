/** What a baseline is told of: one command or statement of one person. */
export type ActivityEvent = {
  readonly principal: string
  readonly target: string
  readonly protocol: string
  /** Unix time in ms. */
  readonly atMs: number
  /** The command line or the statement. */
  readonly text: string
}
