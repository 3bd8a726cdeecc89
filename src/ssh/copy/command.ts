/**
 * Recognises commands that move files, by how clients spell them: scp's legacy protocol, rsync and git. A description for the
 * recording and no permission: what a target really runs under that name is the target's.
 */
export type Copy = {
  readonly program: 'scp' | 'rsync' | 'git'
  readonly direction: 'to-target' | 'from-target'
  readonly paths: readonly string[]
}

/** Longer commands are not looked into; they are recorded whole all the same. */
const maxCommandBytes: number = 32 * 1024
/** More names are in the command itself. */
const maxPaths = 100

const gitPrograms: ReadonlyMap<string, Copy['direction']> = new Map([
  ['git-upload-pack', 'from-target'],
  ['git-upload-archive', 'from-target'],
  ['git-receive-pack', 'to-target'],
])

/** What the command copies, or undefined if it is none of these programs, or more than one plain command. */
export function copyOf(command: Buffer): Copy | undefined {
  if (command.length > maxCommandBytes) return undefined
  const [name, ...rest] = plainCommand(command)
  if (name === undefined) return undefined
  if (name === 'scp') return scpOf(rest)
  if (name === 'rsync') return rsyncOf(rest)
  return gitOf(name === 'git' ? `git-${rest[0] ?? ''}` : name, name === 'git' ? rest.slice(1) : rest)
}

/** Whether the command is the program behind the subsystem sftp, as `sftp -s` and graphical clients start it. */
export function isSftpServer(command: Buffer): boolean {
  return command.length <= maxCommandBytes && plainCommand(command)[0] === 'sftp-server'
}

/** The program's name without its folder, and its arguments; nothing if there is more to the command than that. */
function plainCommand(command: Buffer): readonly string[] {
  const [path, ...rest] = withoutSudo(wordsOf(command.toString('utf8')) ?? [])
  return path === undefined ? [] : [path.slice(path.lastIndexOf('/') + 1), ...rest]
}

/** `sudo [-n] [-u USER] [--]`, in front of rsync and sftp-server more often than not. */
function withoutSudo(words: readonly string[]): readonly string[] {
  if (words[0] !== 'sudo') return words
  let at = 1
  while (words[at]?.startsWith('-') === true) at += words[at] === '-u' ? 2 : 1
  return words.slice(at)
}

/** `scp [-v] [-r] [-p] [-d] -t|-f [--] PATH…`, as scp starts itself on the other side. */
function scpOf(words: readonly string[]): Copy | undefined {
  const options = optionsOf(words)
  if (!options.every(option => /^-[-vrpdqtf]+$/.test(option))) return undefined
  const letters = options.join('')
  if (letters.includes('t') === letters.includes('f')) return undefined
  const direction = letters.includes('t') ? 'to-target' : 'from-target'
  return { program: 'scp', direction, paths: words.slice(options.length, options.length + maxPaths) }
}

/** Leading options; `--` ends them and belongs to them. */
function optionsOf(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--')
  const plain = words.findIndex(word => !word.startsWith('-') || word === '-')
  if (end !== -1 && (plain === -1 || end < plain)) return words.slice(0, end + 1)
  return words.slice(0, plain === -1 ? words.length : plain)
}

/** `rsync --server [--sender] OPTIONS . PATH…` (rsync's options.c, server_options). */
function rsyncOf(words: readonly string[]): Copy | undefined {
  if (words[0] !== '--server') return undefined
  const direction = words.includes('--sender') ? 'from-target' : 'to-target'
  const dot = words.indexOf('.')
  return { program: 'rsync', direction, paths: dot === -1 ? [] : words.slice(dot + 1, dot + 1 + maxPaths) }
}

function gitOf(name: string, words: readonly string[]): Copy | undefined {
  const direction = gitPrograms.get(name)
  if (direction === undefined) return undefined
  return { program: 'git', direction, paths: words.filter(word => !word.startsWith('--')).slice(0, maxPaths) }
}

/** What separates commands, substitutes or redirects: then there is more to it than one program's arguments. */
const shellSyntax = /[;&|<>()`$\n\r\0]/

/** The words of one plain command, as a shell would split and unquote them; undefined for anything more. */
export function wordsOf(text: string): readonly string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length; ) {
    const piece = pieceAt(text, at)
    if (piece === undefined) return undefined
    at = piece.next
    if (piece.text !== undefined) word = (word ?? '') + piece.text
    else if (word !== undefined) {
      words.push(word)
      word = undefined
    }
  }
  return word === undefined ? words : [...words, word]
}

/** Text that belongs to a word, or undefined text where words are parted. */
type Piece = { readonly text: string | undefined; readonly next: number }

function pieceAt(text: string, at: number): Piece | undefined {
  const character = text[at] ?? ''
  if (character === "'") return singleQuoted(text, at + 1)
  if (character === '"') return doubleQuoted(text, at + 1)
  if (character === '\\') return escaped(text, at + 1)
  if (shellSyntax.test(character)) return undefined
  return { text: character === ' ' || character === '\t' ? undefined : character, next: at + 1 }
}

function escaped(text: string, at: number): Piece | undefined {
  const character = text[at]
  return character === undefined || character === '\n' ? undefined : { text: character, next: at + 1 }
}

function singleQuoted(text: string, at: number): Piece | undefined {
  const end = text.indexOf("'", at)
  return end === -1 ? undefined : { text: text.slice(at, end), next: end + 1 }
}

function doubleQuoted(text: string, from: number): Piece | undefined {
  let quoted = ''
  for (let at = from; at < text.length; at++) {
    const character = text[at] ?? ''
    if (character === '"') return { text: quoted, next: at + 1 }
    if (character === '$' || character === '`') return undefined
    if (character === '\\' && '"\\$`'.includes(text[at + 1] ?? ' ')) quoted += text[++at] ?? ''
    else quoted += character
  }
  return undefined
}
