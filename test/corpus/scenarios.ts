/** What people do at a shell, as keys. Each scenario begins in a fresh home, at the first prompt. */
import { mariadbScenarios } from './mariadb.ts'
import { screenScenarios } from './screen.ts'
import { marksRc } from './snippet.ts'
import type { ShellName } from './shells.ts'

/** Keys one after the other; bytes at once; a pause; a new size. After each the screen settles, unless `ahead`. */
export type Step =
  | string
  | { readonly at: string; readonly ahead?: true }
  | { readonly ms: number }
  | { readonly columns: number; readonly rows: number }

export type Scenario = {
  readonly name: string
  readonly class: string
  readonly steps: readonly Step[]
  readonly rc?: (shell: ShellName) => string
  readonly size?: readonly [number, number]
  readonly repl?: readonly string[]
  readonly secrets?: readonly string[]
  /** What the shell keeps in its history though it never ran it. */
  readonly notRun?: readonly string[]
  readonly nonce?: string
  readonly only?: readonly ShellName[]
  /** A server that it talks to. */
  readonly needs?: 'postgres' | 'mariadb'
}

const [up, down, right, left, home, end, escape] = [
  '\x1b[A',
  '\x1b[B',
  '\x1b[C',
  '\x1b[D',
  '\x01',
  '\x05',
  '\x1b',
]
const [killLine, killWord, clear, search, interrupt, endOfFile] = [
  '\x15',
  '\x17',
  '\x0c',
  '\x12',
  '\x03',
  '\x04',
]
const back = (count: number): string => '\x7f'.repeat(count)
const run = (...lines: readonly string[]): string[] => lines.map(line => `${line}\r`)
const pasted = (text: string): Step => ({ at: `\x1b[200~${text}\x1b[201~` })
const posix: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'dash']
const editors: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'fish']
const readline: readonly ShellName[] = ['bash', 'bash-plain']
const long =
  'echo the quick brown fox jumps over the lazy dog and runs through the forest until the night comes and then sleeps'
const secret = 'Tr0ub4dor-and-3'

/** Short visits of administrators, no tricks. */
const everyday: readonly (readonly [string, readonly string[]])[] = [
  ['look around', ['ls', 'pwd', 'whoami']],
  ['logs', ['cd logs', 'tail -n 3 app.log', 'grep "line 5" app.log | wc -l']],
  ['files', ['mkdir -p work/a', 'touch work/a/f1 work/a/f2', 'ls -la work/a', 'rm -r work']],
  ['moving', ['cd projects/alpha', 'pwd', 'cd ../..', 'cd /tmp', 'cd']],
  [
    'pipes',
    ['cat notes.txt | sort -r | head -1', 'cut -d, -f1 report.csv', "awk -F, '{print $2}' report.csv"],
  ],
  ['quotes', [`echo "it's fine"`, `echo 'a "quoted" word'`, 'echo a\\ b', 'echo "$HOME"']],
  ['redirects', ['echo one > out.txt', 'echo two >> out.txt', 'cat < out.txt', 'ls nothing 2> /dev/null']],
  ['failing', ['ls /nowhere', 'nosuchcommand --help', 'cat missing.txt']],
  ['long output', ['seq 1 100', 'cat logs/app.log', 'echo done']],
  ['disk', ['df -h /', 'du -sh logs', 'uname -s']],
  ['processes', ['ps', 'sleep 0.2', 'kill -l | head -2']],
  ['lists', ['true && echo yes', 'false || echo no', 'echo a; echo b']],
  ['environment', ['env | grep -c HOME', 'export EDITOR=vi', 'echo $EDITOR']],
  ['find', ['find . -name "*.log"', 'find logs -type f | xargs wc -l', 'ls *.csv']],
  [
    'prompt lookalikes',
    ["echo '$ not a command'", "printf 'dana@web1:~$ rm -rf /\\n'", "echo '> neither'", 'echo end'],
  ],
  ['no newline at the end', ['printf abc', 'echo next', "printf 'x> '", 'echo after']],
  [
    'colours',
    [
      "printf '\\033[31mred\\033[0m\\n'",
      'ls --color=always',
      'grep --color=always line logs/app.log | tail -2',
    ],
  ],
  ['same twice', ['date +%Y', 'date +%Y', 'date +%Y']],
  ['comments and blanks', ['# just a note', '  echo indented', 'echo trailing   ', '']],
  ['editor of streams', ["sed -n '2p' notes.txt", "sed 's/o/0/g' notes.txt", 'tr a-z A-Z < notes.txt']],
  ['archive', ['tar czf all.tgz logs notes.txt', 'tar tzf all.tgz', 'sha256sum notes.txt | cut -c1-8']],
  ['versions', ['python3 --version', 'git --version', 'bash --version | head -1']],
  ['text that moves', ["printf 'a\\tb\\rc\\n'", "printf 'abc\\b\\b\\n'", 'echo ok']],
  ['background', ['sleep 5 &', 'echo meanwhile', 'kill %1']],
]

