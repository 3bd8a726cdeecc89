/** The page that plays offline, in a real browser, with recordings of people and targets who would like to run something in it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { exportRecording } from '../../src/recorder/export.ts'
import { screenAt } from '../../src/recorder/keyframe.ts'
import { indexOf } from '../../src/recorder/keyframe-builder.ts'
import { newBench, newGrant, output, startRecorder } from './support.ts'

const executablePath = '/usr/bin/chromium'
const missing = !existsSync(executablePath)
if (missing && process.env['SALLYPORT_REQUIRE_PEERS'] === '1')
  throw new Error('Chromium is required and missing')

const folder = mkdtempSync(join(tmpdir(), 'sallyport-html-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function recorded(
  events: readonly RecordedEvent[],
  protocol: 'ssh' | 'postgres' = 'ssh',
): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(), {
    session: `s${Math.random().toString(36).slice(2)}`,
    protocol,
  })
  for (const event of events) {
    bench.clock.advance(1000)
    recording.record(event)
  }
  await recording.seal('over </script><img src=x onerror=alert(1)>')
  await recorder.close()
  return join(bench.folder, recording.path)
}

let pages = 0
async function exported(file: string): Promise<string> {
  const path = join(folder, `page${++pages}.html`)
  let html = ''
  for await (const piece of exportRecording(file, 'html')) html += piece
  writeFileSync(path, html)
  return path
}

const pty: RecordedEvent = {
  type: 'pty',
  channel: 0,
  term: 'xterm',
  columns: 40,
  rows: 6,
  widthPx: 0,
  heightPx: 0,
  modes: '',
}

/** What attacks whoever looks: markup, ends of elements, links, titles, clipboards, reports, hidden and reordering characters. */
const hostile = [
  '<script>alert(1)</script>',
  '</script><script>alert(1)</script>',
  '</ScRiPt ><svg onload=alert(1)>',
  '<!--<script>',
  ']]><img src=x onerror=alert(1)>',
  '<img src="https://example.invalid/x">',
  "<iframe src='javascript:alert(1)'></iframe>",
  '\u2028\u2029"}];alert(1)//',
  '\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07',
  '\x1b]0;owned\x07',
  '\x1b]52;c;b3duZWQ=\x07',
  '\x1b[c\x1b[>c\x1b[6n\x1bP$qm\x1b\\',
  '\x1b[99999999;99999999H\x1b[2147483647X',
  '\u202egnp.exe\u2066 \u200b\u00ad\u{e0041}',
  '\x1b[38;2;300;-1;1mcolour',
  '\x1b[8mconcealed\x1b[0m',
  '&lt;b&gt;&#60;i&#62;',
  '<link rel=stylesheet href=//example.invalid><style>*{display:none}</style>',
  '<meta http-equiv=refresh content="0;url=https://example.invalid">',
  '<base href="https://example.invalid/"><form action="/x"><button>',
]

