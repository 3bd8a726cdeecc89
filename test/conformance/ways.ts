/** The ways to one sshd: straight, and through the gateway by both forms of address. All without a prompt. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Browser } from '../support/browser.ts'
import { type KeyFiles, makeKey, programPath, scratchFolder } from '../support/openssh.ts'
import { people, World } from '../support/world.ts'

export type Way = {
  readonly name: 'direct' | 'named' | 'jump'
  /** For scripts: see `Scripted`. */
  readonly environment: Readonly<Record<string, string>>
  readonly config: string
  readonly folder: string
}

export type Ways = {
  readonly world: World
  /** Random bytes (`random`, 20 MB) and a tree, read by both sides. */
  readonly files: string
  readonly all: readonly [direct: Way, named: Way, jump: Way]
  stop(): Promise<void>
}

/** sshd lets in by the same key what the gateway lets in by it: a company that moves behind a gateway. */
export async function startWays(): Promise<Ways> {
  const scratch = scratchFolder()
  const key = makeKey(scratch.path, 'key')
  const home = join(scratch.path, 'home')
  mkdirSync(home)
  const world = await World.start({
    configure: config => {
      config['identity'].enrolledKeys = { for: '8h', ipv4Prefix: 32 }
      Object.assign(config['roles'].admin.allow[0], {
        channels: ['shell', 'exec', 'sftp', 'forward', 'agent'],
        forward: { to: ['127.0.0.1:1-65535', '/**'], from: ['localhost:*', '/**'] },
      })
    },
    sshdConfig: [
      `AuthorizedKeysFile ${key.publicFile}`,
      // Signs of life from the target too, and variables that only the gateway refuses.
      'ClientAliveInterval 1',
      'ClientAliveCountMax 30',
      'AcceptEnv LANG LC_* TZ OTHER',
      'X11Forwarding yes',
      // What this machine's own shell does at its start is no part of the test.
      `SetEnv HOME=${home}`,
    ].join('\n'),
  })
  await enrol(world, key)
  const files = makeFiles(scratch.path)
  const authority = await authorityOf(world)
  const make = (name: Way['name'], lines: readonly string[], where: Record<string, string>): Way =>
    makeWay({ world, folder: join(scratch.path, name), key, files, name, lines, where })
  const sshdPort = String(world.sshd?.port)
  const gatewayPort = String(world.sshPort)
  const named = `${world.login}@web1`
  return {
    world,
    files,
    all: [
      make('direct', ['HostName 127.0.0.1', `Port ${sshdPort}`, `User ${world.login}`, ...unknownHost], {
        ADDRESS: '127.0.0.1',
        PORT: sshdPort,
        USERNAME: world.login,
      }),
      make('named', ['HostName 127.0.0.1', `Port ${gatewayPort}`, `User ${named}`, ...unknownHost], {
        ADDRESS: '127.0.0.1',
        PORT: gatewayPort,
        USERNAME: named,
      }),
      make(
        'jump',
        ['HostName web1', 'ProxyJump gateway', `User ${world.login}`, ...knownHost(scratch.path, authority)],
        { ADDRESS: 'web1', PORT: '22', USERNAME: world.login, GATEWAY_PORT: gatewayPort },
      ),
    ],
    stop: async () => {
      await world.stop()
      scratch.remove()
    },
  }
}

const unknownHost = ['StrictHostKeyChecking no', 'UserKnownHostsFile /dev/null']

function knownHost(folder: string, authority: string): readonly string[] {
  const file = join(folder, 'known_hosts')
  writeFileSync(file, `${authority}\n`)
  return ['StrictHostKeyChecking yes', `UserKnownHostsFile ${file}`]
}

async function authorityOf(world: World): Promise<string> {
  const shown = await world.sallyport('keys', 'show')
  const lines = shown.stdout.toString().split('\n')
  return lines.find(line => line.startsWith('@cert-authority')) ?? ''
}

/** Once by the browser, with the tick: from then on the key signs in alone. */
async function enrol(world: World, key: KeyFiles): Promise<void> {
  const signedIn = await world.ssh(`${world.login}@web1`, {
    command: ['true'],
    arguments: ['-i', key.privateFile],
    answers: async url => {
      const browser = new Browser()
      const page = await browser.signInAt(await browser.open(url), people.ada)
      const shown = await browser.press(page, 'Yes, show me the code', { enrol: 'yes' })
      return [shown.code ?? '']
    },
  })
  if (signedIn.code !== 0) throw new Error(`the key could not be enrolled: ${signedIn.stderr}`)
}

type Parts = {
  world: World
  folder: string
  key: KeyFiles
  files: string
  name: Way['name']
  lines: readonly string[]
  where: Record<string, string>
}

function makeWay({ world, folder, key, files, name, lines, where }: Parts): Way {
  mkdirSync(folder)
  const config = join(folder, 'config')
  writeFileSync(
    config,
    [
      'Host target',
      ...lines,
      'Host gateway',
      'HostName 127.0.0.1',
      `Port ${world.sshPort}`,
      'User somebody',
      ...unknownHost,
      'Host *',
      'BatchMode yes',
      'ConnectTimeout 20',
      'GlobalKnownHostsFile /dev/null',
      'IdentityAgent none',
      'IdentitiesOnly yes',
      `IdentityFile ${key.privateFile}`,
      // The gateway's notice is a banner, which ssh shows at INFO. Everything that goes wrong is shown at ERROR.
      'LogLevel ERROR',
      '',
    ].join('\n'),
  )
  const environment = {
    ...where,
    WAY: name,
    CONFIG: config,
    KEY: key.privateFile,
    FILES: files,
    LOGIN: world.login,
    CLIENTS: new URL('clients/', import.meta.url).pathname,
    PATH: process.env['PATH'] ?? '',
  }
  return { name, environment, config, folder }
}

function makeFiles(folder: string): string {
  const files = join(folder, 'files')
  const tree = join(files, 'tree')
  mkdirSync(join(tree, 'deep', 'er'), { recursive: true })
  execFileSync('sh', ['-c', `head -c 20000000 /dev/urandom >'${files}/random'`])
  writeFileSync(join(tree, 'empty'), '')
  writeFileSync(join(tree, 'with space'), 'one\n')
  writeFileSync(join(tree, 'ünïcode'), 'two\n')
  writeFileSync(join(tree, 'deep', 'er', 'binary'), readFileSync(join(files, 'random')).subarray(0, 300_000))
  execFileSync('sh', [
    '-c',
    `cd '${tree}' && printf three >"$(printf 'not-utf-8-\\377')" && ln -s 'with space' link && chmod 640 empty`,
  ])
  execFileSync('find', [tree, '-exec', 'touch', '-h', '-d', '2020-02-02 02:02:02 UTC', '{}', '+'])
  if (!existsSync(join(tree, 'link'))) throw new Error('the tree was not made')
  copyFileSync(programPath('ssh'), join(files, 'program'))
  return files
}
