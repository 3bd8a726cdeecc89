/** Recordings that the gateway cannot read: nothing of what people did lies anywhere in the clear, and an auditor reads all of it. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, expect, test as testSql } from 'vitest'
import type { SessionRow } from '../../src/model.ts'
import { headerOf } from '../../src/recorder/reader.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { isolatedSshOptions, testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { type RawConfig, World } from '../support/world.ts'

const testSsh = testWith('ssh', 'sshd', 'sftp')
let world: World | undefined
let database: PostgresWorld | undefined

afterEach(async () => {
  await world?.stop()
  await database?.stop()
  world = undefined
  database = undefined
})

/** A dozen commands, each of which starts a program. */
const slowMs = 180_000

type Auditor = { readonly privateFile: string; readonly publicFile: string; readonly kid: string }

/** As the documentation says: on a machine of the auditor's own. */
function newAuditor(folder: string, name: string, curve: string): Auditor {
  mkdirSync(folder, { recursive: true })
  const privateFile = join(folder, `${name}.jwk`)
  const out = execFileSync(process.execPath, [
    'src/main.ts',
    'keys',
    'auditor',
    '--out',
    privateFile,
    '--curve',
    curve,
  ])
  expect(statSync(privateFile).mode & 0o777).toBe(0o600)
  const kid = /Its name in recordings: (\S+)/.exec(out.toString())?.[1] ?? ''
  return { privateFile, publicFile: join(folder, `${name}.pub.jwk`), kid }
}

/** Recordings are encrypted to them, from the start of the gateway on. */
function encryptedTo(auditors: Auditor[], config: RawConfig): void {
  const folder = join(config['gateway'].data as string, '..', 'auditors')
  auditors.push(newAuditor(folder, 'one', 'P-256'), newAuditor(folder, 'two', 'X25519'))
  config['recording'] = {
    ...config['recording'],
    encryptTo: auditors.map(({ publicFile }) => `file:${publicFile}`),
  }
}

/** Where in the data folder, and in what the gateway logged, one of these words stands. */
function leaksOf(here: World, words: readonly string[]): string[] {
  const names = readdirSync(here.data, { recursive: true, encoding: 'utf8' })
  const files = names.flatMap(name => contentOf(join(here.data, name)))
  expect(files.length).toBeGreaterThan(10)
  const texts = [...files, { file: 'the log', bytes: Buffer.from(here.log) }]
  return texts.flatMap(({ file, bytes }) =>
    words.filter(word => holds(bytes, word)).map(word => `${word} in ${file}`),
  )
}

/** Nothing of what is no file, or is gone by now: the gateway goes on meanwhile. */
function contentOf(file: string): { file: string; bytes: Buffer }[] {
  try {
    return statSync(file).isFile() ? [{ file, bytes: readFileSync(file) }] : []
  } catch {
    return []
  }
}

/** As it is, and as base64 or hexadecimal would hide it. */
function holds(bytes: Buffer, word: string): boolean {
  const text = Buffer.from(word)
  const within = text.subarray(0, text.length - (text.length % 3)).toString('base64')
  return bytes.includes(word) || bytes.includes(text.toString('hex')) || bytes.includes(within.slice(0, -1))
}

async function exported(here: World, row: SessionRow, auditor: Auditor, format = 'json'): Promise<string> {
  // The auditor has a copy and no gateway.
  const copy = join(here.folder, basename(row.recording))
  copyFileSync(here.fileOf(row), copy)
  const run = await here.sallyport('export', copy, '--format', format, '--auditor-key', auditor.privateFile)
  expect(run.stderr).toBe('')
  return run.stdout.toString()
}

