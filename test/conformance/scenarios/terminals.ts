/** Terminals: their settings, sizes and signals. */
import type { Scenario } from '../scenario.ts'

/** A prompt of one byte, known beforehand, and no line editing that draws at its own pace. */
const quietShell = ['-tt', 'target', "PS1='> ' TERM=dumb exec sh -i"]

export const terminals: readonly Scenario[] = [
  {
    name: 'a terminal has the settings and the size of the local one',
    before: 'stty intr ^K erase ^H kill ^X -ixon iutf8 -echoe',
    terminal: ['-t', 'target', 'stty -a; stty size; echo "$TERM"'],
    steps: [],
    says: /intr = \^K;[^]*24 80\r\nxterm-256color/,
  },
  {
    name: 'other settings, and no terminal type to speak of',
    before: 'stty raw -echo; export TERM=dumb',
    terminal: ['-t', 'target', 'stty -a; echo "$TERM"'],
    steps: [],
    says: /-icanon[^]*dumb/,
  },
  {
    name: 'a terminal without a local one',
    script: `ssh -tt target 'stty -a; tty | cut -c1-8' </dev/null; ssh -T target tty; echo $?`,
    says: /speed \d+ baud; rows 0; columns 0[^]*\/dev\/pts\r\nnot a tty\n1\n/,
  },
  {
    name: 'sizes change when the window does',
    terminal: [
      '-t',
      'target',
      `trap 'stty size' WINCH; echo ready; while read line; do echo "$line"; [ "$line" = q ] && exit 4; done; exit 5`,
    ],
    steps: [
      { wait: /ready/ },
      { resize: [132, 50] },
      { type: 'one\r' },
      { wait: /50 132[^]*one\r\n[^]*one|one\r\n[^]*50 132/ },
      { resize: [20, 5] },
      { type: 'two\r' },
      { wait: /two\r\n[^]*5 20|5 20[^]*two/ },
      { type: 'q\r' },
    ],
    rules: [
      {
        find: /(50 132|5 20|one|two)\r\n/g,
        replace: '',
        why: 'whether the shell or the terminal driver speaks first is a race on the target itself',
      },
    ],
    status: 4,
    says: /ready\r\n/,
  },
  {
    name: 'keys interrupt, suspend and end what runs',
    terminal: quietShell,
    steps: [
      { wait: /> / },
      { type: 'cat\r' },
      { wait: /cat\r\n/ },
      { type: 'going\r' },
      { wait: /going\r\ngoing\r\n/ }, // now it surely runs
      { type: '\x03' },
      { wait: /> $/ },
      { type: 'cat\r' },
      { wait: /cat\r\n/ },
      { type: 'line\r' },
      { wait: /line\r\nline\r\n/ },
      { type: '\x04' },
      { wait: /> $/ },
      { type: 'exit 6\r' },
    ],
    rules: [
      {
        find: /\^C\r?\n?/g,
        replace: '^C',
        why: 'sh writes a line break here or not, as it was waiting or not',
      },
    ],
    status: 6,
    says: /line\r\nline/,
  },
  {
    name: 'what is typed is shown once, in any script',
    terminal: quietShell,
    steps: [
      { wait: /> / },
      { type: 'echo grüße 日本 \\\\ "$((6*7))"\r' },
      { wait: /grüße 日本 \\ 42\r\n> $/ },
      { type: 'stty -echo; echo quiet\r' },
      { wait: /quiet\r\n> $/ },
      { type: 'exit 0\r' },
    ],
    says: /grüße 日本 \\ 42/,
  },
  {
    name: 'the escape of ssh leaves at once',
    terminal: quietShell,
    steps: [{ wait: /> / }, { type: '\r' }, { wait: /> $/ }, { type: '~.' }],
    status: 255,
    says: /> $/,
  },
  {
    name: 'a break can be sent, and a terminal on the target has none to take',
    terminal: quietShell,
    steps: [
      { wait: /> / },
      { type: '\r' },
      { wait: /> $/ },
      { type: '~B' },
      { type: 'echo on\r' },
      { wait: /on\r\n[^]*> $/ },
      { type: 'exit 9\r' },
    ],
    status: 9,
    says: /on\r\n/,
  },
]
