/**
 * How a command was found, from the surest to the least sure: told by the shell through marks that carry the session's nonce;
 * read between a line editor's own begin and end (bracketed paste is switched on and off); read after a prompt.
 */
export type FoundBy = 'marks' | 'editor' | 'prompt'

/** A line that somebody entered at a terminal, as far as the screen tells. An aid for searching: no proof that it ran. */
export type ScreenCommand = {
  readonly channel: number
  /** When it was entered, in microseconds since the session's opening. */
  readonly us: number
  /** As it stood on the screen; the lines of one command are joined with newlines. Written by people and targets: hostile when shown. */
  readonly text: string
  /** What the shell made of references to its history (`!!`), where it said so. */
  readonly expansion: string | undefined
  /** The program that read it, if that was no shell, such as `psql`. */
  readonly program: string | undefined
  /** Where, as marks or the prompt say it: `~/logs` in a prompt stays `~/logs`. */
  readonly directory: string | undefined
  /** Told by marks only. */
  readonly exitStatus: number | undefined
  readonly found: FoundBy
  /** How sure its text is that of a command as entered, 0 to 1: an estimate by the way it was found, not a measured rate. */
  readonly sure: number
  /** What was encoded in it (base64, hex, gzip, printf), in clear, one level. */
  readonly decoded: readonly string[]
}
