/** Programs that run other programs: what they run is what counts. */

/** Options of a wrapper that take a value, as letters, and long ones. */
type Wrapper = { readonly values: string; readonly long?: readonly string[]; readonly operands?: number }

const wrappers: Readonly<Record<string, Wrapper>> = {
  sudo: {
    values: 'ugphCcrtTUDR',
    long: ['--user', '--group', '--host', '--chdir', '--prompt', '--role', '--type'],
  },
  doas: { values: 'uC' },
  env: { values: 'uSC', long: ['--unset', '--chdir'] },
  nohup: { values: '' },
  nice: { values: 'n', long: ['--adjustment'] },
  ionice: { values: 'cnp' },
  time: { values: 'fo' },
  timeout: { values: 'ks', long: ['--signal', '--kill-after'], operands: 1 },
  stdbuf: { values: 'ioe' },
  setsid: { values: '' },
  command: { values: '' },
  builtin: { values: '' },
  exec: { values: 'a' },
  xargs: {
    values: 'IniLPsdEa',
    long: ['--max-args', '--max-procs', '--replace', '--delimiter', '--arg-file'],
  },
  chroot: { values: '', long: ['--userspec'], operands: 1 },
  unshare: { values: 'SG' },
  nsenter: { values: 'tSG', long: ['--target'] },
  busybox: { values: '' },
  toybox: { values: '' },
  flock: { values: 'wE', operands: 1 },
  watch: { values: 'n', long: ['--interval'] },
  runuser: { values: 'ugG' },
  sshpass: { values: 'pfdP' },
  proot: { values: 'rbw' },
  strace: { values: 'eopsuEaPS' },
  ltrace: { values: 'eopsuan' },
}

/** Wrappers inside wrappers. */
const maxWrappers = 8

export type Unwrapped = {
  readonly argv: readonly string[]
  readonly wrappers: readonly string[]
  readonly assignments: readonly { readonly name: string; readonly value: string }[]
}

export function unwrap(words: readonly string[]): Unwrapped {
  let argv = words
  const found: string[] = []
  const assignments: { name: string; value: string }[] = []
  while (found.length < maxWrappers) {
    const name = baseName(argv[0] ?? '')
    const wrapper = Object.hasOwn(wrappers, name) ? wrappers[name] : undefined
    if (wrapper === undefined) break
    const rest = behind(argv, wrapper, assignments)
    if (rest.length === 0) break
    found.push(name)
    argv = rest
  }
  return { argv, wrappers: found, assignments }
}

function behind(
  argv: readonly string[],
  { values, long = [], operands = 0 }: Wrapper,
  assignments: { name: string; value: string }[],
): readonly string[] {
  let at = 1
  let left = operands
  for (; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (word === '--') return argv.slice(at + 1)
    if (word.startsWith('--')) {
      if (long.includes(word)) at++
    } else if (word.startsWith('-') && word.length > 1) {
      if (values.includes(word.slice(-1)) && values.includes(word.charAt(1)) && word.length === 2) at++
    } else if (/^[A-Za-z_]\w*=/.test(word)) {
      const equals = word.indexOf('=')
      assignments.push({ name: word.slice(0, equals), value: word.slice(equals + 1) })
    } else if (left-- <= 0) break
  }
  return argv.slice(at)
}

const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'ksh', 'ash', 'fish', 'rbash', 'mksh'])

/** Shell code in the arguments of a command: `sh -c code`, `eval code`, `ssh host code`, `find -exec …`, `su -c code`. */
export function codeOf(name: string, argv: readonly string[]): string[] {
  if (shells.has(name)) return afterOption(argv, /^-[a-z]*c$/)
  if (name === 'su' || name === 'runuser' || name === 'script')
    return afterOption(argv, /^(?:-[a-z]*c|--command)$/)
  if (name === 'eval') return [argv.slice(1).join(' ')].filter(code => code !== '')
  if (name === 'trap') return [argv[1] ?? ''].filter(code => code !== '' && code !== '-')
  if (name === 'ssh') return codeOfSsh(argv)
  if (name === 'find' || name === 'fd') return codeOfFind(argv)
  if (name === 'watch' || name === 'parallel') return [argv.slice(1).join(' ')]
  return []
}

function afterOption(argv: readonly string[], option: RegExp): string[] {
  const at = argv.findIndex((word, index) => index > 0 && option.test(word))
  const code = at === -1 ? undefined : argv[at + 1]
  return code === undefined || code === '' ? [] : [code]
}

function codeOfSsh(argv: readonly string[]): string[] {
  let at = 1
  for (; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (!word.startsWith('-')) break
    if (/^-[bcDEeFIiJLlmOopQRSWw]$/.test(word)) at++
  }
  const code = argv.slice(at + 1).join(' ')
  return code === '' ? [] : [code]
}

/** Words are quoted again so that they stay words. */
function codeOfFind(argv: readonly string[]): string[] {
  const codes: string[] = []
  for (let at = 0; at < argv.length; at++) {
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(argv[at] ?? '')) continue
    const end = argv.findIndex((word, index) => index > at && (word === ';' || word === '+'))
    const words = argv.slice(at + 1, end === -1 ? argv.length : end)
    codes.push(words.map(quoted).join(' '))
    if (end === -1) break
    at = end
  }
  return codes
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
