/** An encrypted recording in a real browser: opened there, with a key that stays there. */
import { copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser as Chrome, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyWithScripts } from '../../src/api/headers.ts'
import { firstScript, scriptAt } from '../../src/api/scripts.ts'
import type { SessionRow } from '../../src/model.ts'
import { lockKey, unlock } from '../../src/recorder/encryption/auditor-key.ts'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { screenText } from '../../src/recorder/export.ts'
import { type Auditor, forged, newAuditor, piecesOf } from '../recorder/encryption/support.ts'
import {
  type Bench,
  newBench,
  newFolder,
  newGrant,
  output,
  startRecorder,
  turn,
} from '../recorder/support.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { openWorld, purgedView, sessionRow, unlimitedView, type World } from './world.ts'

const executablePath = '/usr/bin/chromium'
const missing = !existsSync(executablePath) && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1'

const auditors = { 'P-256': newAuditor('P-256'), X25519: newAuditor('X25519') }
const folder = newFolder()
const files = new Map<string, string>()
let bench: Bench
let world: World

/** Of the page, as far as these tests ask it. */
type Part = { readonly disabled: boolean; readonly textContent: string; readonly value: string }
declare const document: {
  readonly querySelector: (selector: string) => Part | null
  readonly cookie: string
  readonly documentElement: { readonly outerHTML: string }
}
declare const indexedDB: { readonly databases: () => Promise<unknown[]> }
declare const caches: { readonly keys: () => Promise<string[]> }
declare const localStorage: object
declare const sessionStorage: object

/** Hostile, long, and of more than one chunk. */
const hostile = `<img src=x onerror="document.title='owned'">\u202e`
const terminal: RecordedEvent[] = [
  { type: 'channel-open', channel: 0, kind: 'session' },
  { type: 'pty', channel: 0, term: 'xterm', columns: 80, rows: 24, widthPx: 0, heightPx: 0, modes: '' },
  { type: 'shell', channel: 0 },
  output('$ cat secrets\r\n'),
  ...Array.from({ length: 3000 }, (_, i) =>
    output(`line ${i} of what was \x1b[31mshown\x1b[0m, with ümläuts\r\n`),
  ),
  output(`\x1b[?1049h\x1b[2;3Hin an editor\x1b[?1049l${hostile}\r\n`),
  { type: 'channel-close', channel: 0 },
]
const statements: RecordedEvent[] = [
  {
    type: 'sql-session',
    user: 'app',
    database: 'shop',
    application: 'psql',
    protocol: '3.2',
    parameters: {},
  },
  { type: 'statement', statement: 1, how: 'simple', text: "SELECT 'pelican'" },
  { type: 'result', statement: 1, status: 'done', tag: 'SELECT 1', rows: 1, bytes: 20, us: 1200 },
  {
    type: 'statement',
    statement: 2,
    how: 'simple',
    textBase64: Buffer.from([0xff, 0x41]).toString('base64'),
  },
]

async function record(
  session: string,
  protocol: 'ssh' | 'postgres',
  events: RecordedEvent[],
  isCrash = false,
) {
  bench = { ...newBench(), signer: bench.signer }
  const recipients = Object.values(auditors).map(({ publicKey }) => publicKey)
  const recorder = startRecorder(bench, { encryptTo: () => (session === 'clear' ? [] : recipients) })
  const recording = recorder.open(newGrant(), { session, protocol }, await recorder.newKey())
  for (const event of events) recording.record(event)
  await turn()
  if (isCrash) {
    await recorder.close()
    const next = startRecorder({ ...bench })
    await next.recover()
    await next.close()
  } else {
    await recording.seal('over')
    await recorder.close()
  }
  const file = join(folder, `${session}.sallyport`)
  copyFileSync(join(bench.folder, recording.path), file)
  files.set(session, file)
  world.sessions.push(sessionRow({ id: session, protocol }))
}

function fileOf({ id }: SessionRow): string {
  return files.get(id) ?? ''
}

beforeAll(async () => {
  bench = newBench()
  world = await openWorld({ stored: async row => ({ path: fileOf(row), release: () => {} }) })
  await record('shell', 'ssh', terminal)
  await record('sql', 'postgres', statements)
  await record('clear', 'ssh', terminal)
  const pieces = piecesOf(files.get('sql') ?? '')
  const chunk = pieces.find(({ kind }) => kind === 'chunk')?.body ?? Buffer.alloc(0)
  chunk[60] = (chunk[60] ?? 0) ^ 1
  files.set('changed', await forged(pieces, bench.signer))
  world.sessions.push(sessionRow({ id: 'changed', protocol: 'postgres' }))
})
afterAll(() => world.close())

