/** The auditors' pages in Debian's Chromium: signed in, listened to, looked at. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { type Person, type World } from './world.ts'

const executablePath = '/usr/bin/chromium'
const built = new URL('../../web/dist/index.html', import.meta.url)

/** Why these tests cannot run here, or undefined. Where SALLYPORT_REQUIRE_PEERS=1 says that nothing may be missing, they run and fail. */
export function whatPagesNeed(): string | undefined {
  if (process.env['SALLYPORT_REQUIRE_PEERS'] === '1') return undefined
  if (!existsSync(executablePath)) return 'Chromium is not installed (/usr/bin/chromium)'
  return existsSync(built) ? undefined : 'the pages are not built (npm run build)'
}

export function startChromium(): Promise<Browser> {
  const args =
    '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
  return chromium.launch({ executablePath, args: args.split(' ') })
}

export type LookOptions = {
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
  readonly reducedMotion?: 'reduce' | 'no-preference'
}

/** One person's browser, with what it complained about: errors, refusals of the Content-Security-Policy, requests to others. */
export class Visitor {
  readonly context: BrowserContext
  readonly page: Page
  readonly complaints: string[] = []
  readonly #world: World

  private constructor(world: World, context: BrowserContext, page: Page) {
    this.#world = world
    this.context = context
    this.page = page
  }

  static async open(chrome: Browser, world: World, options: LookOptions = {}): Promise<Visitor> {
    const { colorScheme = 'light', width = 1280, height = 900, reducedMotion = 'no-preference' } = options
    const context = await chrome.newContext({
      colorScheme,
      reducedMotion,
      viewport: { width, height },
      timezoneId: 'Europe/Berlin',
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    const page = await context.newPage()
    const visitor = new Visitor(world, context, page)
    visitor.#listen()
    return visitor
  }

  /** Signs in on the way to a page below `/app`, and is there. */
  async signIn(person: Person, path = '/app/sessions'): Promise<Page> {
    const { page } = this
    await page.goto(this.#world.webUrl + path)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByLabel('Name').fill(person.name)
    await page.getByLabel('Password').fill(person.password)
    await page.getByRole('button', { name: 'Log in' }).click()
    const allow = page.getByRole('button', { name: 'Allow' })
    await allow.or(page.locator('.frame')).first().waitFor()
    if (await allow.isVisible()) await allow.click()
    await page.locator('.frame #main h1').first().waitFor()
    return page
  }

  async goto(path: string): Promise<Page> {
    await this.page.goto(this.#world.webUrl + path)
    await this.page.locator('#main h1').first().waitFor()
    return this.page
  }

  /** What axe-core finds on the page as it is, against WCAG 2.2 AA: its rule and where. */
  async axe(): Promise<readonly string[]> {
    const { page } = this
    // Not as a script of the page: its Content-Security-Policy takes none.
    await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
    return page.evaluate(async () => {
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
      const axe = (globalThis as unknown as { axe: Axe }).axe
      const { violations } = await axe.run({ runOnly: { type: 'tag', values: tags } })
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary ?? ''}`),
      )
    })
  }

  /** Whether the page is wider than its window. */
  async isTooWide(): Promise<boolean> {
    return this.page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
  }

  /** Keeps a picture, if SALLYPORT_PICTURES names a folder. */
  async picture(name: string): Promise<void> {
    const folder = process.env['SALLYPORT_PICTURES']
    if (folder !== undefined) await this.page.screenshot({ path: join(folder, `${name}.png`) })
  }

  async close(): Promise<void> {
    await this.context.close()
  }

  #listen(): void {
    const { page, complaints } = this
    page.on('console', message => {
      // Whoever is not signed in is told so by status 401, which browsers print.
      if (['error', 'warning'].includes(message.type()) && !/status of 401/.test(message.text()))
        complaints.push(`${message.type()}: ${message.text()}`)
    })
    page.on('pageerror', error => complaints.push(`thrown: ${error.message}`))
    page.on('dialog', dialog => {
      complaints.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('popup', () => complaints.push('a window was opened'))
    page.on('request', request => {
      const { hostname, protocol } = new URL(request.url())
      if (hostname !== '127.0.0.1' && protocol.startsWith('http'))
        complaints.push(`asked for ${request.url()}`)
    })
  }
}

type Axe = {
  run(options: object): Promise<{
    violations: readonly {
      id: string
      nodes: readonly { target: readonly string[]; failureSummary?: string }[]
    }[]
  }>
}
