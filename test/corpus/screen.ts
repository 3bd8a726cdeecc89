/** What people do inside GNU screen, as keys: behind `^A`, screen takes a key for itself. The first are those the reader was written with. */
import { type Scenario, type Step } from './scenarios.ts'
import type { ShellName } from './shells.ts'

const [up, left, right, escape] = ['\x1b[A', '\x1b[D', '\x1b[C', '\x1b']
const [home, end, killLine, interrupt, endOfFile] = ['\x01a', '\x05', '\x15', '\x03', '\x04'] // ^A a is ^A
const back = (count: number): string => '\x7f'.repeat(count)
const run = (...lines: readonly string[]): string[] => lines.map(line => `${line}\r`)
const every: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'fish', 'dash']
const editors: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'fish']
const posix: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'dash']
const bashZsh: readonly ShellName[] = ['bash', 'bash-plain', 'zsh']
const secret = 'Tr0ub4dor-and-3'
const long =
  'echo the quick brown fox jumps over the lazy dog and runs through the forest until the night comes and then sleeps'
const soon: Step = { ms: 700 }

type Options = {
  readonly only?: readonly ShellName[]
  readonly size?: readonly [number, number]
  readonly rc?: string
  readonly start?: string
  readonly secrets?: readonly string[]
}
type Within = readonly [name: string, steps: readonly Step[], options?: Options]

const status = `hardstatus alwayslastline "%{= kw}%H %-w%{= bw}%n %t%{-}%+w %=%c"`

const writtenWith: readonly Within[] = [
  ['look around', run('ls', 'cd logs', 'pwd', 'tail -n 3 app.log', 'echo "it is fine" | wc -c')],
  ['long output', run('seq 1 60', 'cat logs/app.log', 'echo after', 'ls nothing')],
  ['cleared', run('ls', 'clear', 'pwd', 'clear', 'echo end')],
  [
    'edited',
    [`ecko x${back(4)}ho \r`, `ls logs${left.repeat(4)}-l \r`, `${up}\r`, `xx${killLine}pwd\r`],
    { only: editors },
  ],
  ['completed', ['cat not\t\r', 'ls l\t\t\r', 'pwd\r'], { only: editors }],
  ['interrupted', [`rm -rf /${interrupt}`, 'ls\r', { at: 'sleep 9\r' }, interrupt, 'pwd\r'], { only: posix }],
  ['wrapped', run(long, 'pwd', long), { size: [50, 14] }],
  [
    'two windows',
    ['ls\r', '\x01c', soon, 'echo second\r', '\x01p', 'pwd\r', '\x01n', 'date +%Y\r', 'exit\r'],
  ],
  [
    'list of windows',
    ['ls\r', '\x01c', soon, 'seq 1 40\r', '\x01"', `${up}\r`, 'pwd\r', '\x01\x01', 'echo there\r', 'exit\r'],
  ],
  [
    'one above the other',
    [
      'ls\r',
      '\x01S',
      '\x01\t',
      '\x01c',
      soon,
      'seq 1 30\r',
      'pwd\r',
      '\x01\t',
      'echo upper\r',
      '\x01Q',
      'exit\r',
    ],
  ],
  [
    'side by side',
    [
      'ls\r',
      '\x01|',
      '\x01\t',
      '\x01c',
      soon,
      'seq 1 30\r',
      'pwd\r',
      '\x01\t',
      'wc notes.txt\r',
      '\x01Q',
      'exit\r',
    ],
  ],
  ['copy mode', ['seq 1 50\r', 'echo ha', '\x01[', 'kkk', escape, 'lf\r', 'pwd\r']],
  ['left and entered again', ['ls\r', '\x01d', 'echo outside\r', 'screen -r\r', soon, 'pwd\r']],
  [
    'vim within',
    ['vim -u NONE -i NONE x.txt\r', 'idana@web1:~$ rm -rf /\r$ ls\r', escape, ':wq\r', 'cat x.txt\r'],
  ],
  ['less within', ['less logs/app.log\r', ' ', 'q', 'wc -l notes.txt\r', 'top -d 9\r', 'q', 'pwd\r']],
  ['pasted', ['pwd\r', { at: 'ls -la logs\r' }, { at: 'echo one\recho two\r' }, 'echo end\r']],
  ['typed ahead', ['pwd\r', { at: 'sleep 0.6\r', ahead: true }, { ms: 200 }, { at: 'echo later\r' }, 'ls\r']],
  [
    'password',
    ['sudo id -u\r', `${secret}\r`, 'login\r', 'dana\r', `${secret}\r`, 'pwd\r'],
    { secrets: [secret] },
  ],
  ['several lines', run('echo "one', 'two"', 'for f in notes.txt; do', 'wc $f', 'done'), { only: posix }],
  ['greeting', ['\r', 'ls\r', 'pwd\r'], { rc: 'startup_message on\ndeflogin on', start: 'screen' }],
  [
    'status line',
    ['ls\r', 'seq 1 40\r', '\x01c', soon, 'pwd\r', 'cat notes.txt\r', 'exit\r'],
    { rc: status },
  ],
  [
    'not the other screen',
    ['ls\r', 'cd logs\r', 'seq 1 40\r', `echo mistake${back(7)}fixed\r`, '\x01c', soon, 'pwd\r', 'exit\r'],
    { rc: 'termcapinfo xterm* ti@:te@' },
  ],
]

