import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Place } from '../../src/api/places.ts'
import { people } from '../support/issuer.ts'
import { ask, openWorld, sessionRow, type World } from './world.ts'

/** Debian's. Without it these tests are skipped, or fail where SALLYPORT_REQUIRE_PEERS=1 says that nothing may be missing. */
const executablePath = '/usr/bin/chromium'
const missing = !existsSync(executablePath) && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1'

/** Set to a folder to keep a picture of each page. */
const pictures = process.env['SALLYPORT_PICTURES']

const looks = [
  { name: 'light-wide', colorScheme: 'light', width: 1280 },
  { name: 'dark-320', colorScheme: 'dark', width: 320 },
] as const
const moreLooks = [
  { name: 'dark-wide', colorScheme: 'dark', width: 1280 },
  { name: 'light-320', colorScheme: 'light', width: 320 },
] as const

describe.skipIf(missing)(
  missing ? 'Chromium is not installed (/usr/bin/chromium)' : 'in a real browser without JavaScript',
  () => {
    let world: World
    let chrome: Browser
    beforeAll(async () => {
      world = await openWorld()
      const args =
        '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
      chrome = await chromium.launch({ executablePath, args: args.split(' ') })
    })
    afterAll(async () => {
      await chrome.close()
      await world.close()
    })

    test.each(pictures === undefined ? looks : [...looks, ...moreLooks])(
      'a person gets from the link to the code, and a reviewer to a transcript ($name)',
      async look => {
        const context = await chrome.newContext({
          javaScriptEnabled: false,
          colorScheme: look.colorScheme,
          viewport: { width: look.width, height: 900 },
        })
        const seen = new Seen(context, look.name)
        const waiting = ask(world, { keyFingerprint: 'SHA256:uNiVztksCsDhcc0u9e8BrtJNg1Hx0TqWAdTVKNAB2cU' })
        const page = await context.newPage()
        seen.listen(page)

        await page.goto(waiting.url)
        await seen.look(page, '1-landing')
        await page.getByRole('link', { name: 'Sign in' }).click()
        await seen.look(page, '2-login')
        await page.getByLabel('Name').fill(people.cleo.name)
        await page.getByLabel('Password').fill(people.cleo.password)
        await page.getByRole('button', { name: 'Log in' }).click()
        await seen.look(page, '3-consent')
        await page.getByRole('button', { name: 'Allow' }).click()
        await seen.look(page, '4-confirm')
        await page.getByRole('button', { name: 'Yes, show me the code' }).click()
        await seen.look(page, '5-code')
        const code = await page.locator('output').textContent()
        expect(waiting.submit(code ?? '')).toMatchObject({ kind: 'proven' })

        await page.goto(ask(world, { sourceAddress: '203.0.113.9' }).url)
        await seen.look(page, '6-other-address')
        await page.getByRole('button', { name: 'No, deny it' }).click()
        await seen.look(page, '7-denied')

        await page.goto(`${world.url}/sessions`)
        await seen.look(page, '8-nothing-to-review')
        world.sessions.push(...someSessions())
        world.knobs.transcript = transcript
        await page.reload()
        await seen.look(page, '9-sessions')
        await page.getByRole('link', { name: '2026-03-01 12:00:00' }).click()
        await seen.look(page, '10-session')
        world.places.push(...somePlaces())
        await page.getByRole('link', { name: 'Connect' }).click()
        await seen.look(page, '13-connect')
        await page.getByRole('button', { name: 'Make a password for app_readonly@orders' }).click()
        await seen.look(page, '14-password')
        expect(await page.locator('output').textContent()).toMatch(/^sp-\w{28}$/)
        await page.getByRole('link', { name: 'Done' }).click()
        await seen.look(page, '15-passwords')
        world.places.length = 0
        await page.goto(
          ask(world, { protocol: 'postgres', answer: 'confirmation', sourceAddress: '203.0.113.9' }).url,
        )
        await seen.look(page, '16-needs-a-password')
        await page.goto(ask(world, { protocol: 'postgres', answer: 'confirmation' }).url)
        await seen.look(page, '17-confirm-without-code')
        await page.getByRole('button', { name: 'Yes, sign it in' }).click()
        await seen.look(page, '18-signed-in')
        await page.getByRole('button', { name: 'Sign out' }).click()
        await seen.look(page, '11-signed-out')
        await page.goto(`${world.url}/nothing`)
        await seen.look(page, '12-not-found')
        world.sessions.length = 0

        expect(seen.complaints).toEqual([])
        await context.close()
      },
    )
  },
)

/** What the browser complains about (the Content-Security-Policy among it) or asks others for, and whether a page is wider than its window. */
class Seen {
  readonly complaints: string[] = []
  readonly #name: string
  readonly #context: BrowserContext

  constructor(context: BrowserContext, name: string) {
    this.#name = name
    this.#context = context
  }

  listen(page: Page): void {
    page.on('console', message => {
      // The one page that is meant not to be there.
      if (!message.location().url.endsWith('/nothing')) this.complaints.push(message.text())
    })
    page.on('request', request => {
      if (new URL(request.url()).hostname !== '127.0.0.1') this.complaints.push(`asked for ${request.url()}`)
    })
  }

  async look(page: Page, name: string): Promise<void> {
    await page.waitForLoadState() // without its styles a page is as wide as its longest word
    if (pictures !== undefined)
      await page.screenshot({ path: join(pictures, `${this.#name}-${name}.png`), fullPage: true })
    const tools = await this.#context.newCDPSession(page)
    const { cssContentSize, cssLayoutViewport } = await tools.send('Page.getLayoutMetrics')
    if (cssContentSize.width > cssLayoutViewport.clientWidth)
      this.complaints.push(`${name} is wider than its window`)
    if ((await page.locator('h1').count()) !== 1) this.complaints.push(`${name} has not exactly one h1`)
    await tools.detach()
  }
}

function somePlaces(): Place[] {
  const orders = {
    protocol: 'postgres',
    target: 'orders',
    labels: { env: 'prod', region: 'eu-west-1' },
    login: 'app_readonly',
    database: 'shop',
    passwords: { forMs: 3_600_000, connections: 20 },
  } as const
  const long = 'a-target-with-a-very-long-name-that-somebody-thought-was-a-good-idea'
  return [
    orders,
    { ...orders, protocol: 'ssh', target: long, login: 'deploy', passwords: undefined },
    { ...orders, target: long, passwords: undefined },
  ]
}

function someSessions() {
  const start = Date.UTC(2026, 2, 1, 12)
  return [
    sessionRow(),
    sessionRow({
      id: 'a',
      openedAtMs: start + 3_600_000,
      endedAtMs: undefined,
      endReason: undefined,
      state: 'open',
      principalName: 'grace.hopper@example.com',
      target: 'orders-db-replica-eu-west-1',
    }),
    sessionRow({
      id: 'b',
      openedAtMs: start - 86_400_000,
      endedAtMs: start - 80_000_000,
      state: 'interrupted',
      login: 'deploy',
      endReason: 'the gateway stopped before this session ended',
    }),
  ]
}

const transcript = `root@web1:~# systemctl status nginx
● nginx.service - A high performance web server
     Active: active (running) since Sun 2026-03-01 09:12:44 UTC
root@web1:~# cat notes.txt
\u001b[2Jnothing to see here\u202e gnp.exe
root@web1:~# exit
logout
`
