/** Watching sessions while they go on: with plain ssh and psql, through the admin socket. */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test as plainTest } from 'vitest'
import type { SessionRow } from '../../src/model.ts'
import { headerOf } from '../../src/recorder/reader.ts'
import { testWith } from '../support/openssh.ts'
import { hasPostgres } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { type RawConfig, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let close: (() => Promise<void>) | undefined
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await close?.()
  close = undefined
})

/** `sallyport sessions watch`, and what it has shown so far. */
class Watcher {
  shown = ''
  readonly #world: World
  readonly #child: ChildProcess
  readonly ended: Promise<number | null>

  constructor(world: World, id: string, ...more: readonly string[]) {
    this.#world = world
    this.#child = spawn(process.execPath, ['src/main.ts', 'sessions', 'watch', id, ...more], {
      cwd: new URL('../../', import.meta.url).pathname,
      env: { ...process.env, SALLYPORT_CONFIG: world.configFile },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.push(this.#child)
    const hear = (part: Buffer): void => void (this.shown += part.toString())
    this.#child.stdout?.on('data', hear)
    this.#child.stderr?.on('data', hear)
    this.ended = new Promise(resolve => this.#child.once('close', resolve))
  }

  async until(pattern: RegExp): Promise<void> {
    await this.#world.until(() => {
      if (this.#child.exitCode !== null && !pattern.test(this.shown))
        throw new Error(`it showed: ${this.shown}`)
      return pattern.test(this.shown)
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

function encryptToAnAuditor(config: RawConfig): void {
  const file = join(config['gateway'].data as string, '..', 'auditor.pub.jwk')
  const { publicKey } = generateKeyPairSync('x25519')
  writeFileSync(file, JSON.stringify(publicKey.export({ format: 'jwk' })))
  config['recording'] = { encryptTo: [`file:${file}`] }
}

const openSession = async (world: World): Promise<string> => {
  let id: string | undefined
  await world.until(
    async () => (id = (await world.sessions()).find(row => row.state === 'open')?.id) !== undefined,
  )
  return id ?? ''
}

test('a terminal is shown as it goes on, encrypted or not, and nothing in it acts on the terminal of who watches', async () => {
  const world = await World.start({ configure: encryptToAnAuditor })
  close = () => world.stop()
  const terminal = await world.terminal(`${world.login}@web1`)
  await terminal.waitFor(/[$#] $/)
  const id = await openSession(world)
  const watcher = new Watcher(world, id)
  await watcher.until(/from here on/)
  await watcher.until(/terminal of 80 × 24/)
  terminal.type(`printf 'A\\033]52;c;ZXZpbA==\\007B\\033[6nC\\n'\r`)
  await watcher.until(/ABC/)
  expect(watcher.shown).not.toMatch(/\x1b\]|\x1b\[6n/)
  expect(world.audit().filter(line => line['kind'] === 'watch-begin')).toMatchObject([
    { session: id, by: expect.stringContaining('local user') },
  ])
  const second = new Watcher(world, id)
  await second.until(/from here on/)
  second.signal('SIGINT')
  await second.ended
  expect(headerOf(world.fileOf((await world.sessions())[0] as SessionRow)).encryption).not.toBeNull()
  terminal.type('exit\r')
  await terminal.exit()
  expect(await watcher.ended).toBe(0)
  expect(watcher.shown).toContain('The session has ended')
  await world.until(() => world.audit().filter(line => line['kind'] === 'watch-end').length === 2)
  expect(world.audit().filter(line => line['kind'] === 'watch-end')).toMatchObject([
    { session: id, reason: 'left' },
    { session: id, reason: 'ended' },
  ])
  expect(await new Watcher(world, id).ended).toBe(1)
})

test('a watcher who stops reading loses the watch, and the session loses nothing', async () => {
  const world = await World.start()
  close = () => world.stop()
  const bytes = 24_000_000
  const flag = join(world.folder, 'go')
  const script = `while [ ! -e ${flag} ]; do sleep 0.1; done; head -c ${bytes} /dev/zero | tr '\\0' y`
  const run = world.ssh(`${world.login}@web1`, { command: [script] })
  const watcher = new Watcher(world, await openSession(world), '--json')
  await watcher.until(/"session"/)
  watcher.signal('SIGSTOP')
  writeFileSync(flag, '')
  expect((await run).stdout.length).toBe(bytes)
  expect(world.streamOf(await world.lastEnded(), 'output').length).toBe(bytes)
  watcher.signal('SIGCONT')
  await watcher.ended
  expect(watcher.shown).toContain('"reason":"too-slow"')
  expect(world.audit().filter(line => line['kind'] === 'watch-end')).toMatchObject([{ reason: 'too-slow' }])
})

const withPostgres =
  hasPostgres(18) || process.env['SALLYPORT_REQUIRE_PEERS'] === '1' ? plainTest : plainTest.skip

withPostgres('statements of psql are shown with their results', async () => {
  const here = await PostgresWorld.start()
  close = () => here.stop()
  const { world } = here
  const psql = here.start('psql', ['-X', '-A', '-t'], await here.environment())
  children.push(psql)
  psql.stdin?.write('select 1;\n')
  const watcher = new Watcher(world, await openSession(world))
  await watcher.until(/from here on/)
  psql.stdin?.write('select 40 + 2 as answer;\n')
  await watcher.until(/select 40 \+ 2 as answer[\s\S]*SELECT 1/)
  psql.stdin?.end('select pg_sleep(0), \'x\' as "last";\n')
  expect(await watcher.ended).toBe(0)
  expect(watcher.shown).toContain('pg_sleep(0)')
  expect(watcher.shown).toContain('The session has ended')
})