const everyShell: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'fish', 'dash']

type Within = readonly [
  name: string,
  steps: readonly Step[],
  only?: readonly ShellName[],
  size?: readonly [number, number],
]

/** Behind `^B`, tmux takes a key for itself. */
const tmux: readonly Within[] = [
  ['look around', run('ls', 'cd logs', 'pwd', 'tail -n 3 app.log', 'echo "it is fine" | wc -c')],
  ['long output', run('seq 1 60', 'cat logs/app.log', 'echo after', 'ls nothing')],
  ['cleared', run('ls', 'clear', 'pwd', 'clear', 'echo end')],
  [
    'edited',
    [`ecko x${back(4)}ho \r`, `ls logs${left.repeat(4)}-l \r`, `${up}\r`, `xx${killLine}pwd\r`],
    editors,
  ],
  ['completed', ['cat not\t\r', 'ls l\t\t\r', 'pwd\r'], editors],
  ['interrupted', [`rm -rf /${interrupt}`, 'ls\r', { at: 'sleep 9\r' }, interrupt, 'pwd\r'], posix],
  ['wrapped', run(long, 'pwd', long), everyShell, [50, 14]],
  [
    'panes side by side',
    ['ls\r', '\x02%', { ms: 700 }, 'pwd\r', 'seq 1 40\r', '\x02o', 'echo first\r', '\x02o', 'exit\r'],
  ],
  [
    'panes one above the other',
    ['ls\r', '\x02"', { ms: 700 }, 'seq 1 30\r', 'pwd\r', '\x02o', 'echo upper\r', '\x02;', 'exit\r'],
  ],
  ['copy mode', ['seq 1 50\r', 'echo ha', '\x02[', `${up}${up}${up}`, 'q', 'lf\r', 'pwd\r']],
  ['windows', ['ls\r', '\x02c', { ms: 700 }, 'echo second\r', '\x02p', 'pwd\r', '\x02n', 'exit\r']],
  ['left and entered again', ['ls\r', '\x02d', 'echo outside\r', 'tmux attach\r', { ms: 400 }, 'pwd\r']],
  [
    'vim within',
    ['vim -u NONE -i NONE x.txt\r', 'idana@web1:~$ rm -rf /\r$ ls\r', escape, ':wq\r', 'cat x.txt\r'],
  ],
  ['pasted', ['pwd\r', { at: 'ls -la logs\r' }, { at: 'echo one\recho two\r' }, 'echo end\r']],
]

/** As people set tmux up: everything elsewhere than it is at first. */
const ownTmux =
  'set -g status-position top; set -g prefix C-a; set -g pane-border-status top; setw -g mode-keys vi'