describe('the stored bytes of an encrypted recording', () => {
  async function browserOf(person: (typeof people)[keyof typeof people]): Promise<Browser> {
    const browser = new Browser()
    await browser.signInAt(await browser.open(`${world.url}/sessions`), person)
    return browser
  }

  test('are for reviewers alone, and nobody hears that there are any', async () => {
    for (const browser of [new Browser(), await browserOf(people.ada), await browserOf(people.eve)])
      expect((await browser.open(`${world.url}/sessions/shell/stored`)).status).toBe(404)
  })

  test('are given of encrypted recordings that are over, and of no others', async () => {
    const browser = await browserOf(people.cleo)
    const statusOf = async (id: string) => (await browser.open(`${world.url}/sessions/${id}/stored`)).status
    expect(await statusOf('shell')).toBe(200)
    expect(await statusOf('clear')).toBe(404)
    expect(await statusOf('nothing')).toBe(404)
    world.knobs.kept = purgedView
    expect(await statusOf('shell')).toBe(404)
    world.knobs.kept = unlimitedView
    world.sessions.push(sessionRow({ id: 'live', state: 'open' }))
    files.set('live', files.get('shell') ?? '')
    expect(await statusOf('live')).toBe(404)
  })

  test('invariant 9, whoever watches is watched: no byte leaves that the audit log does not tell of', async () => {
    const browser = await browserOf(people.cleo)
    world.audit.length = 0
    world.knobs.auditFails = true
    const refused = await browser.open(`${world.url}/sessions/shell/stored`)
    expect(refused.status).toBeGreaterThanOrEqual(500)
    world.knobs.auditFails = false
    const page = await browser.open(`${world.url}/sessions/shell`)
    expect(page.text).toContain('This recording is encrypted')
    expect(page.text).toContain(auditors.X25519.publicKey.kid)
    expect(page.headers.get('content-security-policy')).toBe(policyWithScripts)
    expect(world.audit).toEqual([])
    await browser.open(`${world.url}/sessions/shell/stored`)
    expect(world.audit).toMatchObject([{ kind: 'recording-read', session: 'shell', name: people.cleo.email }])
    expect(world.knobs.transcripts).toBe(0)
  })

  test('scripts run on no other page', async () => {
    const browser = await browserOf(people.cleo)
    for (const path of ['/sessions', '/sessions/clear', '/keys'])
      expect(
        (await browser.open(`${world.url}${path}`)).headers.get('content-security-policy'),
      ).not.toContain('script-src')
  })

  test('only the scripts of that page are served', async () => {
    expect(await scriptAt(firstScript)).toContain('openRecording')
    for (const path of [
      '/scripts/src/main.js',
      '/scripts/../package.json',
      '/scripts/%2e%2e/package.json',
      '/scripts/',
    ])
      expect((await new Browser().open(`${world.url}${path}`)).status, path).toBe(404)
  })
})

