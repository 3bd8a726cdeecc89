/** `npm run bench viewer`: the auditors' pages in Debian's Chromium against a gateway process: first loads, seeks in ten hours, lists of many sessions. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { openStore } from '../../src/store/sqlite-store.ts'
import { people } from '../support/issuer.ts'
import { startChromium, Visitor } from '../support/pages.ts'
import { World } from '../support/world.ts'
import { median, quantile } from './measurement.ts'
import { recordWork } from './terminal-work.ts'

export type ViewerRow = {
  readonly what: string
  readonly unit: string
  readonly figure: number
  readonly goal?: string
}
export type ViewerOptions = { readonly sessions: number; readonly hours: number; readonly seeks: number }

const work = 'work-of-hours'

export async function benchViewer(options: ViewerOptions): Promise<readonly ViewerRow[]> {
  const rows = sizeRows()
  const { file } = await recordWork(options.hours)
  const world = await World.start({ logLevel: 'info' })
  const chrome = await startChromium()
  try {
    await world.killGateway('SIGTERM')
    await fill(world, file, options)
    await world.startGateway()
    const visitor = await Visitor.open(chrome, world)
    await visitor.signIn(people.ben)
    rows.push(...(await loadRows(visitor)))
    rows.push(...(await seekRows(visitor, options)))
    rows.push(...(await listRows(visitor, options)))
    await visitor.close()
    return rows
  } finally {
    await chrome.close()
    await world.stop()
  }
}

export function tableOfViewer(rows: readonly ViewerRow[]): string {
  const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
  const lines = rows.map(
    ({ what, unit, figure, goal }) => `| ${what} | ${shown(figure)} ${unit} | ${goal ?? ''} |`,
  )
  return ['| what | Sallyport | goal |', '|---|---|---|', ...lines].join('\n')
}

// ── sizes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const dist = join(import.meta.dirname, '../../web/dist/assets')

function sizeRows(): ViewerRow[] {
  const files = readdirSync(dist).filter(name => /\.(js|css)$/.test(name))
  const packed = (of: readonly string[]): number =>
    of.reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, name))).length, 0) / 1000
  const isTerminal = (name: string): boolean => name.startsWith('xterm')
  return [
    {
      what: 'all pages together, gzipped, without xterm.js',
      unit: 'kB',
      figure: packed(files.filter(name => !isTerminal(name))),
    },
    { what: 'xterm.js, gzipped', unit: 'kB', figure: packed(files.filter(isTerminal)) },
  ]
}

// ── a gateway with much to show ─────────────────────────────────────────────────────────────────────────────────────

const minute = 60_000

/** One session with the recording, and many without: their rows are what lists are made of. */
async function fill(world: World, file: string, { sessions, hours }: ViewerOptions): Promise<void> {
  const folder = join(world.recordings, 'bench')
  mkdirSync(folder, { recursive: true })
  copyFileSync(file, join(folder, `${work}.sallyport`))
  const store = await openStore(world.data)
  const nowMs = Date.now() - hours * 60 * minute
  const row = (index: number) => ({
    id: index === 0 ? work : `bench-${index}`,
    protocol: 'ssh' as const,
    issuer: 'https://login.example.com',
    subject: `u-${index % 400}`,
    principalName: `person-${index % 400}@example.com`,
    target: 'web1',
    login: world.login,
    role: 'admin',
    sourceAddress: `192.0.2.${index % 250}`,
    owner: 'bench',
    openedAtMs: nowMs - index * 5 * minute,
    endedAtMs: nowMs - index * 5 * minute + (index % 90) * minute,
    state: 'ended' as const,
    endReason: 'the client said goodbye',
    recording: `bench/${index === 0 ? work : index}.sallyport`,
    labels: { env: 'test' },
  })
  for (let index = 0; index < sessions; index++) await store.sessions.insert(row(index))
  await store.close()
}

// ── loading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const loads = 5

/** With an empty cache each time: until there is something to read, and how much came for it. */
async function loadRows(visitor: Visitor): Promise<readonly ViewerRow[]> {
  const list = await loaded(visitor, '/app/sessions', '[role=row][data-index]')
  const player = await loaded(visitor, `/app/sessions/${work}?t=5:00:00`, '[data-state=paused]')
  return [
    {
      what: 'list of sessions, first load, code without its style',
      unit: 'kB',
      figure: list.kilobytes,
      goal: '≤ 60',
    },
    { what: 'list of sessions, until rows are there, p50', unit: 'ms', figure: median(list.ms) },
    {
      what: 'ten hours, first load, code without xterm.js and style',
      unit: 'kB',
      figure: player.kilobytes,
      goal: '≤ 60',
    },
    { what: 'ten hours, until its fifth hour is on the screen, p50', unit: 'ms', figure: median(player.ms) },
  ]
}