const general: readonly Scenario[] = [
  ...everyday.map(([name, lines]) => ({ name, class: 'everyday', steps: run(...lines) })),
  {
    name: 'small screen',
    class: 'everyday',
    size: [60, 8],
    steps: run('ls', 'seq 1 30', 'pwd', 'echo bottom', 'ls logs'),
  },
  { name: 'wide screen', class: 'everyday', size: [200, 50], steps: run('ls', 'pwd', long) },

  {
    name: 'backspace',
    class: 'editing',
    steps: [`lss${back(1)}\r`, `echo wrogn${back(2)}ng\r`, `abc${back(3)}pwd\r`],
  },
  {
    name: 'kill line',
    class: 'editing',
    steps: [`rm -rf /${killLine}ls\r`, `echo one two${killWord}three\r`],
  },
  {
    name: 'backspace to nothing',
    class: 'editing',
    steps: [`ls${back(2)}\r`, 'pwd\r', `${back(4)}echo x\r`],
  },
  { name: 'blank lines', class: 'editing', steps: ['\r', '\r', 'ls\r', '\r', 'pwd\r'] },
  {
    name: 'cursor in the middle',
    class: 'editing',
    only: editors,
    steps: [`ls logs${left.repeat(4)}-l \r`, `ho ok${home}ec${end}!\r`],
  },
  {
    name: 'insert at the beginning',
    class: 'editing',
    only: editors,
    steps: [`ls -la${home}echo \r`, `file${home}touch new${end}.txt\r`],
  },
  {
    name: 'kill and yank',
    class: 'editing',
    only: editors,
    steps: [`two echo${killWord}${home}\x19 ${end}\r`, `echo abc${killWord}${killLine}pwd\r`],
  },
  {
    name: 'delete forward',
    class: 'editing',
    only: editors,
    steps: [`xxecho hi${home}\x1b[3~\x1b[3~\r`, `echo abXXcd${left.repeat(4)}\x1b[3~\x1b[3~\r`],
  },
  {
    name: 'words',
    class: 'editing',
    only: editors,
    steps: [`echo one two three${escape}b${escape}bX\r`, `echo aa bb${escape}\x7fcc\r`],
  },
  { name: 'transpose', class: 'editing', only: readline, steps: ['echo ab\x14\r', `sl\x14\r`] },
  {
    name: 'screen cleared',
    class: 'editing',
    only: editors,
    steps: ['ls\r', `echo kept${clear} on\r`, clear, 'pwd\r'],
  },
  { name: 'clear command', class: 'editing', steps: run('ls', 'clear', 'pwd', 'echo after') },
  { name: 'undo', class: 'editing', only: readline, steps: ['echo abc def\x1f\r', 'pwd\r'] },

  {
    name: 'interrupted',
    class: 'cancelled',
    steps: [`rm -rf /${interrupt}`, 'ls\r', `echo half${interrupt}`, 'pwd\r'],
  },
  {
    name: 'interrupted program',
    class: 'cancelled',
    steps: [{ at: 'sleep 30\r' }, interrupt, 'echo free\r'],
  },
  {
    name: 'interrupted in the middle',
    class: 'cancelled',
    only: editors,
    steps: [`rm -rf /tmp/x${left.repeat(5)}${interrupt}`, 'pwd\r'],
  },
  {
    name: 'end of file',
    class: 'cancelled',
    only: posix,
    steps: [{ at: 'cat\r' }, 'typed to cat\r', endOfFile, 'pwd\r', endOfFile],
  },
  { name: 'left by exit', class: 'cancelled', steps: ['ls\r', { at: 'exit\r' }] },

  { name: 'complete a name', class: 'completion', only: editors, steps: ['cat not\t\r', 'ls proj\talp\t\r'] },
  { name: 'complete a command', class: 'completion', only: editors, steps: ['whoa\t\r', 'pwd\r'] },
  {
    name: 'list of completions',
    class: 'completion',
    only: readline,
    rc: () => 'touch data1 data2 data3\n',
    steps: ['cat da\t\t\t1\r', 'ls da\t\t2\r'],
  },
  {
    name: 'menu of completions',
    class: 'completion',
    only: ['zsh', 'fish'],
    rc: () => 'touch data1 data2 data3\n',
    steps: ['cat da\t\t\r', 'ls da\t\r', 'pwd\r'],
  },
  {
    name: 'list and think again',
    class: 'completion',
    only: editors,
    rc: () => 'touch data1 data2\n',
    steps: [`cat da\t\t${killLine}pwd\r`, 'ls\r'],
  },
  { name: 'no completion', class: 'completion', only: editors, steps: ['cat zzz\t\r', 'ls logs/a\t\r'] },
  {
    name: 'long list of completions',
    class: 'completion',
    only: editors,
    size: [80, 12],
    rc: () => 'touch data{1,2,3,4,5,6,7,8}file\n',
    steps: [`cat data\t\t1\t\r`, 'pwd\r'],
  },
  { name: 'variables', class: 'completion', only: readline, steps: ['echo $HOM\t\r', 'ls\r'] },

  {
    name: 'up',
    class: 'history',
    only: editors,
    steps: ['echo one\r', 'echo two\r', `${up}\r`, `${up}${up}${up}\r`],
  },
  {
    name: 'up and change',
    class: 'history',
    only: editors,
    steps: ['echo one\r', `${up}${back(3)}three\r`, `${up}${home}x${'\x1b[3~'.repeat(1)}${end}\r`],
  },
  {
    name: 'up and down',
    class: 'history',
    only: editors,
    steps: [
      'echo a long first command\r',
      'ls\r',
      `${up}${up}${down}\r`,
      `${up}${up}${up}${down}${down}${down}pwd\r`,
    ],
  },
  {
    name: 'search',
    class: 'history',
    only: ['bash', 'bash-plain', 'zsh'],
    steps: ['echo alpha beta\r', 'ls logs\r', `${search}alph\r`, `${search}logs${end} -l\r`],
  },
  {
    name: 'search twice',
    class: 'history',
    only: ['bash', 'bash-plain', 'zsh'],
    steps: ['echo first x\r', 'echo second x\r', `${search}echo${search}\r`],
  },
  {
    name: 'search given up',
    class: 'history',
    only: ['bash', 'bash-plain', 'zsh'],
    steps: ['echo alpha\r', `${search}alp\x07`, 'pwd\r', `${search}zzz${interrupt}`, 'ls\r'],
  },
  {
    name: 'bang',
    class: 'history',
    only: ['bash', 'bash-plain', 'zsh'],
    steps: ['echo one\r', '!!\r', 'echo two !$\r'],
  },
  {
    name: 'last argument',
    class: 'history',
    only: readline,
    steps: ['ls logs/app.log\r', `wc -l ${escape}.\r`],
  },
  {
    name: 'suggestion not taken',
    class: 'history',
    only: ['fish'],
    steps: ['echo alpha beta gamma\r', 'echo alpha\r', 'ls logs\r', 'ls\r'],
  },
  {
    name: 'suggestion taken',
    class: 'history',
    only: ['fish'],
    steps: ['echo alpha beta gamma\r', `echo al${right}\r`],
  },
  { name: 'prefix search', class: 'history', only: ['fish'], steps: ['echo alpha\r', 'ls\r', `echo${up}\r`] },

  {
    name: 'vi: motions',
    class: 'vi',
    only: ['bash', 'bash-plain', 'zsh'],
    rc: shell => (shell === 'zsh' ? 'bindkey -v\n' : 'set -o vi\n'),
    steps: ['ls\r', `echo one two${escape}`, 'bcwthree\r', `ecko hi${escape}`, '0llrh\r'],
  },
  {
    name: 'vi: history',
    class: 'vi',
    only: ['bash', 'bash-plain', 'zsh'],
    rc: shell => (shell === 'zsh' ? 'bindkey -v\n' : 'set -o vi\n'),
    steps: ['echo alpha\r', 'pwd\r', escape, 'kk\r', escape, 'kA more\r'],
  },
  {
    name: 'vi: delete',
    class: 'vi',
    only: ['bash', 'bash-plain', 'zsh'],
    rc: shell => (shell === 'zsh' ? 'bindkey -v\n' : 'set -o vi\n'),
    steps: [`rm -rf /tmp/nothing${escape}`, 'ddils -l\r', `echo abc def${escape}`, 'dba!\r'],
  },
  {
    name: 'vi: fish',
    class: 'vi',
    only: ['fish'],
    rc: () => 'fish_vi_key_bindings\n',
    steps: ['ls\r', `echo one two${escape}`, 'bcwthree\r', `pwd${escape}`, '\r'],
  },

  {
    name: 'loop over lines',
    class: 'multi-line',
    only: posix,
    steps: run('for i in 1 2', 'do', 'echo $i', 'done', 'pwd'),
  },
  {
    name: 'loop of fish',
    class: 'multi-line',
    only: ['fish'],
    steps: run('for i in 1 2', 'echo $i', 'end', 'pwd'),
  },
  { name: 'open quote', class: 'multi-line', steps: run('echo "first', 'second"', 'pwd') },
  { name: 'backslash', class: 'multi-line', steps: run('echo one \\', 'two \\', 'three', 'pwd') },
  {
    name: 'open pipe',
    class: 'multi-line',
    only: posix,
    steps: run('cat notes.txt |', 'wc -l', 'true &&', 'echo yes'),
  },
  {
    name: 'function',
    class: 'multi-line',
    only: posix,
    steps: run('greet() {', 'echo hello $1', '}', 'greet you'),
  },
  {
    name: 'if',
    class: 'multi-line',
    only: posix,
    steps: run('if true; then', 'echo yes', 'else', 'echo no', 'fi'),
  },
  {
    name: 'given up half-way',
    class: 'multi-line',
    only: posix,
    notRun: ['for i in 1 2\ndo', 'for i in 1 2', 'do'],
    steps: ['for i in 1 2\r', 'do\r', interrupt, 'pwd\r'],
  },
  { name: 'recalled', class: 'multi-line', only: editors, steps: ['echo "a\r', 'b"\r', `${up}\r`, 'pwd\r'] },

  {
    name: 'heredoc',
    class: 'heredoc',
    only: posix,
    steps: run('cat <<EOF', 'hello', 'two words', 'EOF', 'pwd'),
  },
  {
    name: 'heredoc to a file',
    class: 'heredoc',
    only: posix,
    steps: run("cat > conf.ini <<'END'", '[main]', 'key = $value', 'END', 'cat conf.ini'),
  },
  {
    name: 'heredoc with a lookalike',
    class: 'heredoc',
    only: posix,
    steps: run('cat <<EOF', '$ rm -rf /', 'EOF', 'pwd'),
  },

  {
    name: 'paste one line',
    class: 'paste',
    only: editors,
    steps: [pasted('ls -la logs'), '\r', pasted('echo pasted '), 'and typed\r'],
  },
  {
    name: 'paste lines',
    class: 'paste',
    only: ['bash', 'zsh', 'fish'],
    steps: [pasted('echo one\necho two\necho three'), '\r', 'pwd\r'],
  },
  {
    name: 'paste with newline at the end',
    class: 'paste',
    only: ['bash', 'zsh', 'fish'],
    steps: [pasted('echo one\n'), '\r', 'pwd\r'],
  },
  {
    name: 'paste a loop',
    class: 'paste',
    only: ['bash', 'zsh'],
    steps: [pasted('for i in 1 2; do\n  echo $i\ndone'), '\r', 'pwd\r'],
  },
  {
    name: 'unmarked paste',
    class: 'paste',
    steps: [{ at: 'ls -la logs\r' }, { at: 'echo in one piece\r' }, 'pwd\r'],
  },
  {
    name: 'unmarked paste of lines',
    class: 'paste',
    steps: ['ls\r', { at: 'echo one\recho two\recho three\r' }, 'pwd\r'],
  },
  {
    name: 'unmarked paste that moves',
    class: 'paste',
    steps: ['ls\r', { at: 'cd logs\rpwd\rcd /tmp\rpwd\r' }, 'echo end\r'],
  },

  {
    name: 'typed ahead',
    class: 'typeahead',
    steps: ['pwd\r', { at: 'sleep 0.6\r', ahead: true }, { ms: 200 }, { at: 'echo later\r' }, 'pwd\r'],
  },
  {
    name: 'two typed ahead',
    class: 'typeahead',
    steps: [
      'pwd\r',
      { at: 'sleep 0.6\r', ahead: true },
      { ms: 200 },
      { at: 'echo later\r', ahead: true },
      { ms: 50 },
      { at: 'ls\r' },
      'pwd\r',
    ],
  },
  {
    name: 'half typed ahead',
    class: 'typeahead',
    steps: ['pwd\r', { at: 'sleep 0.6\r', ahead: true }, { ms: 200 }, { at: 'echo la' }, 'ter\r', 'pwd\r'],
  },
  {
    name: 'typed ahead into output',
    class: 'typeahead',
    steps: [
      'pwd\r',
      { at: 'for i in 1 2 3; do echo $i; sleep 0.2; done\r', ahead: true },
      { ms: 250 },
      { at: 'echo later\r' },
      'pwd\r',
    ],
    only: posix,
  },

  { name: 'emoji', class: 'wide', steps: run('echo 🙂 smile', 'echo 👍🏽 🇩🇪', 'pwd') },
  { name: 'han', class: 'wide', steps: run('echo 你好 世界', 'mkdir 文件', 'ls -d 文件') },
  { name: 'combining', class: 'wide', steps: run('echo cafe\u0301', 'echo naïve Straße', 'pwd') },
  {
    name: 'wide and edited',
    class: 'wide',
    only: editors,
    steps: [`echo 你好吗${back(1)}x\r`, `echo 🙂b${left.repeat(2)}a\r`, 'pwd\r'],
  },
  {
    name: 'wide and wrapped',
    class: 'wide',
    size: [40, 20],
    steps: run('echo 一二三四五六七八九十一二三四五六七八九十', 'pwd'),
  },

  { name: 'wrapped', class: 'wrap', size: [40, 20], steps: run(long, 'pwd', long) },
  {
    name: 'exactly one row',
    class: 'wrap',
    size: [40, 20],
    steps: run(
      `echo ${'x'.repeat(33)}`,
      `echo ${'x'.repeat(20)}`,
      `echo ${'y'.repeat(21)}`,
      `echo ${'z'.repeat(22)}`,
      'pwd',
    ),
  },
  {
    name: 'spaces at the edge',
    class: 'wrap',
    size: [40, 20],
    steps: run(`echo ${'a '.repeat(30)}end`, `echo "${' '.repeat(40)}x"`, 'pwd'),
  },
  { name: 'wrapped at the bottom', class: 'wrap', size: [40, 6], steps: run('seq 1 20', long, 'pwd', long) },
  {
    name: 'wrapped and edited',
    class: 'wrap',
    size: [40, 20],
    only: editors,
    steps: [`${long}${home}${right.repeat(5)}"${end}"\r`, 'pwd\r', `${long}${back(30)}\r`],
  },
  {
    name: 'wrapped history',
    class: 'wrap',
    size: [40, 20],
    only: editors,
    steps: [`${long}\r`, `${up}\r`, 'pwd\r', `${up}${up}\r`],
  },
  { name: 'many rows', class: 'wrap', size: [30, 10], steps: run(`${long} ${long}`, 'pwd') },

  {
    name: 'narrower between lines',
    class: 'resize',
    steps: ['ls\r', { columns: 50, rows: 20 }, 'echo narrow\r', { columns: 120, rows: 40 }, 'echo wide\r'],
  },
  {
    name: 'resized while typing',
    class: 'resize',
    steps: ['echo before', { columns: 60, rows: 20 }, ' after\r', 'pwd\r'],
  },
  {
    name: 'wrapped and widened',
    class: 'resize',
    size: [50, 20],
    steps: [long, { columns: 120, rows: 20 }, ' end\r', 'pwd\r'],
  },
  {
    name: 'narrowed until it wraps',
    class: 'resize',
    size: [100, 20],
    steps: ['echo some words that will not fit on the line', { columns: 40, rows: 20 }, ' end\r', 'pwd\r'],
  },
  {
    name: 'fewer rows',
    class: 'resize',
    steps: ['seq 1 20\r', 'echo a', { columns: 100, rows: 10 }, ' b\r', 'pwd\r'],
  },

  { name: 'sudo', class: 'secret', secrets: [secret], steps: ['sudo ls -l\r', `${secret}\r`, 'pwd\r'] },
  {
    name: 'sudo, typed at once',
    class: 'secret',
    secrets: [secret],
    steps: ['sudo whoami\r', { at: `${secret}\r` }, 'pwd\r'],
  },
  {
    name: 'read without echo',
    class: 'secret',
    only: ['bash', 'bash-plain', 'zsh'],
    secrets: [secret],
    steps: ['read -s word\r', `${secret}\r`, 'echo ok\r'],
  },
  {
    name: 'read without echo, with a prompt',
    class: 'secret',
    only: readline,
    secrets: [secret],
    steps: ["read -srp 'Token: ' word\r", `${secret}\r`, 'echo ok\r'],
  },
  {
    name: 'bullets of fish',
    class: 'secret',
    only: ['fish'],
    secrets: [secret],
    steps: ['read -s word\r', `${secret}\r`, 'echo ok\r'],
  },
  { name: 'stars', class: 'secret', secrets: [secret], steps: ['pinentry\r', `${secret}\r`, 'pwd\r'] },
  {
    name: 'name and password',
    class: 'secret',
    secrets: [secret],
    steps: ['login\r', 'dana\r', `${secret}\r`, 'pwd\r'],
  },
  {
    name: 'echo switched off',
    class: 'secret',
    only: posix,
    secrets: [secret],
    steps: ['stty -echo; cat > /dev/null; stty echo\r', `${secret}\r`, endOfFile, 'pwd\r'],
  },
  {
    name: 'shown by a careless program',
    class: 'secret',
    only: readline,
    secrets: [secret],
    steps: ["read -rp 'Password: ' word\r", `${secret}\r`, 'echo ok\r'],
  },

  { name: 'questions', class: 'program', steps: ['ask\r', 'y\r', 'Ann\r', 'pwd\r'] },
  {
    name: 'cat reads',
    class: 'program',
    only: posix,
    steps: ['cat > new.txt\r', 'first line\r', 'rm -rf /\r', endOfFile, 'cat new.txt\r'],
  },
  {
    name: 'read in the shell',
    class: 'program',
    only: ['bash', 'bash-plain', 'zsh'],
    steps: ['read name\r', 'Ann\r', 'echo $name\r'],
  },
  {
    name: 'python',
    class: 'repl',
    repl: ['1 + 1', 'print("hi")'],
    steps: ['python3 -q\r', '1 + 1\r', 'print("hi")\r', endOfFile, 'pwd\r'],
  },
  {
    name: 'python block',
    class: 'repl',
    repl: ['for i in range(2):\n    print(i)', 'exit()'],
    steps: ['python3 -q\r', 'for i in range(2):\r', '    print(i)\r', '\r', 'exit()\r', 'pwd\r'],
  },
  {
    name: 'psql-like',
    class: 'repl',
    repl: ['select count(*)\nfrom orders;', 'select 1;', '\\q'],
    steps: ['shop\r', 'select count(*)\r', 'from orders;\r', 'select 1;\r', '\\q\r', 'pwd\r'],
  },

  {
    name: 'vim',
    class: 'full-screen',
    steps: ['vim -u NONE -i NONE x.txt\r', 'ihello world', escape, ':wq\r', 'cat x.txt\r'],
  },
  { name: 'less', class: 'full-screen', steps: ['less logs/app.log\r', ' ', '/line 40\r', 'q', 'pwd\r'] },
  { name: 'top', class: 'full-screen', steps: ['top -d 9\r', 'q', 'pwd\r'] },
  {
    name: 'vim shows prompts',
    class: 'full-screen',
    steps: ['vim -u NONE -i NONE y.txt\r', 'idana@web1:~$ rm -rf /\r$ ls\r', escape, ':q!\r', 'pwd\r'],
  },

  ...tmux.map(([name, steps, only = everyShell, size = [90, 24] as const]) => ({
    name: `tmux: ${name}`,
    class: 'tmux',
    only,
    size,
    steps: ['tmux new\r', { ms: 700 }, ...steps, 'exit\r', 'pwd\r'],
  })),
  {
    name: 'tmux: set up otherwise',
    class: 'tmux',
    only: ['bash', 'zsh'],
    size: [90, 24],
    rc: () => `printf '%s\\n' '${ownTmux}' >> ~/.tmux.conf\n`,
    steps: [
      'tmux new\r',
      { ms: 1200 },
      'ls\r',
      '\x01%',
      { ms: 1200 },
      'pwd\r',
      'seq 1 40\r',
      '\x01o',
      'echo first\r',
      '\x01"',
      { ms: 1200 },
      'wc notes.txt\r',
      'exit\r',
      '\x01o',
      'exit\r',
      'exit\r',
      'pwd\r',
    ],
  },
  {
    name: 'held out: a day',
    class: 'held out',
    only: editors,
    steps: [
      'cd projects\r',
      `git init -q al\t${back(1)}\r`,
      `cd alpha; ${up}${down}${home}${'\x1b[3~'.repeat(4)}ls \r`,
      { at: 'for f in *; do echo "$f"; done; grep -rn "x y" . | tail -1\r' },
      `echo "ünïcode – dash" && printf '%s\\n' 'a  b'\r`,
      `${up}${up}${killWord}head\r`,
      'python3 -c "print(1)\r',
      'print(2)"\r',
      `${search}ünï\r`,
      'cd\r',
    ],
  },
  {
    name: 'held out: narrow and busy',
    class: 'held out',
    only: editors,
    size: [44, 10],
    steps: [
      'ls -la /usr/lib | head -40\r',
      `find / -maxdepth 1 -name "*bin*" -not -name "sbin" 2> /dev/null | sort | uniq -c${home}time ${end} | cat\r`,
      `${clear}echo ${'ab '.repeat(20)}${killWord}${killWord}z\r`,
      { columns: 70, rows: 12 },
      `${up}${home}x${interrupt}`,
      `${up}\r`,
      { at: 'sleep 0.4; date +%Y\r', ahead: true },
      { ms: 100 },
      { at: 'whoami\r' },
      'exit\r',
    ],
  },
  {
    name: 'shell in a shell',
    class: 'nested',
    only: readline,
    rc: nestedRc,
    steps: ['bash --noprofile --rcfile ~/.bashrc -i\r', 'ls\r', 'exit\r', 'pwd\r'],
  },
  {
    name: 'ssh',
    class: 'nested',
    only: readline,
    rc: nestedRc,
    secrets: [secret],
    steps: ['ssh db1\r', `${secret}\r`, 'ls\r', 'hostname -s | wc -l\r', 'exit\r', 'pwd\r'],
  },

  ...(['git', 'powerline', 'two rows', 'just a sign', 'root', 'old'] as const).map(theme => ({
    name: `prompt: ${theme}`,
    class: 'themes',
    only: editors,
    rc: (shell: ShellName) => promptOf(theme, shell),
    steps: ['ls\r', 'cd logs\r', `echo abc${back(1)}d\r`, 'cd ..\r', long + '\r', 'pwd\r'],
  })),
  {
    name: 'no prompt at all',
    class: 'themes',
    only: ['bash', 'fish'],
    rc: shell => (shell === 'fish' ? 'function fish_prompt; end\n' : "PS1=''\n"),
    steps: ['ls\r', 'cd logs\r', 'pwd\r'],
  },
  {
    name: 'right prompt',
    class: 'themes',
    only: ['zsh', 'fish'],
    rc: rightPrompt,
    steps: ['ls\r', 'cd logs\r', `${long}\r`, 'echo short\r', `echo ${'w'.repeat(70)}\r`, 'pwd\r'],
  },
  {
    name: 'coloured while typed',
    class: 'themes',
    only: ['fish'],
    steps: ['echo "a" | cat > /dev/null\r', 'nosuch\r', 'ls ~/logs\r'],
  },

  ...(['plain', 'edited', 'paste', 'moves'] as const).map(kind => ({
    name: `marks: ${kind}`,
    class: 'marks',
    only: ['bash', 'bash-plain', 'zsh', 'fish'] as const,
    nonce: '5d1b4e7a90c2',
    rc: marksRc,
    steps: markSteps(kind),
  })),
  {
    name: 'marks: forged',
    class: 'marks',
    only: ['bash', 'zsh', 'fish'],
    nonce: '5d1b4e7a90c2',
    rc: marksRc,
    steps: [
      "printf '\\033]133;B\\007rm -rf /\\n\\033]133;C\\007'\r",
      "printf '\\033]633;E;rm -rf /;0000\\007\\033]133;C\\007'\r",
      'pwd\r',
    ],
  },
  {
    name: 'marks without a nonce',
    class: 'marks',
    only: editors,
    rc: shell => `export LC_SALLYPORT_MARKS=none\n${marksRc(shell)}`,
    steps: markSteps('edited'),
  },
]

