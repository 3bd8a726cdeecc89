/** Clients that are not today's OpenSSH with its defaults, at the real door. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { isolatedSshOptions, programPath, testWith } from '../support/openssh.ts'
import { Terminal, World } from '../support/world.ts'

type ShownKey = { purpose: string; keyId: string; line: string }

let world: World
let keys: readonly ShownKey[]
beforeAll(async () => {
  world = await World.start()
  keys = JSON.parse((await world.sallyport('keys', 'show', '--json')).stdout.toString()) as ShownKey[]
})
afterAll(() => world?.stop())

const keyOf = (purpose: string): ShownKey => {
  const key = keys.find(shown => shown.purpose === purpose)
  if (key === undefined) throw new Error(`keys show has no ${purpose}`)
  return key
}

describe('ssh that', () => {
  const test = testWith('ssh', 'sshd')

  /** Trusts exactly the key that `keys show` prints for this purpose. */
  function connect(purpose: string, extra: readonly string[]) {
    const knownHosts = join(world.folder, `known_hosts_${purpose}`)
    const line = keyOf(purpose).line.split(' ').slice(0, 2).join(' ')
    writeFileSync(knownHosts, `[127.0.0.1]:${world.sshPort} ${line}\n`)
    const options = isolatedSshOptions(world.sshPort, { knownHosts, extra })
    return world.runClient('ssh', [...options, '-l', `${world.login}@web1`, '127.0.0.1', 'echo in'], {})
  }

  for (const algorithm of ['rsa-sha2-512', 'rsa-sha2-256'])
    test(`knows only ${algorithm} verifies the RSA host key that keys show prints`, async () => {
      const { stdout, stderr } = await connect('gateway-host-rsa', [`HostKeyAlgorithms=${algorithm}`])
      expect(stdout.toString(), stderr).toBe('in\n')
    })

  test('knows more is shown the Ed25519 key', async () => {
    const { stdout, stderr } = await connect('gateway-host', ['LogLevel=DEBUG1'])
    expect(stdout.toString(), stderr).toBe('in\n')
    expect(stderr).toContain('kex: host key algorithm: ssh-ed25519')
  })

  test('knows only SHA-1 signatures does not get in', async () => {
    const { code, stderr } = await connect('gateway-host-rsa', ['HostKeyAlgorithms=ssh-rsa'])
    expect(code).toBe(255)
    expect(stderr).toContain('no matching host key type')
  })
})

describe('plink', () => {
  const test = testWith('plink', 'sshd')

  /** plink asks at its terminal; without one it could not. */
  async function plink(hostKey: string, command: string): Promise<{ terminal: Terminal; code: number }> {
    const args = ['-ssh', '-no-antispoof', '-P', `${world.sshPort}`, '-l', `${world.login}@web1`]
    const terminal = new Terminal(
      spawnTerminal(programPath('plink'), [...args, '-hostkey', hostKey, '127.0.0.1', command], {
        cols: 200,
        rows: 50,
        env: { PATH: process.env['PATH'] ?? '', HOME: world.folder, TERM: 'xterm' },
      }),
    )
    await terminal.waitFor(/Code: $/)
    const text = terminal.shown.replaceAll(/\r+\n> /g, '') // it breaks long lines, addresses too
    const url = /http:\/\/\S+\/sign-in\/\S+/.exec(text)?.[0] ?? ''
    terminal.type(`${await world.codeFor(url)}\r`)
    return { terminal, code: await terminal.exit() }
  }

  test('signs in at its prompt, runs a command and gives back its exit status', async () => {
    const { terminal, code } = await plink(keyOf('gateway-host').keyId, 'echo out of plink; exit 7')
    expect(terminal.shown).toContain('out of plink')
    expect(code).toBe(7)
  })
})
