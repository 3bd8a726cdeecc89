/** One line of the audit log on its way to others. */
export type FeedEvent = {
  /** Its number in the audit log. */
  readonly sequence: number
  /** SHA-256 of its stored line, newline included, in hexadecimal: names it for ever, and proves which line it is. */
  readonly uid: string
  readonly atMs: number
  readonly kind: string
  /** What else it says. Texts are hostile. */
  readonly fields: Readonly<Record<string, unknown>>
}
