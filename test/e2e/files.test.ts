/** Files through the door with plain sftp, scp, rsync and git: they arrive byte for byte, and the recording says which they were. */
import { type ChildProcess, execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type { TextEvent } from '../../src/recorder/event.ts'
import type { FileRange } from '../../src/recorder/file-event.ts'
import { isolatedSshOptions, programPath, scratchFolder, testWith } from '../support/openssh.ts'
import { type SshRun, World } from '../support/world.ts'
import * as sftp from '../ssh/sftp/wire.ts'

const test = testWith('ssh', 'sshd', 'sftp', 'scp')
const execute = promisify(execFile)
const megabytes = 1_000_000

/** Where systems keep the program behind the subsystem. */
const serverPaths = [
  '/usr/lib/openssh/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/libexec/sftp-server',
]

let world: World
let scratch: ReturnType<typeof scratchFolder>
const here = (name: string): string => join(scratch.path, 'client', name)
const there = (name: string): string => join(scratch.path, 'target', name)

beforeAll(async () => {
  scratch = scratchFolder()
  mkdirSync(here(''))
  mkdirSync(there(''))
  world = await World.start({
    sshdConfig: `Subsystem sftp ${subsystemProgram()}\nSubsystem other /bin/cat`,
    configure: config => {
      const [target] = config['targets']
      const narrow = { targets: { name: 'web2' }, channels: ['shell', 'exec'] }
      config['targets'].push({ ...target, name: 'web2', labels: { env: 'narrow' } })
      config['roles'].admin.allow.push({ ...narrow, logins: config['roles'].admin.allow[0].logins })
    },
  })
})
afterAll(async () => {
  await world?.stop()
  scratch?.remove()
})

/** OpenSSH's server, unless a file tells it to say something else first. */
function subsystemProgram(): string {
  const program = join(scratch.path, 'subsystem')
  const server = serverPaths.find(path => existsSync(path)) ?? 'sftp-server'
  writeFileSync(
    program,
    `#!/bin/sh\n[ -f '${there('greeting')}' ] && cat '${there('greeting')}'\nexec ${server}\n`,
  )
  chmodSync(program, 0o755)
  return program
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
const digestOf = (file: string): string => sha256(readFileSync(file))

function makeFile(path: string, bytes: number): Buffer {
  const data = randomBytes(bytes)
  writeFileSync(path, data)
  return data
}

/** Runs sftp as a person would, one command after the other. */
async function inSftp(commands: readonly string[], options: readonly string[] = []): Promise<SshRun> {
  const args = [...isolatedSshOptions(world.sshPort), ...options, `${world.login}@web1@127.0.0.1`]
  return world.runClient('sftp', args, { input: `${commands.join('\n')}\n` })
}

async function scp(options: readonly string[], from: string, to: string): Promise<SshRun> {
  return world.runClient('scp', [...isolatedSshOptions(world.sshPort), ...options, from, to], { input: '' })
}

const remote = (path: string): string => `${world.login}@web1@127.0.0.1:${path}`

async function eventsOfLast(): Promise<readonly TextEvent[]> {
  const row = await world.lastEnded()
  return world.eventsOf(row).flatMap(({ event }) => ('fields' in event ? [event] : []))
}

const fieldsOf = (events: readonly TextEvent[], type: string): Readonly<Record<string, unknown>>[] =>
  events.filter(event => event.type === type).map(({ fields }) => fields)

/** The content that `file-close` describes for a path. */
async function closedFile(path: string): Promise<Record<string, unknown> | undefined> {
  return fieldsOf(await eventsOfLast(), 'file-close').find(fields => fields['path'] === path)
}

describe('sftp', () => {
  test('uploads 10 MB: path, size and SHA-256 are recorded, the bytes arrive as they are', async () => {
    const data = makeFile(here('up'), 10 * megabytes)
    const run = await inSftp([`put ${here('up')} ${there('up')}`])
    expect(run.code).toBe(0)
    expect(digestOf(there('up'))).toBe(sha256(data))
    expect(await closedFile(there('up'))).toMatchObject({
      status: 'ok',
      written: { bytes: data.length, complete: true, sha256: sha256(data) },
    })
  })

  test('downloads 10 MB: the same', async () => {
    const data = makeFile(there('down'), 10 * megabytes)
    await inSftp([`get ${there('down')} ${here('down')}`])
    expect(digestOf(here('down'))).toBe(sha256(data))
    expect(await closedFile(there('down'))).toMatchObject({
      read: { bytes: data.length, complete: true, sha256: sha256(data) },
    })
  })

  test('does both with 256 large requests at a time', async () => {
    const data = makeFile(here('many'), 10 * megabytes + 12_345)
    const run = await inSftp(
      [`put ${here('many')} ${there('many')}`, `get ${there('many')} ${here('many-back')}`],
      ['-R', '256', '-B', '262000'],
    )
    expect(run.code).toBe(0)
    expect(digestOf(here('many-back'))).toBe(sha256(data))
    const [put, got] = fieldsOf(await eventsOfLast(), 'file-close')
    const content = { bytes: data.length, complete: true, sha256: sha256(data) }
    expect(put).toMatchObject({ path: there('many'), written: content })
    expect(got).toMatchObject({ path: there('many'), read: content })
  })

  test('keeps none of a file’s content in the recording, and describes all of it in each turn', async () => {
    const data = makeFile(here('big'), 3 * megabytes)
    await inSftp([`put ${here('big')} ${there('big')}`])
    const row = await world.lastEnded()
    expect(world.streamOf(row, 'input').length).toBe(0)
    expect(statSync(world.fileOf(row)).size).toBeLessThan(data.length / 4)
    const progress = fieldsOf(await eventsOfLast(), 'file-progress')
    const last = progress.filter(({ written }) => written !== undefined).at(-1)
    expect(last?.['written']).toEqual([{ from: 0, bytes: data.length, sha256: sha256(data) }])
  })

  test('makes, lists, renames, changes and removes: each operation with its result', async () => {
    makeFile(here('small'), 100)
    const name = there('d/ö ‮x')
    await inSftp([
      `mkdir ${there('d')}`,
      `put ${here('small')} "${name}"`,
      `ls -l ${there('d')}`,
      `rename "${name}" ${there('d/z')}`,
      `ln -s ${there('d/z')} ${there('d/link')}`,
      `ln ${there('d/z')} ${there('d/hard')}`,
      `chmod 600 ${there('d/z')}`,
      `df ${there('d')}`,
      `rm ${there('d/nothing')}`,
      `rm ${there('d/*')}`,
      `rmdir ${there('d')}`,
    ])
    const done = fieldsOf(await eventsOfLast(), 'file-operation').map(
      ({ operation, path, targetPath, status }) => [operation, path, targetPath, status].join(' '),
    )
    expect(done).toEqual(
      expect.arrayContaining([
        `make-directory ${there('d')}  ok`,
        `read-directory ${there('d')}/  ok`,
        `posix-rename ${name} ${there('d/z')} ok`,
        `symlink ${there('d/link')} ${there('d/z')} ok`,
        `hardlink ${there('d/z')} ${there('d/hard')} ok`,
        `setstat ${there('d/z')}  ok`,
        `statvfs ${there('d')}  ok`,
        `remove ${there('d/z')}  ok`,
        `remove-directory ${there('d')}  ok`,
      ]),
    )
    expect(existsSync(there('d'))).toBe(false)
  })

  test('goes on with what was cut off: the recording has the part that moved', async () => {
    const data = makeFile(here('resume'), megabytes)
    writeFileSync(there('resume'), data.subarray(0, 400_000))
    await inSftp([`reput ${here('resume')} ${there('resume')}`])
    expect(digestOf(there('resume'))).toBe(sha256(data))
    expect(await closedFile(there('resume'))).toMatchObject({
      written: {
        complete: false,
        ranges: [{ from: 400_000, bytes: 600_000, sha256: sha256(data.subarray(400_000)) }],
      },
    })
    writeFileSync(here('resume'), data.subarray(0, 100_000))
    await inSftp([`reget ${there('resume')} ${here('resume')}`])
    expect(digestOf(here('resume'))).toBe(sha256(data))
    expect(await closedFile(there('resume'))).toMatchObject({
      read: { ranges: [{ from: 100_000, bytes: 900_000, sha256: sha256(data.subarray(100_000)) }] },
    })
  })

  test('run as a command, without the subsystem, is described as well', async () => {
    const server = serverPaths.find(path => existsSync(path))
    if (server === undefined) return
    const data = makeFile(here('command'), megabytes)
    await inSftp([`put ${here('command')} ${there('command')}`], ['-s', server])
    expect(await closedFile(there('command'))).toMatchObject({
      written: { complete: true, sha256: sha256(data) },
    })
  })

  test('comes out of an export with its names, unable to draw on a terminal', async () => {
    makeFile(here('shown'), 10)
    await inSftp([`put ${here('shown')} "${there('shown\x1b[31m\u202e')}"`])
    const row = await world.lastEnded()
    const json = await world.sallyport('export', row.id, '--format', 'json')
    expect(json.code).toBe(0)
    expect(json.stdout.toString()).not.toContain('\x1b')
    const lines = json.stdout.toString().trim().split('\n')
    expect(lines.some(line => line.includes('"file-close"') && line.includes(digestOf(here('shown'))))).toBe(
      true,
    )
    const verified = await world.sallyport('verify', world.fileOf(row))
    expect(verified.code).toBe(0)
    const text = await world.sallyport('export', row.id, '--format', 'text')
    expect([text.code, text.stderr]).toEqual([0, ''])
  })

  test('goes nowhere where policy does not allow it, and says so', async () => {
    const run = await world.ssh(`${world.login}@web2`, { arguments: ['-s'], command: ['sftp'], input: '' })
    expect(run.code).toBe(126)
    expect(run.stderr).toContain('Policy does not allow sftp here')
    expect(fieldsOf(await eventsOfLast(), 'request-refused').length).toBe(1)
  })
})

describe('another subsystem', () => {
  test('is refused with a sentence', async () => {
    const run = await world.ssh(`${world.login}@web1`, { arguments: ['-s'], command: ['other'], input: '' })
    expect(run.code).toBe(126)
    expect(run.stderr).toContain('sallyport: The gateway passes on the subsystem sftp and no other.')
    expect(fieldsOf(await eventsOfLast(), 'subsystem')).toEqual([expect.objectContaining({ name: 'other' })])
  })
})

describe('what is not SFTP ends the channel, with a sentence on stderr:', () => {
  async function raw(input: Buffer): Promise<SshRun> {
    return world.ssh(`${world.login}@web1`, { arguments: ['-s'], command: ['sftp'], input })
  }

  test('a client that sends what it should not', async () => {
    const run = await raw(Buffer.concat([sftp.init(), sftp.extended(1, 'exec@example.com')]))
    expect(run.code).not.toBe(0)
    expect(run.stderr).toContain(
      'because of what the client sent: a request of an extension that the gateway does not know',
    )
    const problems = fieldsOf(await eventsOfLast(), 'file-problem')
    expect(problems).toEqual([expect.objectContaining({ from: 'client' })])
  })

  test('a client that sends lengths that lie', async () => {
    for (const input of ['00000000', '7fffffff05', '0000000506ffffffff']) {
      const run = await raw(Buffer.concat([sftp.init(), Buffer.from(input, 'hex')]))
      expect(run.stderr).toContain('sallyport: File transfer ended')
    }
  })

  test('a target that greets', async () => {
    writeFileSync(there('greeting'), 'Welcome to web1, where every shell says so!\n')
    try {
      const run = await inSftp(['pwd'])
      expect(run.code).not.toBe(0)
      expect(run.stderr).toContain('because of what the target sent')
      expect(run.stdout.toString()).not.toContain('Welcome')
    } finally {
      rmSync(there('greeting'))
    }
  })

  test('a target that answers what nobody asked', async () => {
    writeFileSync(there('greeting'), Buffer.concat([sftp.version(), sftp.status(77)]))
    try {
      const run = await inSftp(['pwd'])
      expect(run.stderr).toContain('because of what the target sent')
    } finally {
      rmSync(there('greeting'))
    }
  })
})

describe('scp', () => {
  const ways: readonly [string, readonly string[]][] = [
    ['over SFTP', []],
    ['with its own protocol', ['-O']],
  ]
  for (const [how, options] of ways) {
    test(`${how} copies 10 MB there and back, and both are recorded`, async () => {
      const data = makeFile(here('scp'), 10 * megabytes)
      const up = await scp([...options, '-p'], here('scp'), remote(there('scp')))
      expect(up.code).toBe(0)
      expect(digestOf(there('scp'))).toBe(sha256(data))
      const content = { bytes: data.length, complete: true, sha256: sha256(data) }
      expect(fieldsOf(await eventsOfLast(), 'file-close')).toEqual([
        expect.objectContaining({ status: 'ok', written: content }),
      ])
      const down = await scp(options, remote(there('scp')), here('scp-back'))
      expect(down.code).toBe(0)
      expect(digestOf(here('scp-back'))).toBe(sha256(data))
      expect(fieldsOf(await eventsOfLast(), 'file-close')).toEqual([
        expect.objectContaining({ status: 'ok', read: content }),
      ])
    })

    test(`${how} copies a tree`, async () => {
      mkdirSync(here('tree/a b'), { recursive: true })
      makeFile(here('tree/a b/one'), 1000)
      makeFile(here('tree/two'), 0)
      const run = await scp([...options, '-r'], here('tree'), remote(there(`tree${options.length}`)))
      expect(run.code).toBe(0)
      const digests = fieldsOf(await eventsOfLast(), 'file-close')
        .filter(({ written }) => written !== undefined)
        .map(({ written }) => (written as Record<string, unknown>)['sha256'])
      expect(new Set(digests)).toEqual(new Set([digestOf(here('tree/a b/one')), digestOf(here('tree/two'))]))
    })
  }

  test('with its own protocol says what it could not copy', async () => {
    const run = await scp(['-O'], remote(there('missing')), here('missing'))
    expect(run.stderr).toContain('No such file')
    const events = await eventsOfLast()
    expect(fieldsOf(events, 'transfer')).toEqual([
      expect.objectContaining({ program: 'scp', direction: 'from-target', paths: [there('missing')] }),
    ])
    expect(fieldsOf(events, 'file-problem')).toEqual([])
  })

  test('with something else than scp at the other end is kept as it was, and a note says so', async () => {
    const run = await world.ssh(`${world.login}@web1`, { command: ['scp -t /tmp'], input: 'not a record\n' })
    expect(run.code).not.toBe(0)
    const row = await world.lastEnded()
    expect(world.streamOf(row, 'input').toString()).toBe('not a record\n')
    expect(fieldsOf(await eventsOfLast(), 'file-problem').length).toBe(1)
  })
})

/** One sign-in, and tools that use its connection. */
async function throughOneConnection(use: (ssh: string) => Promise<void>): Promise<void> {
  const options = [
    ...isolatedSshOptions(world.sshPort, { extra: [`ControlPath=${join(world.folder, 'c')}`] }),
  ]
  let master: ChildProcess | undefined
  const running = world.ssh(`${world.login}@web1`, {
    arguments: ['-M', '-N'],
    extra: [`ControlPath=${join(world.folder, 'c')}`],
    onStart: child => (master = child),
  })
  await world.until(() => existsSync(join(world.folder, 'c')))
  try {
    await use([programPath('ssh'), ...options, '-l', `${world.login}@web1`].join(' '))
  } finally {
    master?.kill('SIGTERM')
    await running
  }
}

describe('rsync', () => {
  const rsyncTest = testWith('ssh', 'sshd', 'rsync')

  rsyncTest('copies both ways, and is recorded by command, names and bytes', async () => {
    const data = makeFile(here('rsynced'), megabytes)
    await throughOneConnection(async ssh => {
      const rsync = programPath('rsync')
      const there2 = `127.0.0.1:${there('rsynced')}`
      const path = `--rsync-path=${rsync}`
      await execute(rsync, ['-e', ssh, path, here('rsynced'), there2])
      await execute(rsync, ['-e', ssh, path, there2, here('rsynced-back')])
    })
    expect(digestOf(here('rsynced-back'))).toBe(sha256(data))
    expect(fieldsOf(await eventsOfLast(), 'transfer')).toEqual([
      expect.objectContaining({ program: 'rsync', direction: 'to-target', paths: [there('rsynced')] }),
      expect.objectContaining({ program: 'rsync', direction: 'from-target', paths: [there('rsynced')] }),
    ])
  })
})

describe('git', () => {
  const gitTest = testWith('ssh', 'sshd', 'git')

  gitTest('clones and pushes, and is recorded by command, repository and bytes', async () => {
    const git = (args: readonly string[], ssh = 'false') =>
      execute(programPath('git'), ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
        env: {
          ...process.env,
          GIT_SSH_COMMAND: ssh,
          GIT_CONFIG_GLOBAL: '/dev/null',
          GIT_CONFIG_NOSYSTEM: '1',
        },
      })
    await git(['init', '-q', '--bare', there('repository')])
    await throughOneConnection(async ssh => {
      await git(['clone', '-q', `127.0.0.1:${there('repository')}`, here('clone')], ssh)
      makeFile(here('clone/file'), 100_000)
      await git(['-C', here('clone'), 'add', 'file'])
      await git(['-C', here('clone'), 'commit', '-q', '-m', 'a file'])
      await git(['-C', here('clone'), 'push', '-q', 'origin', 'HEAD'], ssh)
    })
    const { stdout } = await git(['-C', here('clone'), 'rev-parse', 'HEAD'])
    const pushed = await git(['--git-dir', there('repository'), 'rev-list', '--all'])
    expect(pushed.stdout).toBe(stdout)
    const transfers = fieldsOf(await eventsOfLast(), 'transfer')
    expect(transfers).toEqual([
      expect.objectContaining({ program: 'git', direction: 'from-target', paths: [there('repository')] }),
      expect.objectContaining({ program: 'git', direction: 'to-target', paths: [there('repository')] }),
    ])
    expect(transfers[1]?.['inputBytes']).toBeGreaterThan(100_000)
  })
})

describe('when the gateway is killed in the middle of an upload', () => {
  test('no byte has reached the target that the recording does not describe', async () => {
    const data = makeFile(here('cut'), 120 * megabytes)
    const running = inSftp([`put ${here('cut')} ${there('cut')}`])
    await world.until(() => existsSync(there('cut')) && statSync(there('cut')).size > 5 * megabytes)
    await world.killGateway('SIGKILL')
    await running
    await world.startGateway()
    const told = fieldsOf(await eventsOfLast(), 'file-progress').flatMap(({ written }) =>
      Array.isArray(written) ? (written as FileRange[]) : [],
    )
    const range = told.at(-1)
    expect(range).toEqual({ from: 0, bytes: range?.bytes, sha256: sha256(data.subarray(0, range?.bytes)) })
    expect(range?.bytes).toBeGreaterThanOrEqual(statSync(there('cut')).size)
    expect(range?.bytes).toBeLessThan(data.length)
  })
})