describe.skipIf(missing)(
  missing ? 'Chromium is not installed (/usr/bin/chromium)' : 'in a real browser',
  () => {
    let chrome: Chrome
    beforeAll(async () => {
      const args =
        '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
      chrome = await chromium.launch({ executablePath, args: args.split(' ') })
    })
    afterAll(() => chrome.close())

    type Asked = { readonly url: string; readonly body: string }

    async function signedIn(): Promise<{ page: Page; asked: Asked[]; complaints: string[] }> {
      const page = await (await chrome.newContext()).newPage()
      const asked: Asked[] = []
      const complaints: string[] = []
      page.on('request', request => {
        const body = `${request.postData() ?? ''} ${JSON.stringify(request.headers())}`
        asked.push({ url: request.url(), body })
      })
      page.on('console', message => complaints.push(message.text()))
      page.on('pageerror', error => complaints.push(String(error)))
      await page.goto(`${world.url}/sessions/shell`)
      await page.getByRole('link', { name: 'Sign in' }).click()
      await page.getByLabel('Name').fill(people.cleo.name)
      await page.getByLabel('Password').fill(people.cleo.password)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('button', { name: 'Allow' }).click()
      await page.waitForURL(`${world.url}/sessions**`)
      complaints.length = 0
      return { page, asked, complaints }
    }

    function keyFile(auditor: Auditor, name = 'key.jwk'): string {
      writeFileSync(
        join(folder, name),
        JSON.stringify({ ...auditor.jwk, use: 'enc', kid: auditor.publicKey.kid }),
      )
      return join(folder, name)
    }

    async function opened(page: Page, id: string, key: string): Promise<string> {
      await page.goto(`${world.url}/sessions/${id}`)
      await page.waitForFunction(() => !document.querySelector('#auditor-key')?.disabled)
      await page.getByLabel("The auditor's private key").setInputFiles(key)
      await page.waitForFunction(
        () =>
          /Opened|not|no private/.test(document.querySelector('#auditor-said')?.textContent ?? '') &&
          !/gateway cannot read it/.test(document.querySelector('#auditor-said')?.textContent ?? ''),
      )
      return (await page.locator('#auditor-said').textContent()) ?? ''
    }

    /** As the page marks what would not show. */
    const marked = (text: string) => text.replaceAll('\u202e', '\\u{202e}')

    test.each(['P-256', 'X25519'] as const)(
      'the auditor reads there what the gateway would have shown, had it the key (%s)',
      async curve => {
        const { page, complaints } = await signedIn()
        const auditor = auditors[curve]
        for (const id of ['shell', 'sql']) {
          expect(await opened(page, id, keyFile(auditor))).toContain('Opened in this page with your key')
          const keys = await unlock(files.get(id) ?? '', [auditor.privateKey])
          const shown = await page.locator('pre.transcript').textContent()
          expect(shown).toBe(marked(await screenText(files.get(id) ?? '', { keys })))
        }
        expect(await page.title()).not.toBe('owned')
        expect(complaints).toEqual([])
        await page.context().close()
      },
    )

    test('a key that is locked asks for its passphrase, which stays there too', async () => {
      const { page, asked } = await signedIn()
      const passphrase = 'a passphrase of some length'
      const file = join(folder, 'locked.jwk')
      writeFileSync(file, await lockKey(auditors.X25519.jwk, passphrase))
      await page.goto(`${world.url}/sessions/sql`)
      await page.waitForFunction(() => !document.querySelector('#auditor-key')?.disabled)
      await page.getByLabel("The auditor's private key").setInputFiles(file)
      await page.getByLabel('The passphrase of this key').fill('another one')
      await page.getByRole('button', { name: 'Open' }).click()
      await page.getByText('This passphrase does not open the key.').waitFor()
      await page.getByLabel('The passphrase of this key').fill(passphrase)
      await page.getByRole('button', { name: 'Open' }).click()
      await page.getByText('Opened in this page with your key').waitFor()
      expect(await page.locator('pre.transcript').textContent()).toContain("SELECT 'pelican'")
      for (const { url, body } of asked) expect(url + body).not.toMatch(/a.passphrase.of.some/)
      expect(await page.content()).not.toContain(passphrase)
      await page.context().close()
    })

    test('what a crash left in the journal is read there too', async () => {
      await record('crashed', 'ssh', terminal.slice(0, 20), true)
      const { page } = await signedIn()
      expect(await opened(page, 'crashed', keyFile(auditors.X25519))).toContain('Opened')
      expect(await page.locator('pre.transcript').textContent()).toContain('line 10 of what was shown')
      await page.context().close()
    })

    test('the key does not leave the page: no request, no storage, no address and no document has it', async () => {
      const { page, asked } = await signedIn()
      const auditor = auditors['P-256']
      const before = asked.length
      expect(await opened(page, 'shell', keyFile(auditor))).toContain('Opened')
      const secret = (auditor.jwk as { d: string }).d
      const left = asked.slice(before)
      expect(left.map(({ url }) => new URL(url).pathname)).toContain('/sessions/shell/stored')
      for (const { url, body } of left) {
        expect(new URL(url).origin).toBe(world.url)
        expect(url + body).not.toContain(secret)
      }
      const kept = await page.evaluate(async () => ({
        storage: JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
        databases: (await indexedDB.databases()).length,
        caches: (await caches.keys()).length,
        cookie: document.cookie,
        html: document.documentElement.outerHTML,
        input: document.querySelector('#auditor-key')?.value ?? '',
      }))
      expect(kept).toMatchObject({ storage: '[{},{}]', databases: 0, caches: 0, input: '' })
      expect(JSON.stringify(kept)).not.toContain(secret)
      expect(page.url()).toBe(`${world.url}/sessions/shell`)
      await page.context().close()
    })

    test('a key of somebody else, a public key, and a recording that was changed open nothing, and say why', async () => {
      const { page } = await signedIn()
      expect(await opened(page, 'shell', keyFile(newAuditor('P-256')))).toContain(
        'This key does not open the recording',
      )
      const publicKey = join(folder, 'public.jwk')
      writeFileSync(publicKey, JSON.stringify(auditors['P-256'].publicKey.jwk))
      expect(await opened(page, 'shell', publicKey)).toContain('no private key')
      expect(await opened(page, 'changed', keyFile(auditors['P-256']))).toContain('has been changed')
      expect(await page.locator('pre.transcript').count()).toBe(0)
      await page.context().close()
    })
  },
)
