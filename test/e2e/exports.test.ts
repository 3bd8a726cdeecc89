/** Recordings taken out of a running gateway: bundles that others prove without us, files that were kept, and who took what. */
import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { FrameReader } from '../../src/recorder/frames.ts'
import { isolatedSshOptions, scratchFolder, testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd', 'sftp', 'scp')
const execute = promisify(execFile)

let world: World
let scratch: ReturnType<typeof scratchFolder>
let session: string
const at = (...names: string[]): string => join(scratch.path, ...names)
const data = randomBytes(300_000)
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

beforeAll(async () => {
  scratch = scratchFolder()
  mkdirSync(at('target'))
  writeFileSync(at('up.bin'), data)
  world = await World.start({
    configure: config => {
      const [rule] = config['roles'].admin.allow
      rule.files = 'copy'
      config['recording'] = { copyBytes: '1MiB' }
    },
  })
  const options = isolatedSshOptions(world.sshPort)
  const put = `put ${at('up.bin')} ${at('target', 'up.bin')}\nget ${at('target', 'up.bin')} ${at('back.bin')}\n`
  await world.runClient('sftp', [...options, `${world.login}@web1@127.0.0.1`], { input: put })
  session = (await world.lastEnded()).id
})
afterAll(async () => {
  await world?.stop()
  scratch?.remove()
})

type Ran = { code: number; out: string }

async function run(program: string, ...args: string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(program, args)
    return { code: 0, out: stdout + stderr }
  } catch (cause) {
    const { code, stdout, stderr } = cause as { code: number; stdout: string; stderr: string }
    return { code, out: stdout + stderr }
  }
}

/** A bundle of the session, unpacked by the system's own tar. */
async function unpacked(name: string): Promise<string> {
  const done = await world.sallyport('export', session, '--format', 'bundle', '--output', at(`${name}.tar`))
  expect(done.stderr).toBe('')
  mkdirSync(at(name))
  execFileSync('tar', ['-xf', at(`${name}.tar`), '-C', at(name)])
  return at(name, `sallyport-${session}`)
}

const python = (folder: string, ...args: string[]): Promise<Ran> =>
  run('python3', join(folder, 'verify.py'), ...args)

