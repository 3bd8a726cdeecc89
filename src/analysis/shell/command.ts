/** What a shell line says, as far as it can be read without running it. */

/** How we came to a command: `typed` stands in the line, the others were found in what stands there. */
export type CommandSource = 'typed' | 'substitution' | 'code' | 'here-document' | 'decoded'

export type Redirect = {
  /** `>`, `>>`, `>|`, `&>`, `&>>`, `<`, `<>`, `<<<`, `>&`, `<&`. */
  readonly operator: string
  readonly target: string
}

export type Assignment = { readonly name: string; readonly value: string }

/** One simple command (POSIX Shell Command Language, 2.9.1). Quotes are gone; what was not known is left as it stands, such as `$1`. */
export type ShellCommand = {
  /** The program without its folder; empty if the command only assigns or redirects. */
  readonly name: string
  /** The program and its arguments, without wrappers such as `sudo`. */
  readonly argv: readonly string[]
  /** All words of the command, wrappers and their options included. */
  readonly words: readonly string[]
  /** Programs that run it, outermost first, such as `sudo`, `xargs`. */
  readonly wrappers: readonly string[]
  readonly assignments: readonly Assignment[]
  readonly redirects: readonly Redirect[]
  /** Text on its standard input that stands in the line: a here-document, a here-string. */
  readonly input: string
  /** Commands of one pipeline have one number, in order of `position`. */
  readonly pipeline: number
  readonly position: number
  readonly source: CommandSource
}

export type ShellReading = {
  readonly commands: readonly ShellCommand[]
  /** `part`: a limit was reached or a quote is open, so there may be more to it. */
  readonly extent: 'whole' | 'part'
  /** What was encoded in the line (base64, hex, printf, ANSI-C quotes), in clear, one level. */
  readonly decoded: readonly string[]
  /** Spaces or names were written in a way that only hides them, such as `${IFS}` or `c''at`. */
  readonly isObscured: boolean
}
