/** What a command reads, writes and names, as far as its arguments say. */
import type { ShellCommand } from '../shell/command.ts'

const editors = new Set([
  'ed',
  'ex',
  'vi',
  'vim',
  'nvim',
  'nano',
  'emacs',
  'pico',
  'joe',
  'mcedit',
  'micro',
  'ee',
])
/** All operands are written. */
const overwriters = new Set(['tee', 'truncate', 'shred', 'sponge', 'rm', 'unlink', 'rmdir', 'wipe', 'srm'])
/** The last operand is written. */
const copiers = new Set(['cp', 'mv', 'install', 'ln', 'rsync', 'gcp', 'gmv'])
const writeOperators = new Set(['>', '>>', '>|', '&>', '&>>', '<>'])

/** Arguments that are no options. */
function operandsOf({ argv }: ShellCommand): readonly string[] {
  const operands: string[] = []
  let isLiteral = false
  for (const word of argv.slice(1)) {
    if (!isLiteral && word === '--') isLiteral = true
    else if (isLiteral || !word.startsWith('-') || word === '-') operands.push(word)
  }
  return operands
}

function optionsOf({ argv }: ShellCommand): readonly string[] {
  const end = argv.indexOf('--')
  return argv.slice(1, end === -1 ? undefined : end).filter(word => word.startsWith('-') && word !== '-')
}

/** Paths that are written, made, emptied or removed. */
function writtenBy(command: ShellCommand): readonly string[] {
  const redirected = command.redirects.filter(({ operator }) => writeOperators.has(operator))
  return [...redirected.map(({ target }) => target), ...writtenByArguments(command)].map(normal)
}

function writtenByArguments(command: ShellCommand): readonly string[] {
  const { name, argv } = command
  const operands = operandsOf(command)
  if (overwriters.has(name) || editors.has(name)) return operands
  if (copiers.has(name)) return operands.length > 1 ? operands.slice(-1) : []
  if (name === 'dd') return argv.filter(word => word.startsWith('of=')).map(word => word.slice(3))
  if (name === 'sed' || name === 'perl' || name === 'gsed')
    return argv.some(word => /^-(?:i|[a-zA-Z]*i$|-in-place)/.test(word)) ? operands.slice(1) : []
  if (name === 'curl') return valuesOf(argv, ['-o', '--output'])
  if (name === 'wget') return valuesOf(argv, ['-O', '--output-document'])
  if (name === 'visudo' || name === 'vipw') return [name === 'vipw' ? '/etc/passwd' : '/etc/sudoers']
  return []
}

/** Paths that a command names: operands, values of `--x=path` and `if=path`, redirects. */
function namedBy(command: ShellCommand): readonly string[] {
  const words = command.argv.slice(1).map(word => word.replace(/^(?:--?\w[\w-]*|[a-z]+)=/, ''))
  return [...words, ...command.redirects.map(({ target }) => target)].map(normal)
}

function valuesOf(argv: readonly string[], options: readonly string[]): string[] {
  return argv.flatMap((word, at) => (options.includes(word) ? [argv[at + 1] ?? ''] : []))
}

/** One spelling for one path: `$HOME` is `~`, two slashes are one. */
function normal(path: string): string {
  return path
    .replace(/^\$\{?HOME\}?(?=\/|$)/, '~')
    .replaceAll(/\/\/+/g, '/')
    .replaceAll('/./', '/')
}

/** A command, and what its words say, each worked out once at most. */
export class SeenCommand {
  readonly command: ShellCommand
  #operands: readonly string[] | undefined
  #options: readonly string[] | undefined
  #written: readonly string[] | undefined
  #named: readonly string[] | undefined
  #small: readonly string[] | undefined

  constructor(command: ShellCommand) {
    this.command = command
  }

  get operands(): readonly string[] {
    return (this.#operands ??= operandsOf(this.command))
  }

  get options(): readonly string[] {
    return (this.#options ??= optionsOf(this.command))
  }

  get written(): readonly string[] {
    return (this.#written ??= writtenBy(this.command))
  }

  get named(): readonly string[] {
    return (this.#named ??= namedBy(this.command))
  }

  /** Arguments and input, in small letters. */
  get small(): readonly string[] {
    return (this.#small ??= [...this.command.argv.slice(1), this.command.input].map(word =>
      word.toLowerCase(),
    ))
  }
}
