/** The shells of the corpus: how each is started, and how it says itself what it ran. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type ShellName = 'bash' | 'bash-plain' | 'zsh' | 'fish' | 'dash'
export const shellNames: readonly ShellName[] = ['bash', 'bash-plain', 'zsh', 'fish', 'dash']

export type Started = {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Record<string, string>
}

const debianPrompt = String.raw`\[\e]0;\u@\h: \w\a\]\u@\h:\w\$ `

const started: Readonly<Record<ShellName, string>> = {
  bash: 'bash --noprofile --rcfile ~/.bashrc -i',
  'bash-plain': 'bash --noprofile --rcfile ~/.bashrc -i',
  zsh: 'zsh -i',
  fish: 'fish -i',
  dash: 'env LD_PRELOAD=$HOME/../hook.so dash -i',
}

/** tmux starts the shell that is recorded, and its status line names another host than ours. */
export function tmuxConf(shell: ShellName): string {
  return `set -g default-command "${started[shell]}"\nset -g status-right '"web1" %H:%M'\n`
}

/** screen starts it, too, through a script: it takes no command with arguments. Where its sockets lie it wants for itself alone. */
export function screenConf(shell: ShellName, folder: string): void {
  mkdirSync(join(folder, 'screen'), { recursive: true, mode: 0o700 })
  const inner = join(folder, 'bin/inner')
  writeFileSync(inner, `#!/bin/sh\nexec ${started[shell]}\n`, { mode: 0o755 })
  writeFileSync(join(folder, 'home/.screenrc'), `shell ${inner}\nstartup_message off\ndeflogin off\n`)
}

/** Writes the shell's files into `home` and says how to start it. `rc` is added at the end of its start-up file. */
export function prepareShell(shell: ShellName, home: string, rc: string): Started {
  mkdirSync(home, { recursive: true })
  const env = {
    HOME: home,
    TRUTH: join(home, '..', 'truth'),
    TMUX_TMPDIR: home,
    SCREENDIR: join(home, '../screen'),
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    PATH: `${join(home, '../bin')}:/usr/local/bin:/usr/bin:/bin`,
    USER: 'dana',
    LOGNAME: 'dana',
  }
  switch (shell) {
    case 'bash':
    case 'bash-plain':
      return bash(shell, home, rc, env)
    case 'zsh':
      writeFileSync(join(home, '.zshrc'), zshRc + rc)
      return { file: 'zsh', args: ['-i'], env: { ...env, ZDOTDIR: home } }
    case 'fish':
      mkdirSync(join(home, '.config/fish'), { recursive: true })
      writeFileSync(join(home, '.config/fish/config.fish'), fishRc + rc)
      return { file: 'fish', args: ['-i'], env }
    case 'dash':
      return dash(home, rc, env)
  }
}

function bash(shell: ShellName, home: string, rc: string, env: Record<string, string>): Started {
  // bash before 5.1, as on Red Hat 8, tells its terminal nothing of a line's begin and end
  writeFileSync(join(home, '.inputrc'), shell === 'bash' ? '' : 'set enable-bracketed-paste off\n')
  writeFileSync(join(home, '.bashrc'), bashRc + rc)
  return { file: 'bash', args: ['--noprofile', '--rcfile', join(home, '.bashrc'), '-i'], env }
}

/** History with its newlines; its number tells whether a line is new. PS0 comes before a command, PROMPT_COMMAND after all. */
const bashRc = `
shopt -s cmdhist lithist
HISTCONTROL= HISTFILE=
__truth_last=
__truth() {
  local line number
  line=$(HISTTIMEFORMAT= builtin history 1)
  [[ $line =~ ^\\ *([0-9]+)\\*?\\ \\ (.*)$ ]] || return 0
  number=\${BASH_REMATCH[1]}
  grep -qxF "$$:$number" "$TRUTH.seen" 2>/dev/null && return 0
  echo "$$:$number" >> "$TRUTH.seen"
  printf '%s\\0' "\${BASH_REMATCH[2]}" >> "$TRUTH"
}
PS0='$(__truth)'
PROMPT_COMMAND=__truth
PS1='${debianPrompt.replaceAll('\\u', 'dana').replaceAll('\\h', 'web1')}'
`

const zshRc = `
autoload -U compinit && compinit -u -D
HISTSIZE=1000
bindkey -e
zshaddhistory() { printf '%s\\0' "\${1%$'\\n'}" >> "$TRUTH"; return 0 }
PROMPT='dana@web1:%~%# '
`

const fishRc = `
set -g fish_greeting
set -g fish_history ''
function __truth --on-event fish_preexec; printf '%s\\0' "$argv[1]" >> $TRUTH; end
function __truth_bad --on-event fish_posterror; printf '%s\\0' "$argv[1]" >> $TRUTH; end
function fish_prompt; printf 'dana@web1 %s> ' (prompt_pwd); end
`

/** What dash reads from its terminal: the lines that it runs. Its children read without this. */
const readHook = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static int out = -1;
__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("TRUTH");
  unsetenv("LD_PRELOAD");
  if (path) out = fcntl(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), F_DUPFD_CLOEXEC, 50);
}
ssize_t read(int fd, void *buffer, size_t length) {
  static ssize_t (*real)(int, void *, size_t);
  static pid_t self;
  if (!real) { real = dlsym(RTLD_NEXT, "read"); self = getpid(); }
  ssize_t got = real(fd, buffer, length);
  if (fd == 0 && got > 0 && getpid() == self && out >= 0)
    for (ssize_t at = 0; at < got; at++) {
      char c = ((char *)buffer)[at];
      char mark = c == '\\n' ? 0 : c;
      if (write(out, &mark, 1) < 0) break;
    }
  return got;
}
`

function dash(home: string, rc: string, env: Record<string, string>): Started {
  const source = join(home, '../hook.c')
  const library = join(home, '../hook.so')
  writeFileSync(source, readHook)
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'])
  writeFileSync(join(home, '.dashrc'), `PS1='$ '\n${rc}`)
  return { file: 'dash', args: ['-i'], env: { ...env, ENV: join(home, '.dashrc'), LD_PRELOAD: library } }
}

/** What the shell said it ran, in order. */
export function readTruth(file: string): string[] {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return text.split('\0').filter(line => line.trim() !== '')
}