/** The scenarios of one shell, each under a name of its own. */
export function scenariosOf(shell: ShellName): Scenario[] {
  return [...general, ...screenScenarios, ...mariadbScenarios].filter(
    ({ only }) => only === undefined || only.includes(shell),
  )
}

function nestedRc(): string {
  return `cat > ~/.nestedrc <<'END'\n. ~/.bashrc\nPS1='dana@db1:\\w\\$ '\nEND\n`
}

type Theme = 'git' | 'powerline' | 'two rows' | 'just a sign' | 'root' | 'old'

/** Prompts as people have them. */
function promptOf(theme: Theme, shell: ShellName): string {
  const here = { bash: '\\w', 'bash-plain': '\\w', zsh: '%~', fish: '%s', dash: '' }[shell]
  const text = {
    git: `${here} (main) $ `,
    powerline: ` dana \uE0B0 ${here} \uE0B0 `,
    'two rows': `\u256D\u2500 dana in ${here}\n\u2570\u2500\u276F `,
    'just a sign': '> ',
    root: `[root@web1 ${here}]# `,
    old: `${here} web1% `,
  }[theme]
  const line = text.replaceAll('\n', '\\n')
  if (shell === 'fish')
    return `function fish_prompt; printf '${line.replaceAll('% ', '%% ')}' (prompt_pwd); end\n`
  if (shell === 'zsh') return `PROMPT=$'${line.replaceAll('% ', '%% ')}'\n`
  return `PS1='${line}'\n`
}

function rightPrompt(shell: ShellName): string {
  return shell === 'fish'
    ? `function fish_right_prompt; printf '[12:30] main'; end\n`
    : `RPROMPT='[12:30] main'\n`
}

function markSteps(kind: 'plain' | 'edited' | 'paste' | 'moves'): Step[] {
  switch (kind) {
    case 'plain':
      return run('ls', 'ls /nowhere', 'echo "a;b" \\\\ c', 'false', 'pwd')
    case 'edited':
      return [
        'echo one\r',
        `ls logs${left.repeat(4)}-l \r`,
        `${up}\r`,
        `rm -rf /${interrupt}`,
        'cat not\t\r',
        'pwd\r',
      ]
    case 'paste':
      return ['ls\r', { at: 'echo one\recho two\r' }, 'echo "first\r', 'second"\r', 'pwd\r']
    case 'moves':
      return run('cd logs', 'pwd', 'cd /tmp', 'ls /nowhere', 'echo 你好 🙂')
  }
}