/** Recorded and measured before anything was mended because of them. */
const heldOut: readonly Within[] = [
  [
    'a working day',
    [
      'cd logs\r',
      'grep -c line app.log\r',
      'seq 1 45\r',
      `echo mistake${back(7)}fixed\r`,
      '\x01c',
      soon,
      'tail -n 2 ~/logs/app.log\r',
      'pwd\r',
      '\x010',
      'less app.log\r',
      ' ',
      'q',
      'wc app.log\r',
      '\x01d',
      'date +%Y\r',
      'screen -x\r',
      soon,
      'whoami\r',
      '\x011',
      'exit\r',
    ],
    { size: [100, 28] },
  ],
  [
    'an upgrade watched',
    [
      'for i in 1 2 3 4 5; do echo step $i; sleep 0.1; done\r',
      'cat logs/app.log | tail -40\r',
      '\x01c',
      soon,
      'df -h / | tail -1\r',
      '\x01\x01',
      'echo $?\r',
      '\x01k',
      'y',
      'uname -s\r',
    ],
    { only: posix, rc: status, size: [110, 30] },
  ],
  [
    'lines mended',
    [
      `cat notes.tx${left.repeat(3)}${right.repeat(3)}t\r`,
      `tail app${home}cd logs; ${end}.log\r`,
      `${up}${killLine}pwd\r`,
      'ls ~/rep\t\r',
      'echo a\x0cb\r',
    ],
    { only: editors, size: [60, 12] },
  ],
  [
    'parts of the screen',
    [
      'echo top\r',
      '\x01S',
      '\x01\t',
      '\x01c',
      soon,
      'ls -la ~\r',
      '\x01|',
      '\x01\t',
      '\x01c',
      soon,
      'cat logs/app.log\r',
      'echo right\r',
      '\x01\t',
      'echo up again\r',
      '\x01Q',
      'pwd\r',
    ],
    { size: [120, 34] },
  ],
  [
    'scrolled back',
    [
      'cat logs/app.log\r',
      'wc -l rep',
      '\x01[',
      '\x15kk',
      escape,
      'ort.csv\r',
      'vim -u NONE -i NONE z.txt\r',
      `ihello $ there\r# comment${escape}`,
      ':q!\r',
      'id -u\r',
    ],
    { size: [84, 20] },
  ],
  [
    'secrets and scripts',
    [
      'sudo true\r',
      `${secret}\r`,
      'cat > job.sh <<END\r',
      'echo "$1"\r',
      'END\r',
      'sh job.sh x\r',
      'pinentry\r',
      `${secret}\r`,
      `shutdown now${killLine}uptime | wc -l\r`,
    ],
    { only: posix, secrets: [secret] },
  ],
  [
    'by name, and root prompt',
    ['ls\r', 'cd /tmp\r', 'echo "a  b" | tr -s " "\r'],
    { start: 'screen -S deploy -U' },
  ],
  ['bangs', ['ls logs/app.log\r', 'wc -l !$\r', 'echo alpha\r', '\x12wc\r'], { only: bashZsh }],
  ['left by end of file', ['ls\r', 'cat\r', 'words\r', endOfFile, 'pwd\r'], { only: posix }],
]

function within(prefix: string) {
  return ([
    name,
    steps,
    { only = every, size = [90, 24] as const, rc, start = 'screen', secrets = [] } = {},
  ]: Within): Scenario => ({
    name: `${prefix}${name}`,
    class: 'screen',
    only,
    size,
    secrets,
    ...(rc === undefined ? {} : { rc: () => `printf '%s\\n' '${rc}' >> ~/.screenrc\n` }),
    steps: [`${start}\r`, { ms: 1500 }, ...steps, 'exit\r', 'pwd\r'],
  })
}

export const screenScenarios: readonly Scenario[] = writtenWith.map(within('screen: '))
export const screenHeldOut: readonly Scenario[] = heldOut.map(within('screen, held out: '))
