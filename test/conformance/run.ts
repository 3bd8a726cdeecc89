/** Does one scenario by one way. */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import { programPath } from '../support/openssh.ts'
import { Terminal } from '../support/world.ts'
import type { Outcome, Rule, Scenario, Scripted, Typed } from './scenario.ts'
import type { Way } from './ways.ts'

/** The tools as people call them, with the configuration of the way. */
const prelude = `
set -u
cd "$WORK"
ssh() { command ssh -F "$CONFIG" "$@"; }
on() { ssh target "$@"; }
scp() { command scp -F "$CONFIG" "$@"; }
sftp() { command sftp -F "$CONFIG" "$@"; }
export RSYNC_RSH="ssh -F $CONFIG" GIT_SSH_COMMAND="ssh -F $CONFIG"
digest() { sha256sum | cut -c1-64; }
some() { head -c "$1" "$FILES/random"; }
# A connection that stays, for many small things; \`over\` is \`on\` over it.
open_master() { ssh -M -S "$WORK/m" -fN "$@" target; }
over() { ssh -S "$WORK/m" target "$@"; }
close_master() { ssh -S "$WORK/m" -O exit target 2>/dev/null; }
`

/** In every scenario: each way has a folder of its own, as they run at once. */
const ownFolder = (way: Way): Rule => ({
  find: new RegExp(`${way.folder}/\\d+`, 'g'),
  replace: 'WORK',
  why: 'each way works in a folder of its own',
})

let runs = 0

/** Until `over`, which ends everything that was started. */
export async function runBy(way: Way, scenario: Scenario, over: AbortSignal): Promise<Outcome> {
  const work = join(way.folder, String(runs++))
  mkdirSync(work)
  const outcome =
    'script' in scenario ? await script(way, scenario, work, over) : await typed(way, scenario, work, over)
  const rules = [ownFolder(way), ...(scenario.rules ?? [])]
  const apply = (text: string): string =>
    rules.reduce((so, rule) => so.replaceAll(rule.find, rule.replace), text)
  return { ...outcome, stdout: apply(outcome.stdout), stderr: apply(outcome.stderr) }
}

function environment(way: Way, work: string): Record<string, string> {
  return { ...way.environment, WORK: work, HOME: work, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' }
}

/** Output as Latin-1: every byte is compared. */
function script(way: Way, scenario: Scripted, work: string, over: AbortSignal): Promise<Outcome> {
  const child = spawn('bash', ['-c', prelude + scenario.script], {
    env: environment(way, work),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, to be ended as one
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('latin1').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('latin1').on('data', (text: string) => (stderr += text))
  over.addEventListener('abort', () => {
    if (child.pid === undefined || child.exitCode !== null) return
    console.error(`${way.name} came as far as: ${stdout.slice(-2000)}${stderr.slice(-2000)}`)
    endGroup(child.pid)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', status => resolve({ stdout, stderr, status: status ?? -1 }))
  })
}

async function typed(way: Way, scenario: Typed, work: string, over: AbortSignal): Promise<Outcome> {
  const ssh = [programPath('ssh'), '-F', way.config, ...scenario.terminal]
  const line = `${scenario.before ?? ':'}; exec "$@"`
  const pty = spawnTerminal('/bin/sh', ['-c', line, 'sh', ...ssh], {
    name: 'xterm-256color',
    cols: 80,
    rows: 24,
    env: environment(way, work),
  })
  const terminal = new Terminal(pty)
  over.addEventListener('abort', () => terminal.kill())
  for (const step of scenario.steps) {
    if ('wait' in step) await terminal.waitFor(step.wait)
    else if ('type' in step) terminal.type(step.type)
    else terminal.resize(...step.resize)
  }
  const status = await terminal.exit()
  return { stdout: terminal.shown, stderr: '', status }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}
