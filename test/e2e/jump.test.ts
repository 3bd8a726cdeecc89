/** `ssh -J GATEWAY LOGIN@TARGET` with plain OpenSSH, which trusts nothing but the line that `keys show` prints. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { testWith } from '../support/openssh.ts'
import { type RawConfig, type SshOptions, type SshRun, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World
let authorityLine: string

function configure(config: RawConfig): void {
  const [web1] = config['targets']
  config['targets'].push(
    { ...web1, name: 'Web2' },
    { ...web1, name: 'solo', address: web1.address.replace('127.0.0.1', 'localhost') },
    { ...web1, name: 'others', labels: { env: 'elsewhere' } },
    { ...web1, name: 'wrong-key', hostKeys: [otherKey] },
  )
}

beforeAll(async () => {
  world = await World.start({ configure })
  const shown = await world.sallyport('keys', 'show')
  authorityLine = shown.stdout
    .toString()
    .split('\n')
    .find(line => line.startsWith('@cert-authority')) as string
})
afterAll(() => world?.stop())

const otherKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8bqNGNpKf1vBJvOmwf3cE3A8KnVTjzT9OmAhmJuJTa'
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
let files = 0

/** An ssh_config as our documentation gives it: the gateway and, for the rest, the line of `keys show`. */
function configuration(outer: readonly string[] = [], knownHosts = authorityLine): string {
  const folder = join(world.folder, `jump-${files++}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'known_hosts'), `${knownHosts}\n`)
  const both = [
    'IdentityAgent none',
    'IdentityFile none',
    'GlobalKnownHostsFile /dev/null',
    'ConnectTimeout 15',
  ]
  const gateway = ['HostName 127.0.0.1', `Port ${world.sshPort}`, 'User somebody', 'StrictHostKeyChecking no']
  writeFileSync(
    join(folder, 'config'),
    [
      'Host gateway',
      ...gateway,
      'UserKnownHostsFile /dev/null',
      ...outer,
      'Host *',
      'StrictHostKeyChecking yes',
      `UserKnownHostsFile ${join(folder, 'known_hosts')}`,
      ...both,
    ].join('\n'),
  )
  return join(folder, 'config')
}

function jump(
  to: string,
  command: readonly string[],
  options: SshOptions & { config?: string } = {},
): Promise<SshRun> {
  const args = ['-F', options.config ?? configuration(), '-J', 'gateway', ...(options.arguments ?? [])]
  return world.runClient('ssh', [...args, to, ...command], options)
}

const refusals = () => world.audit().filter(entry => entry['kind'] === 'refusal' && entry['code'] === 'jump')
const signIns = () =>
  world.audit().filter(entry => entry['kind'] === 'sign-in' && entry['method'] === 'browser-code').length

describe('refused is', () => {
  test('a host that is no target, before anything of it is told (T6)', async () => {
    const run = await jump(`${world.login}@127.0.0.1`, ['id'], { arguments: ['-p', '80'] })
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('sallyport: There is no such target, or you have no access to it.')
    expect(refusals().at(-1)).toMatchObject({ target: '127.0.0.1:80', principal: 'ada@example.com' })
  })

  test('a target of others, in the same words', async () => {
    const run = await jump(`${world.login}@others`, ['id'])
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('sallyport: There is no such target, or you have no access to it.')
    expect(refusals().at(-1)).toMatchObject({ target: 'others:22' })
  })

  test('a port of a target that is not its sshd', async () => {
    const run = await jump(`${world.login}@web1`, ['id'], { arguments: ['-p', '5432'] })
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('There is no such target')
  })

  test('a login that policy does not allow, with the reason', async () => {
    const run = await jump('nobody-here@web1', ['id'])
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('You may not be nobody-here on web1.')
  })

  test('a target whose host key changed, though its certificate is ours', async () => {
    const before = (await world.sessions()).length
    const run = await jump(`${world.login}@wrong-key`, ['id'])
    expect(run.code).toBe(255)
    expect(run.stderr).toMatch(/wrong-key/)
    expect((await world.sessions()).length).toBe(before + 1)
  })

  test('by the client, a gateway whose authority it does not know', async () => {
    const run = await jump(`${world.login}@web1`, ['id'], {
      config: configuration([], authorityLine.replace(/ssh-ed25519 \S+/, otherKey)),
    })
    expect(run.code).toBe(255)
    expect(run.stderr).toContain('Host key verification failed')
  })

  test('a shell at the gateway itself, with a sentence that says where to', async () => {
    const run = await world.ssh('somebody', { command: ['uptime'] })
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('sallyport: This connection names no target. Say where to')
    expect(run.stdout.length).toBe(0)
  })
})

describe('a jump', () => {
  test('runs the command on the target, with one sign-in, and comes back with its exit status', async () => {
    const before = signIns()
    const run = await jump(`${world.login}@web1`, ['echo out; echo err >&2; exit 7'])
    expect(run.stdout.toString()).toBe('out\n')
    expect(run.stderr).toMatch(/^err$/m)
    expect(run.code).toBe(7)
    expect(signIns()).toBe(before + 1)
  })

  test('is recorded like any session, from the address of the connection around it', async () => {
    const row = await world.lastEnded()
    expect(row).toMatchObject({
      principalName: 'ada@example.com',
      target: 'web1',
      login: world.login,
      sourceAddress: '127.0.0.1',
      state: 'ended',
    })
    expect(world.streamOf(row, 'output').toString()).toBe('out\n')
    expect((await world.sallyport('verify', world.fileOf(row))).code).toBe(0)
  })

  test('carries 20 MB up and down, byte for byte', async () => {
    const input = randomBytes(20_000_000)
    const run = await jump(`${world.login}@web1`, ['cat'], { input })
    expect(sha256(run.stdout)).toBe(sha256(input))
    const row = await world.lastEnded()
    expect(sha256(world.streamOf(row, 'input'))).toBe(sha256(input))
  })

  test('goes by the configured address of a target, which is in the certificate then', async () => {
    const config = configuration([], authorityLine.replace(' ', ' localhost,'))
    const port = String(world.sshd?.port)
    const run = await jump(`${world.login}@localhost`, ['echo by address'], {
      config,
      arguments: ['-p', port],
    })
    expect(run.stdout.toString()).toBe('by address\n')
    expect((await world.lastEnded()).target).toBe('solo')
  })

  test('goes by the name of the target in any case', async () => {
    const named = await jump(`${world.login}@web2`, ['echo two'])
    expect(named.stderr).not.toContain('refused')
    expect(named.stdout.toString()).toBe('two\n')
    expect((await world.lastEnded()).target).toBe('Web2')
  })

  test('copies files both ways with scp', async () => {
    const config = configuration()
    const [from, to, back] = ['from', 'to', 'back'].map(name => join(world.folder, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(from, randomBytes(300_000))
    const up = await world.runClient(
      'scp',
      ['-F', config, '-J', 'gateway', from, `${world.login}@web1:${to}`],
      {},
    )
    expect(up.code).toBe(0)
    const down = await world.runClient(
      'scp',
      ['-F', config, '-J', 'gateway', `${world.login}@web1:${to}`, back],
      {},
    )
    expect(down.code).toBe(0)
    expect(readFileSync(back).equals(readFileSync(from))).toBe(true)
  })

  test('is as good for sftp, and the recording says which file', async () => {
    const file = join(world.folder, 'by-sftp')
    writeFileSync(file, randomBytes(100_000))
    const config = configuration()
    const run = await world.runClient('sftp', ['-F', config, '-J', 'gateway', `${world.login}@web1`], {
      input: `put ${file} ${file}.copy\n`,
    })
    expect(run.code).toBe(0)
    expect(readFileSync(`${file}.copy`).equals(readFileSync(file))).toBe(true)
    const events = world.eventsOf(await world.lastEnded()).map(({ event }) => JSON.stringify(event))
    expect(events.some(event => event.includes('by-sftp.copy'))).toBe(true)
  })

  test('ends when policy takes the target away, and no other can be opened then', async () => {
    const control = join(world.folder, 'kept')
    const config = configuration([`ControlPath ${control}`])
    let master: { kill: (signal: NodeJS.Signals) => boolean } | undefined
    const outer = world.runClient('ssh', ['-F', config, '-M', '-N', 'gateway'], {
      onStart: child => (master = child),
    })
    const check = () => world.runClient('ssh', ['-F', config, '-O', 'check', 'gateway'], {})
    await world.until(async () => (await check()).code === 0)
    const staying = jump(`${world.login}@solo`, ['sleep 60'], { config })
    await world.until(async () => (await world.sessions())[0]?.state === 'open')
    world.writeConfig(config => {
      configure(config)
      config['targets'].find((target: RawConfig) => target['name'] === 'solo').labels = { env: 'gone' }
    })
    world.reload()
    expect((await staying).stderr).toContain('You may no longer use this target')
    const again = await jump(`${world.login}@solo`, ['id'], { config })
    expect(again.stderr).toContain('Session open refused by peer') // ssh keeps our words for itself here
    expect(refusals().at(-1)).toMatchObject({ target: 'solo:22' })
    world.writeConfig(configure)
    world.reload()
    master?.kill('SIGTERM')
    await outer
  })

  test('many through one connection are sessions of their own, and end with it', async () => {
    const control = join(world.folder, 'outer')
    const config = configuration([`ControlPath ${control}`])
    let master: { kill: (signal: NodeJS.Signals) => boolean } | undefined
    const before = signIns()
    const outer = world.runClient('ssh', ['-F', config, '-M', '-N', 'gateway'], {
      onStart: child => (master = child),
    })
    const check = () => world.runClient('ssh', ['-F', config, '-O', 'check', 'gateway'], {})
    await world.until(async () => (await check()).code === 0)
    const runs = await Promise.all(
      ['web1', 'Web2', 'web1', 'Web2'].map((name, index) =>
        jump(`${world.login}@${name}`, [`echo ${name} ${index}`], { config }),
      ),
    )
    expect(runs.map(run => run.stdout.toString())).toEqual(['web1 0\n', 'Web2 1\n', 'web1 2\n', 'Web2 3\n'])
    const staying = jump(`${world.login}@web1`, ['sleep 60'], { config })
    await world.until(async () => (await world.sessions())[0]?.state === 'open')
    expect(signIns()).toBe(before + 1)
    master?.kill('SIGTERM')
    expect((await staying).code).toBe(255)
    await outer
    await world.until(async () => (await world.sessions()).every(row => row.state !== 'open'))
    const ids = new Set((await world.sessions()).slice(0, 5).map(row => row.id))
    expect(ids.size).toBe(5)
  })

  test('ends when the gateway stops, which the record says', async () => {
    let runs = false
    const staying = jump(`${world.login}@web1`, ['echo runs; sleep 60'], {
      onStart: child => child.stdout?.once('data', () => (runs = true)),
    })
    await world.until(() => runs)
    await world.killGateway('SIGTERM')
    expect((await staying).code).toBe(255)
    await world.startGateway()
    expect((await world.sessions())[0]).toMatchObject({ state: 'ended', endReason: 'the gateway stops' })
  })
})