describe.skipIf(missing)('in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  })
  afterAll(() => browser?.close())

  type Watch = { page: Page; trouble: string[] }

  /** Opens a page and notes whatever it should not do. */
  async function open(path: string): Promise<Watch> {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
    const page = await context.newPage()
    const trouble: string[] = []
    page.on('dialog', dialog => {
      trouble.push(`dialog ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('pageerror', error => trouble.push(`error ${error.message}`))
    page.on(
      'console',
      message => void (message.type() === 'error' && trouble.push(`console ${message.text()}`)),
    )
    page.on(
      'request',
      request => void (request.url() !== `file://${path}` && trouble.push(`request ${request.url()}`)),
    )
    page.on('popup', () => trouble.push('popup'))
    await page.goto(`file://${path}`)
    return { page, trouble }
  }

  /** Runs in the page. */
  const seek = (page: Page, us: number): Promise<unknown> =>
    page.evaluate(
      `{ const slider = document.getElementById('time'); slider.value = '${us}'; slider.dispatchEvent(new Event('input')) }`,
    )
  const textsOf = (page: Page, selector: string): Promise<string[]> =>
    page.locator(selector).allTextContents()

  test('nothing recorded in a terminal runs, loads or leads anywhere', async () => {
    const events = hostile.flatMap((text): RecordedEvent[] => [
      output(`${text}\r\n`),
      { type: 'typed', channel: 0, text },
      { type: 'exec', channel: 0, command: Buffer.from(text) },
    ])
    const { page, trouble } = await open(await exported(await recorded([pty, ...events])))
    for (let second = 0; second <= events.length + 2; second += 1) await seek(page, second * 1_000_000)
    for (const item of await page.locator('#marks li').all()) await item.click()
    await page.click('#toggle')
    expect(trouble).toEqual([])
    expect([await page.title()]).toEqual(await textsOf(page, 'h1'))
    const found = await page.evaluate<{ elements: string[]; scripts: number; handlers: boolean }>(`({
      elements: Array.from(document.querySelectorAll('main *'), element => element.localName),
      scripts: document.scripts.length,
      handlers: Array.from(document.querySelectorAll('*')).some(element =>
        element.getAttributeNames().some(name => name.startsWith('on') || name === 'href' || name === 'src'),
      ),
    })`)
    expect(found.elements.filter(name => !usual.has(name))).toEqual([])
    expect(found.scripts).toBe(4) // about, the player, one block of steps, the end
    expect(found.handlers).toBe(false)
  })

  test('nothing of an SQL session does either', async () => {
    const events = hostile.flatMap((text, at): RecordedEvent[] => [
      { type: 'statement', statement: at + 1, how: 'simple', text: `select '${text}'` },
      { type: 'result', statement: at + 1, status: 'error', sqlstate: '42601', message: text, us: 10 },
      { type: 'notice', severity: 'NOTICE', sqlstate: '00000', message: text } as unknown as RecordedEvent,
    ])
    const { page, trouble } = await open(await exported(await recorded(events, 'postgres')))
    await seek(page, 100_000_000)
    expect(trouble).toEqual([])
    const shown = await page.locator('#screen').textContent()
    expect(shown).toContain('<script>alert(1)</script>')
    expect(shown).not.toMatch(/[\u202e\u2066\u200b\u0007\u001b]/)
    await page.fill('input[placeholder=find]', 'iframe')
    expect(await page.locator('#screen .entry').count()).toBeGreaterThan(0)
    expect(trouble).toEqual([])
  })

  test('a page that was changed does not run what was put in', async () => {
    const path = await exported(await recorded([pty, output('x')]))
    writeFileSync(path, readFileSync(path, 'utf8').replace('</body>', '<script>alert(1)</script></body>'))
    const { trouble } = await open(path)
    expect(trouble).toEqual([expect.stringMatching(/^console .*Content Security Policy/)])
  })

  test('the screen of any instant is the one that the terminal showed, colours and wide characters included', async () => {
    const { page, trouble } = await open(
      await exported(
        await recorded([
          pty,
          output('one\r\n\x1b[31mred\x1b[0m 漢字\r\n'),
          output('\x1b[2J\x1b[Htwo'),
          { type: 'resize', channel: 0, columns: 20, rows: 3, widthPx: 0, heightPx: 0 },
          output('\r\nthree'),
        ]),
      ),
    )
    const rows = (): Promise<string[]> => textsOf(page, '.row')
    await seek(page, 2_500_000)
    expect(await rows()).toEqual(['one', 'red 漢字', '', '', '', ''])
    expect(await page.locator('span', { hasText: /^red$/ }).getAttribute('style')).toContain(
      'rgb(205, 49, 49)',
    )
    await seek(page, 3_500_000)
    expect((await rows())[0]).toBe('two')
    await seek(page, 6_000_000)
    expect(await rows()).toEqual(['two', 'three', ''])
    await seek(page, 2_000_000)
    expect((await rows())[0]).toBe('one')
    expect(trouble).toEqual([])
  })

  test('output that scrolls shows every screen as it was, forwards and backwards', async () => {
    const lines = Array.from({ length: 30 }, (_, n) =>
      output(`line ${n}${n % 7 === 0 ? '\r\n\r\n' : '\r\n'}`),
    )
    const file = await recorded([pty, ...lines])
    const { page, trouble } = await open(await exported(file))
    const shownAt = async (us: number): Promise<string> => {
      await seek(page, us)
      return (await textsOf(page, '.row')).join('\n').trimEnd()
    }
    const index = indexOf(file)
    for (const second of [31, 5, 6, 7, 8, 20, 19, 12, 13, 29, 3]) {
      const screen = screenAt(file, index, 0, second * 1_000_000)
      expect(await shownAt(second * 1_000_000)).toBe(screen?.text().trimEnd())
    }
    expect(trouble).toEqual([])
  })

  test('it plays, and pauses are skipped', async () => {
    const events = [pty, output('a'), output('b'), output('c')]
    const { page, trouble } = await open(await exported(await recorded(events)))
    await page.selectOption('select[aria-label=Speed]', '32')
    await page.click('#toggle')
    await expect.poll(() => textsOf(page, '.row')).toContain('abc')
    await expect.poll(() => textsOf(page, '#toggle')).toEqual(['Play'])
    expect(trouble).toEqual([])
  })
})

const usual = new Set('header h1 dl dt dd div button input span label select option ol li time p'.split(' '))