async function loaded(
  visitor: Visitor,
  path: string,
  sign: string,
): Promise<{ ms: number[]; kilobytes: number }> {
  const { page } = visitor
  const tools = await visitor.context.newCDPSession(page)
  const ms: number[] = []
  for (let load = 0; load < loads; load++) {
    await page.goto('about:blank')
    await tools.send('Network.clearBrowserCache')
    await visitor.goto(path)
    await page.locator(sign).first().waitFor()
    ms.push(await page.evaluate<number>('performance.now()'))
  }
  const bytes = await page.evaluate<number>(
    `performance.getEntriesByType('resource').filter(one => /[/]app[/]assets[/](?!xterm-).*[.]js$/.test(one.name)).reduce((sum, one) => sum + one.encodedBodySize, 0)`,
  )
  await tools.detach()
  return { ms, kilobytes: bytes / 1000 }
}

// ── seeking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** As people do who look where they are: the gateway answers so many requests of one person a minute. */
const pauseMs = 300

/** From the press on the bar until the player says that the screen shows it, in the page's own time. */
async function seekRows(visitor: Visitor, { seeks, hours }: ViewerOptions): Promise<readonly ViewerRow[]> {
  const { page } = visitor
  await visitor.goto(`/app/sessions/${work}`)
  await page.locator('[data-state=paused]').waitFor()
  const ms: number[] = []
  for (let seek = 0; seek < seeks; seek++) {
    ms.push(await seekOnce(page, (((seek * 7919) % seeks) + 0.5) / seeks))
    await page.waitForTimeout(pauseMs)
  }
  return [
    { what: `seek anywhere in ${hours} hours, p50`, unit: 'ms', figure: median(ms) },
    { what: 'seek, p95', unit: 'ms', figure: quantile(ms, 0.95), goal: '≤ 100' },
    { what: 'seek, slowest', unit: 'ms', figure: Math.max(...ms) },
    {
      what: 'heap of the page afterwards',
      unit: 'MB',
      figure: (await page.evaluate<number>('performance.memory.usedJSHeapSize')) / 1e6,
    },
  ]
}

function seekOnce(page: Page, share: number): Promise<number> {
  return page.evaluate<number>(`new Promise((resolve, reject) => {
    const tracks = document.querySelector('.tracks')
    const transport = document.querySelector('.transport')
    const { left, width, top } = tracks.getBoundingClientRect()
    const where = { clientX: left + width * ${share}, clientY: top + 5, button: 0, bubbles: true, pointerId: 1 }
    const before = transport.dataset.position
    const observer = new MutationObserver(() => {
      if (transport.dataset.state === 'failed') reject(new Error(document.querySelector('.notices').textContent))
      if (transport.dataset.state !== 'paused' || transport.dataset.position === before) return
      observer.disconnect()
      resolve(performance.now() - began)
    })
    observer.observe(transport, { attributes: true })
    tracks.setPointerCapture = () => {}
    const began = performance.now()
    tracks.dispatchEvent(new PointerEvent('pointerdown', where))
  })`)
}

// ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const filters = 40

async function listRows(visitor: Visitor, { sessions }: ViewerOptions): Promise<readonly ViewerRow[]> {
  const { page } = visitor
  await visitor.goto('/app/sessions')
  await page.locator('[role=row][data-index]').first().waitFor()
  const ms: number[] = []
  for (let index = 0; index < filters; index++) {
    const person = `person-${(index * 37) % 400}@example.com`
    ms.push(await filterOnce(page, person))
  }
  await visitor.goto('/app/sessions')
  await page.locator('[role=row][data-index]').first().waitFor()
  const began = performance.now()
  let shown = 0
  while (shown < Math.min(sessions, 5000)) {
    await page.locator('.virtual').evaluate(box => box.scrollTo(0, box.scrollHeight))
    await page.waitForTimeout(20)
    shown = (await page.locator('.virtual .rows').evaluate(rows => rows.clientHeight)) / 50
  }
  const scrolled = performance.now() - began
  return [
    {
      what: `one person's of ${sessions.toLocaleString('en')} sessions, until rows are there, p50`,
      unit: 'ms',
      figure: median(ms),
    },
    { what: 'the same, p95', unit: 'ms', figure: quantile(ms, 0.95) },
    { what: 'scrolling through 5,000 rows, for each 200', unit: 'ms', figure: scrolled / (shown / 200) },
    {
      what: 'rows in the page meanwhile',
      unit: '',
      figure: await page.locator('[role=row][data-index]').count(),
    },
  ]
}

/** As a link changes the address: until the first row is that person's. */
function filterOnce(page: Page, person: string): Promise<number> {
  return page.evaluate<number>(`new Promise(resolve => {
    const began = performance.now()
    const isThere = () => {
      const [row] = document.querySelectorAll('[role=row][data-index]')
      return row !== undefined && row.textContent.includes(${JSON.stringify(person)})
    }
    const look = () => (isThere() ? resolve(performance.now() - began) : requestAnimationFrame(look))
    history.pushState(null, '', '/app/sessions?principal=' + encodeURIComponent(${JSON.stringify(person)}))
    dispatchEvent(new Event('sallyport-navigated'))
    look()
  })`)
}