describe('an evidence bundle', () => {
  let folder: string
  beforeAll(async () => {
    // The proofs of the opening and of the seal are there a second after each, so not always together.
    await world.until(() => {
      const text = readFileSync(join(world.recordings, recordingOf()), 'latin1')
      return text.split('c2sp.org/tlog-proof').length === 3
    })
    folder = await unpacked('bundle')
  })
  const recordingOf = (): string =>
    readdirSync(world.recordings, { recursive: true, encoding: 'utf8' }).find(name =>
      name.endsWith(`${session}.sallyport`),
    ) ?? ''

  test('is proven by the script that comes with it, and by `sallyport verify`', async () => {
    const { code, out } = await python(folder)
    expect(out).toMatch(/ok {6}the recording: \d+ events in \d+ chunks, signed by SHA256:/)
    expect(out).toContain('session-open is entry')
    expect(out).toContain('session-seal is entry')
    expect(out).toMatch(/taken out: .* export as bundle by local user \d+/)
    expect(code).toBe(0)
    const verified = await world.sallyport('verify', folder, '--key', join(folder, 'keys', 'keys.json'))
    expect(verified.stdout.toString()).toMatch(/^ok /m)
    expect(verified.code).toBe(0)
  })

  test('is proven with sha256sum and openssl, as its page says', async () => {
    execFileSync('sha256sum', ['-c', 'MANIFEST.sha256'], { cwd: folder })
    const signed = JSON.parse(readFileSync(join(folder, 'exported', 'checkpoint.json'), 'utf8'))
    const line = readFileSync(join(folder, 'exported', 'line.ndjson'))
    expect(sha256(line)).toBe(signed.link)
    expect(JSON.parse(line.toString())).toMatchObject({
      sequence: signed.upTo,
      kind: 'recording-read',
      session,
    })
    writeFileSync(at('text'), `sallyport audit checkpoint v1\n${signed.upTo}\n${signed.link}\n${signed.at}\n`)
    writeFileSync(at('signature'), Buffer.from(signed.signature, 'base64'))
    const key = join(folder, 'keys', 'log-checkpoints.pem')
    const openssl = [
      'pkeyutl',
      '-verify',
      '-pubin',
      '-inkey',
      key,
      '-rawin',
      '-in',
      at('text'),
      '-sigfile',
      at('signature'),
    ]
    expect(execFileSync('openssl', openssl).toString()).toContain('Verified Successfully')
  })

  test('holds nobody else’s lines of the audit log', () => {
    expect(
      readFileSync(join(folder, 'exported', 'line.ndjson'), 'utf8')
        .trim()
        .split('\n'),
    ).toHaveLength(1)
  })

  const changes: readonly [string, (copy: string) => void, RegExp][] = [
    [
      'a byte of the recording',
      copy => flip(join(copy, `${session}.sallyport`), 5000),
      /is not the file of the manifest/,
    ],
    [
      'a byte of the recording, and the manifest made to fit',
      copy => {
        flip(join(copy, `${session}.sallyport`), 5000)
        refit(copy)
      },
      /record \d+ at byte \d+/,
    ],
    [
      'the end of the recording cut off, and the manifest made to fit',
      copy => {
        const path = join(copy, `${session}.sallyport`)
        writeFileSync(path, readFileSync(path).subarray(0, 2000))
        refit(copy)
      },
      /no seal|no signature/,
    ],
    [
      'who took it out',
      copy => {
        const path = join(copy, 'exported', 'line.ndjson')
        writeFileSync(path, readFileSync(path, 'utf8').replace('local user', 'another one'))
        refit(copy)
      },
      /about another line/,
    ],
    [
      'the entry of the log of sessions',
      copy => {
        const path = join(copy, 'proofs', 'session-seal.entry')
        writeFileSync(path, readFileSync(path, 'utf8').replace(/"at":"2/, '"at":"1'))
        refit(copy)
      },
      /does not lead to the root/,
    ],
    ['a file added', copy => writeFileSync(join(copy, 'more.txt'), 'x'), /not in the manifest/],
    ['a file removed', copy => rmSync(join(copy, 'keys', 'log.vkey')), /is in the manifest and not here/],
  ]
  let copies = 0
  for (const [what, change, said] of changes)
    test(`shows that somebody changed it: ${what}`, async () => {
      const copy = at(`copy${++copies}`)
      cpSync(folder, copy, { recursive: true })
      change(copy)
      const { code, out } = await python(copy)
      expect(out).toMatch(said)
      if (!out.includes('no seal')) expect(code).toBe(1)
    })

  test('is not proven by a key that is another’s', async () => {
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', at('other.pem')])
    execFileSync('openssl', ['pkey', '-in', at('other.pem'), '-pubout', '-out', at('other.pub')])
    const { code, out } = await python(folder, '--key', at('other.pub'))
    expect(out).toContain('not signed by a key that you trust')
    expect(code).toBe(1)
  })
})

describe('a file that passed', () => {
  test('is listed, and comes out byte for byte', async () => {
    const listed = await world.sallyport('play', session, '--files')
    expect(listed.stdout.toString()).toMatch(/^1 .* sftp .*to target .*300000 .*all .*up\.bin$/m)
    for (const number of ['1', '2']) {
      const out = at(`file${number}`)
      const done = await world.sallyport('export', session, '--file', number, '--output', out)
      expect(done.code).toBe(0)
      expect(sha256(readFileSync(out))).toBe(sha256(data))
    }
  })

  test('by the legacy protocol of scp comes out of the kept stream', async () => {
    const options = [...isolatedSshOptions(world.sshPort), '-O']
    const there = `${world.login}@web1@127.0.0.1:${at('target', 'scp.bin')}`
    await world.runClient('scp', [...options, at('up.bin'), there], { input: '' })
    const { id } = await world.lastEnded()
    const done = await world.sallyport('export', id, '--file', '1', '--output', at('scp-out'))
    expect(done.stderr).toBe('')
    expect(sha256(readFileSync(at('scp-out')))).toBe(sha256(data))
  })

  test('and is longer than what is kept comes out as far as it was, and says so', async () => {
    const long = randomBytes(1_500_000)
    writeFileSync(at('long.bin'), long)
    const options = isolatedSshOptions(world.sshPort)
    const input = `put ${at('long.bin')} ${at('target', 'long.bin')}\n`
    await world.runClient('sftp', [...options, `${world.login}@web1@127.0.0.1`], { input })
    const { id } = await world.lastEnded()
    const done = await world.sallyport('export', id, '--file', '1', '--output', at('part'))
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('first 1048576 of 1500000 bytes')
    expect(sha256(readFileSync(at('part')))).toBe(sha256(long.subarray(0, 1024 * 1024)))
  })

  test('that is not there is refused with a sentence', async () => {
    const done = await world.sallyport('export', session, '--file', '99')
    expect(done.code).toBe(1)
    expect(done.stderr).toContain('There is no file 99')
  })
})

test('an encrypted session: its bundle is proven without the key, its files and its page come with the key alone', async () => {
  const key = at('auditor.jwk')
  execFileSync(process.execPath, ['src/main.ts', 'keys', 'auditor', '--out', key])
  const sealed = await World.start({
    configure: config => {
      config['recording'] = { files: 'copy', encryptTo: [`file:${at('auditor.pub.jwk')}`] }
    },
  })
  try {
    const input = `put ${at('up.bin')} ${at('target', 'sealed.bin')}\n`
    const options = isolatedSshOptions(sealed.sshPort)
    await sealed.runClient('sftp', [...options, `${sealed.login}@web1@127.0.0.1`], { input })
    const { id } = await sealed.lastEnded()
    const take = (...args: string[]) => sealed.sallyport('export', id, ...args)
    expect((await take('--file', '1')).stderr).toContain('--auditor-key')
    expect((await take('--format', 'html')).stderr).toContain('--auditor-key')
    expect((await take('--file', '1', '--auditor-key', key, '--output', at('sealed-out'))).code).toBe(0)
    expect(sha256(readFileSync(at('sealed-out')))).toBe(sha256(data))
    const page = await take('--format', 'html', '--auditor-key', key)
    expect(page.stdout.toString()).toContain('sealed.bin')
    await sealed.until(async () =>
      readFileSync(sealed.fileOf(await sealed.lastEnded())).includes('c2sp.org/tlog-proof'),
    )
    await take('--format', 'bundle', '--output', at('sealed.tar'))
    mkdirSync(at('sealed'))
    execFileSync('tar', ['-xf', at('sealed.tar'), '-C', at('sealed')])
    const proven = await python(at('sealed', `sallyport-${id}`))
    expect(proven.out).toContain('session-open is entry')
    expect(proven.code).toBe(0)
    expect(readFileSync(at('sealed.tar')).includes('sealed.bin')).toBe(false)
  } finally {
    await sealed.stop()
  }
})

test('who took what out, in which form, is in the audit log before anything leaves', async () => {
  for (const format of ['html', 'files-csv', 'ndjson', 'asciicast-v3'])
    await world.sallyport('export', session, '--format', format, '--output', at(`out.${format}`))
  const audit = readdirSync(join(world.data, 'audit'))
    .map(name => readFileSync(join(world.data, 'audit', name), 'utf8'))
    .join('')
  for (const format of ['html', 'files-csv', 'ndjson', 'asciicast-v3', 'bundle'])
    expect(audit).toMatch(
      new RegExp(`"recording-read","session":"${session}","purpose":"export as ${format} by local user`),
    )
  expect(readFileSync(at('out.files-csv'), 'utf8')).toContain(sha256(data))
})

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset] = (bytes[offset] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

/** Makes the manifest say what is there now. */
function refit(folder: string): void {
  const manifest = join(folder, 'MANIFEST.sha256')
  const names = readFileSync(manifest, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => line.slice(66))
  copyFileSync(manifest, join(folder, '..', 'manifest.before'))
  writeFileSync(
    manifest,
    names.map(name => `${sha256(readFileSync(join(folder, name)))}  ${name}\n`).join(''),
  )
}

test('a damaged recording says where it can be read again, whichever command reads it', async () => {
  const run = await world.ssh(`${world.login}@web1`, {
    command: ['for n in $(seq 40000); do echo "line $n"; done'],
  })
  expect(run.code).toBe(0)
  const row = await world.lastEnded()
  const file = world.fileOf(row)
  const whole = readFileSync(file)
  const { stdout } = await world.sallyport('export', row.id, '--format', 'text')
  expect(stdout.toString()).toContain('line 40000')
  const frames = new FrameReader(file)
  const chunks: { offset: number; end: number }[] = []
  for (let frame = frames.next(); frame !== undefined; frame = frames.next())
    if (frame.kind === 'chunk') chunks.push({ offset: frame.offset, end: frame.offset + frame.stored.length })
  frames.close()
  // On a slow machine the first chunk ends, after a second, before any output came.
  const first = chunks.findIndex(({ offset, end }) => end - offset > 2000)
  const [second] = chunks.slice(first + 1) as [{ offset: number; end: number }]
  try {
    const bytes = Buffer.from(whole)
    bytes[second.offset + 5] = 9
    writeFileSync(file, bytes)
    const verified = await world.sallyport('verify', file)
    expect(verified.stdout.toString()).toContain(`at byte ${second.offset}`)
    expect(verified.stdout.toString()).toContain(`The next whole record begins at byte ${second.end}.`)
    const before = await world.sallyport('export', row.id, '--format', 'text')
    expect(before.stderr).toContain(`From byte ${second.end} on it can be read again: --past-damage.`)
    expect(before.stdout.toString()).toContain('line 1\n')
    expect(before.stdout.toString()).not.toContain('line 40000')
    const behind = await world.sallyport('export', row.id, '--format', 'text', '--past-damage')
    expect(behind.stderr).toContain(`reading goes on at byte ${second.end}`)
    expect(behind.stdout.toString()).toContain('line 40000')
    expect(behind.code).toBe(1)
    const played = await world.sallyport('play', row.id, '--speed', '1000')
    expect(played.stderr).toContain(`From byte ${second.end} on it can be read again`)
  } finally {
    writeFileSync(file, whole)
  }
})
