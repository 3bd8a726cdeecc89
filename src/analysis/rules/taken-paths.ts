/** Paths that go from hand to hand: fetched by one command, made runnable by another, run by a third. */
import type { ShellCommand } from '../shell/command.ts'

export type Taking = 'fetched' | 'made-runnable' | 'run'

const fetchers = new Set([
  'curl',
  'wget',
  'fetch',
  'aria2c',
  'scp',
  'rsync',
  'sftp',
  'nc',
  'ncat',
  'base64',
  'xxd',
  'uudecode',
])
const interpreters = /^(?:sh|bash|dash|zsh|ksh|ash|fish|source|\.|python[\d.]*|perl|ruby|node|php|lua[\d.]*)$/
const runnableMode = /^(?:[ugoa]*\+[rws]*x|[ugoa]*=[rws]*x|0?[1357]\d\d|0?[0-7]?[1357]\d\d)/

/** What a command takes up in this way. Names without a folder may be of any. */
export function takenPaths(command: ShellCommand, taking: Taking): readonly string[] {
  if (taking === 'run') return runBy(command)
  if (taking === 'made-runnable') return madeRunnableBy(command)
  return fetchers.has(command.name) ? fetchedBy(command) : []
}

function fetchedBy({ name, argv, redirects }: ShellCommand): string[] {
  const written = redirects.filter(({ operator }) => operator.startsWith('>')).map(({ target }) => target)
  const named = argv.flatMap((word, at) =>
    /^(?:-o|-O|--output|--output-document|--out)$/.test(word) ? [argv[at + 1] ?? ''] : valueOf(word),
  )
  const operands = argv.slice(1).filter(word => !word.startsWith('-'))
  const remote = operands.filter(word => word.includes('://') || (copies(name) && word.includes(':')))
  const last = operands.at(-1) ?? ''
  const local = copies(name) && remote.length > 0 && !last.includes(':') && !isFolder(last) ? [last] : []
  return [...written, ...named, ...local, ...remote.map(lastName)].filter(isPath)
}

function copies(name: string): boolean {
  return name === 'scp' || name === 'rsync' || name === 'sftp'
}

function valueOf(word: string): string[] {
  const found = /^(?:--output(?:-document)?=|-o(?=[./~\w]))(.+)$/s.exec(word)
  return found === null ? [] : [found[1] ?? '']
}

function isFolder(path: string): boolean {
  return path === '.' || path === '..' || path.endsWith('/')
}

/** `https://a/b/c.sh?x` and `web1:/tmp/c.sh` end in `c.sh`. */
function lastName(place: string): string {
  const [path = ''] = place.replace(/^[a-z]+:\/\/[^/]*/i, '').split(/[?#]/)
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf(':')) + 1)
}

function madeRunnableBy({ name, argv }: ShellCommand): string[] {
  if (name !== 'chmod') return []
  const [mode = '', ...paths] = argv.slice(1).filter(word => !/^-[A-Za-z-]/.test(word))
  return runnableMode.test(mode) ? paths.filter(isPath) : []
}

function runBy({ name, argv }: ShellCommand): string[] {
  const [program = ''] = argv
  if (interpreters.test(name))
    return argv
      .slice(1)
      .filter(word => !word.startsWith('-'))
      .slice(0, 1)
      .filter(isPath)
  return program.includes('/') ? [program] : []
}

function isPath(word: string): boolean {
  return word !== '' && word !== '-' && word !== '/dev/null' && word !== '&1'
}

/** The same file, as far as their names say: one without its folder may be in any. */
export function isSameFile(one: string, other: string): boolean {
  if (one.startsWith('/') && other.startsWith('/')) return one === other
  return baseName(one) === baseName(other)
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
