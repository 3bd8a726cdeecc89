/** Files through a terminal with the real `sz` and `rz` on both sides of the door, as terminals that know ZMODEM run them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { scratchFolder, testWith } from '../support/openssh.ts'
import { type SshRun, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd', 'sz', 'rz')

let world: World
let scratch: ReturnType<typeof scratchFolder>
const here = (name: string): string => join(scratch.path, 'client', name)
const there = (name: string): string => join(scratch.path, 'target', name)

beforeAll(async () => {
  scratch = scratchFolder()
  mkdirSync(here(''))
  mkdirSync(there(''))
  world = await World.start({
    configure: config => {
      const [target] = config['targets']
      const [rule] = config['roles'].admin.allow
      config['targets'].push({ ...target, name: 'closed', labels: { env: 'closed' } })
      config['targets'].push({ ...target, name: 'copied', labels: { env: 'copied' } })
      config['roles'].admin.allow.push({ ...rule, targets: { name: 'closed' }, zmodem: 'deny' })
      config['roles'].admin.allow.push({ ...rule, targets: { name: 'copied' }, files: 'copy' })
    },
  })
})
afterAll(async () => {
  await world?.stop()
  scratch?.remove()
})

const digest = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
function makeFile(path: string, bytes: number): Buffer {
  const data = randomBytes(bytes)
  writeFileSync(path, data)
  return data
}

/** The header with which a program offers a file. */
const offer = Buffer.from('**\x18B00000000000000\r\x8a\x11', 'latin1')

type Joined = { run: SshRun; local: number | null }

/** Runs a command in a terminal through the door, and a local program at its other end once the target announces a transfer. */
async function joined(
  target: string,
  command: string,
  program: readonly [string, ...string[]],
): Promise<Joined> {
  let local: Promise<number | null> = Promise.resolve(null)
  const run = await world.ssh(`${world.login}@${target}`, {
    arguments: ['-tt', '-e', 'none'],
    command: [command],
    onStart: ssh => {
      local = joinedTo(ssh, program)
    },
  })
  return { run, local: await local }
}

/** The exit code of the local program. */
function joinedTo(
  ssh: ChildProcess,
  [program, ...args]: readonly [string, ...string[]],
): Promise<number | null> {
  return new Promise(resolve => {
    let helper: ChildProcess | undefined
    let seen = ''
    ssh.once('close', () => (helper === undefined ? resolve(null) : helper.stdin?.end()))
    ssh.stdout?.on('data', (data: Buffer) => {
      if (helper !== undefined) return void (helper.stdin?.writable === true && helper.stdin.write(data))
      seen += data.toString('latin1')
      if (!seen.includes('**\x18B0')) return
      helper = spawn(program, args, { cwd: here(''), stdio: 'pipe' })
      helper.stdin?.on('error', () => {})
      helper.stdin?.write(Buffer.from(seen, 'latin1'))
      helper.stdout?.on(
        'data',
        (bytes: Buffer) => void (ssh.stdin?.writable === true && ssh.stdin.write(bytes)),
      )
      helper.once('exit', resolve)
    })
  })
}

const eventsOf = async (): Promise<readonly Record<string, unknown>[]> =>
  world
    .eventsOf(await world.lastEnded())
    .flatMap(({ event }) => ('fields' in event ? [event.fields as Record<string, unknown>] : []))
const ofType = (events: readonly Record<string, unknown>[], type: string) =>
  events.filter(event => event['type'] === type)

describe('where the rule denies it', () => {
  test('a download is cancelled on both sides, and nothing of the file arrives', async () => {
    makeFile(there('secret'), 50_000)
    const { run, local } = await joined('closed', `sz -q ${there('secret')}; echo still here`, ['rz', '-q'])
    expect(run.stdout.toString('latin1')).toContain(
      'Policy does not allow files to be moved through a terminal',
    )
    expect(run.stdout.toString('latin1')).toContain('still here')
    expect(run.code).toBe(0)
    expect(local).not.toBe(0)
    expect(existsSync(here('secret'))).toBe(false)
    const events = await eventsOf()
    // sz may have offered it once more before it saw that it was cancelled.
    const refused = ofType(events, 'request-refused').map(({ request }) => request)
    expect(new Set(refused)).toEqual(new Set(['zmodem']))
    expect(ofType(events, 'file-open')).toEqual([])
  })

  test('an upload is cancelled on both sides, and nothing of the file is written', async () => {
    makeFile(here('tool'), 50_000)
    const { run, local } = await joined('closed', `cd ${there('')} && rz -q; echo still here`, [
      'sz',
      '-q',
      here('tool'),
    ])
    expect(run.stdout.toString('latin1')).toContain('still here')
    expect(local).not.toBe(0)
    expect(existsSync(there('tool'))).toBe(false)
    expect(ofType(await eventsOf(), 'request-refused').length).toBeGreaterThan(0)
  })

  test('a file that shows the same bytes ends nothing: the shell goes on', async () => {
    writeFileSync(there('looks-like'), Buffer.concat([offer, randomBytes(5000), offer]))
    const terminal = await world.terminal(`${world.login}@closed`)
    await terminal.waitFor(/[$#] $/)
    terminal.type(`cat ${there('looks-like')}; stty sane; echo; echo A-$((40+2))\r`)
    await terminal.waitFor(/A-42/)
    terminal.type('exit\r')
    await terminal.exit()
    const events = await eventsOf()
    expect(ofType(events, 'request-refused')).toEqual([])
    expect(ofType(events, 'transfer')).toEqual([])
  })
})

describe('where nothing is said', () => {
  test('a download is told by name, size and SHA-256', async () => {
    const data = makeFile(there('report.bin'), 300_000)
    const { run, local } = await joined('web1', `sz -q ${there('report.bin')}`, ['rz', '-q', '-y'])
    expect(run.code).toBe(0)
    expect(local).toBe(0)
    expect(digest(readFileSync(here('report.bin')))).toBe(digest(data))
    const events = await eventsOf()
    expect(ofType(events, 'file-open')).toMatchObject([
      { path: 'report.bin', operation: 'zmodem-from-target', attributes: { size: data.length } },
    ])
    expect(ofType(events, 'file-close')).toMatchObject([
      {
        path: 'report.bin',
        status: 'ok',
        read: { bytes: data.length, complete: true, sha256: digest(data) },
      },
    ])
    expect(ofType(events, 'transfer')).toMatchObject([{ program: 'zmodem', direction: 'from-target' }])
  })

  test('two files of an upload are told the same way, and none of it counts as typed', async () => {
    const files = ['one.bin', 'two.bin'].map(name => makeFile(here(name), 123_456))
    const { run, local } = await joined('web1', `cd ${there('')} && rz -q -y`, [
      'sz',
      '-q',
      here('one.bin'),
      here('two.bin'),
    ])
    expect(run.code).toBe(0)
    expect(local).toBe(0)
    expect(['one.bin', 'two.bin'].map(name => digest(readFileSync(there(name))))).toEqual(files.map(digest))
    const events = await eventsOf()
    expect(ofType(events, 'file-close')).toMatchObject([
      { path: 'one.bin', status: 'ok', written: { complete: true, sha256: digest(files[0] as Buffer) } },
      { path: 'two.bin', status: 'ok', written: { complete: true, sha256: digest(files[1] as Buffer) } },
    ])
    expect(ofType(events, 'typed')).toEqual([])
    expect(ofType(events, 'unechoed-line')).toEqual([])
    expect(ofType(events, 'file-content')).toEqual([])
    expect(events.filter(event => event['type'] === 'file-open')).toHaveLength(2)
  })
})
