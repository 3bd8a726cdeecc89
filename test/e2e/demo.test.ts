/** The first-run promise: `npm run demo`, the ssh line that it prints, a replay, a proof. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import { afterAll, beforeAll, expect, test as plainTest } from 'vitest'
import { Browser } from '../support/browser.ts'
import { programPath, run, scratchFolder, testWith } from '../support/openssh.ts'
import { postgresProgram, testWithPostgres15 } from '../support/postgres.ts'
import { Terminal } from '../support/world.ts'

const test = testWith('ssh')
const repository = new URL('../../', import.meta.url).pathname
const launcher = join(repository, 'bin/sallyport.js')
const { path: folder, remove } = scratchFolder()
let demo: ChildProcess
let printed = ''

type Facts = {
  ssh: { host: string; port: number }
  postgres: { host: string; port: number; authority: string; database: string }
  web: string
  issuer: string
  config: string
  people: { name: string; password: string; groups: string[] }[]
  targets: { name: string; protocol: string; logins: string[] }[]
  recordings: string
  keys: { recordingHeads: string; logCheckpoints: string; host: string; targets: string }
}

beforeAll(async () => {
  const ports = ['--ssh-port', '--postgres-port', '--web-port'].flatMap(option => [option, String(0)])
  demo = spawn(process.execPath, [launcher, 'demo', '--dir', folder, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  demo.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  while (!existsSync(join(folder, 'demo.json'))) {
    if (demo.exitCode !== null) throw new Error(`the demo ended: ${printed}`)
    await sleep(50)
  }
})
afterAll(async () => {
  if (demo.exitCode !== null) return remove()
  const exited = new Promise(resolve => demo.once('exit', resolve))
  demo.kill('SIGTERM') // not outright: it has a scratch home to remove
  await exited
  remove()
})

const facts = (): Facts => JSON.parse(readFileSync(join(folder, 'demo.json'), 'utf8')) as Facts
const sallyport = (...args: string[]) =>
  run(process.execPath, [launcher, ...args], { env: { ...process.env, SALLYPORT_CONFIG: facts().config } })

test('the ssh line that it prints leads through the browser into a shell, and what was done replays and verifies', async () => {
  const line = /^\s+(ssh -p .*)$/m.exec(printed)?.[1] ?? ''
  const [, ...args] = line.split(' ')
  const options = ['-F', 'none', '-o', 'IdentityAgent=none', '-o', 'StrictHostKeyChecking=yes']
  const terminal = new Terminal(
    spawnTerminal(programPath('ssh'), [...options, ...args], { name: 'xterm', cols: 80, rows: 24 }),
  )
  const url = (await terminal.waitFor(/(http:\/\/\S+\/sign-in\/\S+)/))[1] ?? ''
  const alice = facts().people[0] ?? { name: '', password: '' }
  const code = await new Browser().signInAndGetCode(url, alice)
  await terminal.waitFor(/Code: $/)
  terminal.type(`${code}\r`)
  await terminal.waitFor(/\$ $/)
  terminal.type('id -u; echo works here\r')
  await terminal.waitFor(/works here\r?\n/)
  expect(terminal.shown).not.toMatch(/^0\r?$/m)
  terminal.type('exit\r')
  expect(await terminal.exit()).toBe(0)
  expect((await sallyport('play', 'last', '--idle', '0')).stdout.toString()).toContain('works here')
  const key = join(folder, 'heads.pem')
  writeFileSync(key, facts().keys.recordingHeads)
  const verified = await sallyport('verify', facts().recordings, '--key', key)
  expect(verified.stdout.toString()).toMatch(/^ok/)
  expect(verified.code).toBe(0)
  const said = /npx sallyport (verify .*)$/m.exec(printed)?.[1] ?? ''
  await expect
    .poll(async () => (await sallyport(...said.split(' '))).stdout.toString(), {
      timeout: 20_000,
      interval: 500,
    })
    .toMatch(/recordings? that the log tells of (is|are) there/)
})

test('a command, its input and its exit status go through as well', async () => {
  const { ssh } = facts()
  const known = join(folder, 'known_hosts')
  const shell = `ssh -F none -o IdentityAgent=none -o UserKnownHostsFile=${known} -p ${ssh.port} deploy@web1@127.0.0.1 'cat; exit 5'`
  const terminal = new Terminal(
    spawnTerminal('/bin/sh', ['-c', `echo from stdin | ${shell}; echo "status $?"`], {}),
  )
  const url = (await terminal.waitFor(/(http:\/\/\S+\/sign-in\/\S+)/))[1] ?? ''
  const code = await new Browser().signInAndGetCode(url, facts().people[0] ?? { name: '', password: '' })
  terminal.type(`${code}\r`)
  await terminal.waitFor(/from stdin[\s\S]*status 5/)
})

testWithPostgres15(
  'the psql line that it prints leads to the shop, with a password from the page, masked as the rule says',
  async () => {
    const { postgres, web, people } = facts()
    const line = /psql "([^"]+)"/.exec(printed)?.[1] ?? ''
    expect(line).toContain(`port=${postgres.port}`)
    const browser = new Browser()
    const page = await browser.signInAt(
      await browser.open(`${web}/connect`),
      people[0] ?? { name: '', password: '' },
    )
    const form = page.forms.find(({ fields }) => fields.some(({ value }) => value === 'app_readonly'))
    const fields = Object.fromEntries(form?.fields.map(({ name, value }) => [name, value]) ?? [])
    const shown = await browser.post(new URL(form?.action ?? '', page.url), { ...fields, use: 'once' }, page)
    const password = /<output class="code long"[^>]*>([^<]*)</.exec(shown.html)?.[1] ?? ''
    const ask =
      'select session_user, current_user; select card_number from payments order by id limit 1; select * from employees'
    const psql = await run(
      postgresProgram('psql'),
      ['-X', '-A', '-t', line, ...ask.split('; ').flatMap(sql => ['-c', sql])],
      {
        env: { ...process.env, PGPASSWORD: password },
      },
    )
    expect(psql.stderr).toContain('permission denied for table employees')
    expect(psql.stdout.toString()).toMatch(/^sp_demo_alice_\w+\|app_readonly\n\*+4444\n$/)
  },
)

plainTest('check finds nothing wrong', async () => {
  const check = await sallyport('check', '--config', facts().config)
  expect(check.stdout.toString() + check.stderr).not.toContain('FAILED')
  expect(check.code).toBe(0)
})

plainTest('a port that is in use is a sentence, not a stack', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const second = await run(process.execPath, [launcher, 'demo', '--ssh-port', String(port)])
  server.close()
  expect(second.code).toBe(1)
  expect(second.stderr).toBe(
    `sallyport: The SSH address 127.0.0.1:${port} is in use by another program. Choose another.\n`,
  )
})

plainTest('an unknown port option and a missing configuration are sentences too', async () => {
  expect((await run(process.execPath, [launcher, 'demo', '--web-port', 'x'])).stderr).toContain(
    '--web-port must be a port number',
  )
  const missing = await run(process.execPath, [launcher, 'serve', '--config', join(folder, 'nothing.yaml')])
  expect(missing.code).toBe(1)
  expect(missing.stderr).not.toContain('    at ')
})

plainTest('Ctrl-C stops it cleanly, and the same folder starts again with the same people', async () => {
  const before = facts()
  const exited = new Promise<number | null>(resolve => demo.once('exit', code => resolve(code)))
  demo.kill('SIGINT')
  expect(await exited).toBe(0)
  rmSync(join(folder, 'demo.json'))
  const ports = ['--ssh-port', String(before.ssh.port), '--web-port', new URL(before.web).port]
  demo = spawn(process.execPath, [launcher, 'demo', '--dir', folder, ...ports], { stdio: 'ignore' })
  while (!existsSync(join(folder, 'demo.json'))) await sleep(50)
  expect(facts().people).toEqual(before.people)
  expect(facts().keys).toEqual(before.keys)
})

plainTest(
  'the output of keys show is the key file that verify wants, for recordings and audit log alike',
  async () => {
    const keys = join(folder, 'keys.txt')
    writeFileSync(keys, (await sallyport('keys', 'show')).stdout)
    const verified = await sallyport('verify', folder, '--key', keys)
    expect(
      verified.stdout
        .toString()
        .split('\n')
        .filter(line => line.startsWith('ok')).length,
    ).toBeGreaterThanOrEqual(2)
    expect(verified.code).toBe(0)
  },
)

plainTest('a terminal that is closed stops it like Ctrl-C', async () => {
  const exited = new Promise<number | null>(resolve => demo.once('exit', code => resolve(code)))
  demo.kill('SIGHUP')
  expect(await exited).toBe(0)
})