testSsh(
  'of SSH sessions nothing lies in the clear, not after a crash either, and each auditor reads everything',
  async () => {
    const auditors: Auditor[] = []
    world = await World.start({ configure: config => encryptedTo(auditors, config) })
    const here = world
    const words = {
      command: 'pelican-command',
      shown: 'walrus-output',
      input: 'otter-input',
      typed: 'magpie-typed',
      file: 'badger-file',
      environment: 'heron-environment',
    }
    const [one, two] = auditors
    if (one === undefined || two === undefined) throw new Error('two auditors')
    await here.ssh(`${here.login}@web1`, {
      command: [`cat; printf 'walrus-%s\\n' output; : ${words.command}`],
      input: `${words.input}\n`,
      extra: [`SetEnv LC_SALLYPORT=${words.environment}`],
    })
    const exec = await here.lastEnded()
    await here.runClient(
      'sftp',
      [...isolatedSshOptions(here.sshPort, { extra: [`User=${here.login}@web1`] }), '127.0.0.1'],
      { input: `mkdir ${here.folder}/${words.file}\nls ${here.folder}\n` },
    )
    const files = await here.lastEnded()
    const terminal = await here.terminal(`${here.login}@web1`)
    await terminal.waitFor(/[$#] $/)
    terminal.type(`echo ${words.typed}-$((40+2))\r`)
    await terminal.waitFor(new RegExp(`${words.typed}-42`))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(leaksOf(here, Object.values(words)), 'while a session is open').toEqual([])

    await here.killGateway('SIGKILL')
    expect(leaksOf(here, Object.values(words)), 'after kill -9').toEqual([])
    await here.startGateway()
    const crashed = await here.lastEnded()
    expect(crashed.state).toBe('interrupted')
    expect(leaksOf(here, Object.values(words)), 'after recovery').toEqual([])
    expect(
      readdirSync(here.recordings, { recursive: true, encoding: 'utf8' }).filter(name =>
        name.endsWith('.keyframes'),
      ),
    ).toEqual([])

    for (const auditor of [one, two]) {
      const said = await exported(here, exec, auditor)
      for (const word of [words.command, words.input, words.shown, words.environment])
        expect(said).toContain(word)
    }
    expect(await exported(here, files, one)).toContain(words.file)
    expect(await exported(here, crashed, two, 'text')).toMatch(
      new RegExp(`echo ${words.typed}-.*\n${words.typed}-42\n`),
    )
    // On the gateway's machine nobody gets further than that it is encrypted, and to whom.
    const refused = await here.sallyport('export', exec.id, '--format', 'json')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(one.kid)
    expect(refused.stdout.length).toBe(0)
    const listed = await here.sallyport('play', crashed.id, '--list', '--auditor-key', two.privateFile)
    expect(listed.stdout.toString()).toContain(`echo ${words.typed}`)
    expect(leaksOf(here, Object.values(words)), 'after an auditor has read').toEqual([])
    const reviewer = new Browser()
    await reviewer.signInAt(await reviewer.open(`${here.webUrl}/sessions`), people.ben)
    const page = await reviewer.open(`${here.webUrl}/sessions/${exec.id}`)
    expect(page.text).toContain('This recording is encrypted')
    for (const { kid } of auditors) expect(page.text).toContain(kid)
    for (const word of Object.values(words)) expect(page.html).not.toContain(word)
    const file = await reviewer.open(`${here.webUrl}/sessions/${exec.id}/stored`)
    expect(file.headers.get('content-length')).toBe(String(statSync(here.fileOf(exec)).size))
    const verified = await here.sallyport('verify', here.data)
    expect(verified.stdout.toString()).toContain('the file is proven without their keys')
    expect(verified.code).toBe(0)
    const opened = await here.sallyport('verify', here.recordings, '--auditor-key', two.privateFile)
    expect(opened.stdout.toString()).toContain('what it holds was checked')
    expect(opened.code).toBe(0)
  },
  slowMs,
)

testSql(
  'of SQL sessions nothing lies in the clear, not after a crash either, and an auditor reads everything',
  async () => {
    const auditors: Auditor[] = []
    database = await PostgresWorld.start({
      configure: config => {
        config['recording'] = { results: 'head:20' }
        config['postgres'].workers = 1 // SSH has the gateway's own process
        encryptedTo(auditors, config)
      },
      rule: { deny: { statements: ['drop'] } },
    })
    const here = database.world
    const words = {
      literal: 'pelican_literal',
      comment: 'walrus_comment',
      column: 'otter_column',
      name: 'magpie_prepared',
      parameter: 'badger_parameter',
      mistake: 'heron_mistake',
      denied: 'lynx_denied',
      notice: 'stoat_notice',
      application: 'puffin_application',
      copied: 'shrew_copied',
    }
    const script = `
    SELECT '${words.literal}' AS ${words.column} /* ${words.comment} */;
    PREPARE ${words.name} AS SELECT $1::text; EXECUTE ${words.name}('${words.parameter}');
    SELECT * FROM ${words.mistake};
    DROP TABLE ${words.denied};
    DO $$ BEGIN RAISE NOTICE '${words.notice}'; END $$;
    CREATE TEMP TABLE t (x text);
    COPY t FROM STDIN;
${words.copied}
\\.
    SELECT * FROM t;
  `
    await database.psql(undefined, {
      input: script,
      env: { PGAPPNAME: words.application },
      login: 'app_owner',
    })
    const ended = await here.lastEnded()
    expect(leaksOf(here, Object.values(words)), 'after a session').toEqual([])

    const env = await database.environment('app_owner')
    const child = database.start('psql', ['-X'], { ...env, PGAPPNAME: words.application })
    child.stdin?.write(
      `SELECT '${words.literal}', pg_sleep(0.2);\nSELECT 'again ${words.parameter}', pg_sleep(60);\n`,
    )
    await here.until(async () => (await here.sessions())[0]?.state === 'open')
    await new Promise(resolve => setTimeout(resolve, 1000))
    await here.killGateway('SIGKILL')
    child.kill('SIGKILL')
    expect(leaksOf(here, Object.values(words)), 'after kill -9').toEqual([])
    await here.startGateway()
    const crashed = await here.lastEnded()
    expect(leaksOf(here, Object.values(words)), 'after recovery').toEqual([])

    const [, auditor] = auditors
    if (auditor === undefined) throw new Error('two auditors')
    const said = await exported(here, ended, auditor)
    for (const [what, word] of Object.entries(words))
      if (what !== 'copied') expect(said, what).toContain(word)
    expect(await exported(here, crashed, auditor, 'text')).toContain(`again ${words.parameter}`)
    const verified = await here.sallyport('verify', here.data, '--auditor-key', auditor.privateFile)
    expect(verified.stdout.toString()).toContain('what it holds was checked')
    expect(verified.code).toBe(0)
  },
  slowMs,
)

testSsh('whom recordings are encrypted to changes with a reload, for new recordings', async () => {
  const auditors: Auditor[] = []
  world = await World.start({ configure: config => encryptedTo(auditors, config) })
  const here = world
  const run = async (): Promise<SessionRow> => {
    await here.ssh(`${here.login}@web1`, { command: ['true'] })
    return here.lastEnded()
  }
  const recipients = (row: SessionRow) =>
    headerOf(here.fileOf(row)).encryption?.key.recipients.map(({ header }) => header?.kid)
  expect(recipients(await run())).toEqual(auditors.map(({ kid }) => kid))
  const third = newAuditor(join(here.folder, 'auditors'), 'three', 'P-256')
  here.writeConfig(config => (config['recording'] = { encryptTo: `file:${third.publicFile}` }))
  expect((await here.sallyport('reload')).code).toBe(0)
  expect(recipients(await run())).toEqual([third.kid])
  expect(here.audit().findLast(({ kind }) => kind === 'reload')).toMatchObject({ encryptTo: third.kid })

  here.writeConfig(config => (config['recording'] = { encryptTo: `file:${third.privateFile}` }))
  const refused = await here.sallyport('reload')
  expect(refused.code).not.toBe(0)
  expect(refused.stdout.toString() + refused.stderr).toMatch(
    /sallyport\.yaml:\d+:\d+: recording\.encryptTo.*private key/,
  )
  expect(recipients(await run()), 'the configuration before goes on').toEqual([third.kid])
})
