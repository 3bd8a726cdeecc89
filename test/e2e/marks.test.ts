/** Shells that tell their commands themselves: a real sshd that takes our variable, and the start-up files of docs/transcripts.md. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ScreenCommand } from '../../src/analysis/transcript/command.ts'
import { transcriptOf } from '../../src/analysis/transcript/transcript.ts'
import { marksRc } from '../corpus/snippet.ts'
import { scratchFolder } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]
const missing = shells.filter(shell => !existsSync(`/usr/bin/${shell}`) && !existsSync(`/bin/${shell}`))

let world: World
let scratch: ReturnType<typeof scratchFolder>

/** What sshd runs in place of any shell: the one that the file names, with a home of ours. */
function prepareHomes(folder: string): string {
  const start = join(folder, 'start')
  writeFileSync(start, `export HOME=${folder} ZDOTDIR=${folder}\ncd ${folder}\nexec $(cat ${folder}/which)\n`)
  writeFileSync(join(folder, '.bashrc'), `PS1='\\w\\$ '\n${marksRc('bash')}`)
  writeFileSync(join(folder, '.zshrc'), `PROMPT='%~%# '\n${marksRc('zsh')}`)
  mkdirSync(join(folder, '.config/fish'), { recursive: true })
  const prompt = `set -g fish_greeting\nfunction fish_prompt; printf '%s> ' (prompt_pwd); end\n`
  writeFileSync(join(folder, '.config/fish/config.fish'), prompt + marksRc('fish'))
  mkdirSync(join(folder, 'logs'))
  for (const path of [folder, join(folder, 'logs')]) chmodSync(path, 0o755)
  return start
}

const commandOf: Readonly<Record<Shell, string>> = {
  bash: `bash --noprofile --rcfile .bashrc -i`,
  zsh: 'zsh -i',
  fish: 'fish -i',
}

/** Types the lines one after the other, and reads what the session's recording says of them. */
async function typed(command: string, lines: readonly string[]): Promise<readonly ScreenCommand[]> {
  writeFileSync(join(scratch.path, 'which'), command)
  const terminal = await world.terminal(`${world.login}@web1`, { columns: 100 })
  await terminal.waitFor(/[$#%>] (?:\x1b\S*|\r)*$/)
  for (const line of lines) {
    terminal.type(`${line}\r`)
    await terminal.waitFor(/\n[^\n]*[$#%>] (?:\x1b\S*|\r)*$/)
  }
  terminal.type('exit\r')
  await terminal.exit()
  return [...transcriptOf(world.eventsOf(await world.lastEnded()))]
}

describe.skipIf(missing.length > 0 && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1')(
  missing.length > 0 ? `marks (missing: ${missing.join(', ')})` : 'a target with marks',
  () => {
    beforeAll(async () => {
      scratch = scratchFolder()
      const start = prepareHomes(scratch.path)
      world = await World.start({
        sshdConfig: `AcceptEnv LC_*\nForceCommand /bin/sh ${start}`,
        configure: config => (config['targets'][0].marks = true),
      })
    })
    afterAll(async () => {
      await world?.stop()
      scratch?.remove()
    })

    for (const shell of shells)
      test(`${shell} tells its commands with directory and exit status`, { timeout: 60_000 }, async () => {
        const commands = await typed(commandOf[shell], ['cd logs', 'ls /nowhere', 'echo "a;b" \\\\ c'])
        expect(commands.map(({ text, found }) => [text, found])).toEqual([
          ['cd logs', 'marks'],
          ['ls /nowhere', 'marks'],
          ['echo "a;b" \\\\ c', 'marks'],
          ['exit', 'marks'],
        ])
        expect(commands[0]).toMatchObject({ directory: scratch.path, exitStatus: 0 })
        expect(commands[1]).toMatchObject({ directory: join(scratch.path, 'logs'), exitStatus: 2 })
      })

    test('marks that a program prints without the nonce tell nothing', { timeout: 60_000 }, async () => {
      const forged = `printf '\\033]633;E;rm -rf /;0000\\007\\033]633;P;Cwd=/evil;0000\\007\\033]633;D;77;0000\\007'`
      const commands = await typed(commandOf.bash, [forged, 'pwd'])
      expect(commands.map(({ text }) => text)).toEqual([forged, 'pwd', 'exit'])
      expect(commands[0]).toMatchObject({ exitStatus: 0, directory: scratch.path })
      expect(commands[1]).toMatchObject({ directory: scratch.path })
    })

    test('a shell that knows nothing of marks is read off the screen', { timeout: 60_000 }, async () => {
      const commands = await typed('bash --noprofile --norc -i', ['echo plain'])
      expect(commands.map(({ text, found }) => [text, found])).toEqual([
        ['echo plain', 'editor'],
        ['exit', 'editor'],
      ])
    })
  },
)
