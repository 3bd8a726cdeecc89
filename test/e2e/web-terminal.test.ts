/** The auditors' pages for sessions at a terminal: made by plain ssh, replayed, watched, judged and ended in a real browser. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Locator } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { people } from '../support/issuer.ts'
import { isolatedSshOptions } from '../support/openssh.ts'
import { startChromium, Visitor, whatPagesNeed } from '../support/pages.ts'
import { World } from '../support/world.ts'

const missing = whatPagesNeed()

/** A company, a browser and some sessions: on a busy machine that takes longer than a test. Milliseconds. */
const startMs = 300_000

/** What a target sends to whoever looks: links, titles, the clipboard, windows, questions, markup, text that hides. */
const hostile = [
  '\\033]0;owned\\007',
  '\\033]8;;http://evil.example/\\007click-here\\033]8;;\\007 ',
  '\\033]52;c;b3duZWQ=\\007\\007',
  '\\033[3;0;0t\\033[8;1;1t\\033[c\\033[6n\\033[?1000h\\033[?1006h',
  '<img src=x onerror=alert(1)><script>alert(2)</script> ',
  '\\033[8mconcealed-words\\033[0m ',
  'left\\342\\200\\256right\\342\\200\\254 zero\\342\\200\\213width\\n',
].join('')

/** A command that is decoded beside where it was typed. */
const encoded = Buffer.from('ls -la \u202E\u200B evil').toString('base64')

/** Ends its lines as programs do that write to no terminal. */
const execOutput = "printf 'exec-output\\nsecond-line\\n'"

let world: World
let chrome: Browser
let visitor: Visitor | undefined
const sessions = { work: '', hostile: '', exec: '' }

async function newest(): Promise<string> {
  return (await world.lastEnded()).id
}

/** What somebody did at a terminal: with a pause, a password and a file. */
async function makeSessions(): Promise<void> {
  await world.ssh(`${world.login}@web1`, { command: [`cat /etc/shadow >/dev/null; ${execOutput}; exit 3`] })
  sessions.exec = await newest()
  const bad = await world.terminal(`${world.login}@web1`)
  await bad.waitFor(/[$#] $/)
  bad.type(`printf '${hostile}'; echo shown-$((40+2))\r`)
  await bad.waitFor(/shown-42/)
  bad.type(`echo ${encoded} | base64 -d; echo over-$((40+2))\r`)
  await bad.waitFor(/over-42/)
  bad.type('exit\r')
  await bad.exit()
  sessions.hostile = await newest()
  const work = await world.terminal(`${world.login}@web1`, { columns: 90, rows: 25 })
  await work.waitFor(/[$#] $/)
  work.type('echo first-$((40+2))\r')
  await work.waitFor(/first-42/)
  work.type('seq 1 200\r')
  await work.waitFor(/\r\n200\r\n/)
  work.type('read -s secret; sleep 11.5; echo second-$((40+2))\r')
  await new Promise(resolve => setTimeout(resolve, 300))
  work.type('not-to-be-kept\r')
  await work.waitFor(/second-42/)
  work.resize(100, 30)
  work.type('clear; echo third-$((40+2))\r')
  await work.waitFor(/third-42/)
  work.type('exit\r')
  await work.exit()
  sessions.work = await newest()
}

/** The text of the screen, from the transcript under it. */
async function screenText(of: Visitor): Promise<string> {
  const transcript = of.page.locator('details.transcript')
  if ((await transcript.getAttribute('open')) === null) await transcript.locator('summary').click()
  return (await transcript.locator('pre').textContent()) ?? ''
}

async function openSession(id: string, query = ''): Promise<Visitor> {
  visitor = await Visitor.open(chrome, world)
  await visitor.signIn(people.ben, `/app/sessions/${id}${query}`)
  await visitor.page.getByRole('button', { name: 'Play', exact: true }).waitFor()
  return visitor
}

describe.skipIf(missing !== undefined)(missing ?? 'the page of a session at a terminal', () => {
  beforeAll(async () => {
    ;[world, chrome] = await Promise.all([World.start(), startChromium()])
    await makeSessions()
  }, startMs)
  afterAll(async () => {
    await chrome?.close()
    await world?.stop()
  })
  afterEach(async () => {
    await visitor?.close()
    visitor = undefined
  })

  test("one's own session and an unknown one are not there, and say what to do", async () => {
    visitor = await Visitor.open(chrome, world)
    await visitor.signIn(people.ada, '/app/sessions').catch(() => {})
    const { page } = visitor
    await page.goto(`${world.webUrl}/app/sessions/${sessions.work}`)
    await page.getByRole('alert').waitFor()
    expect(await page.locator('#main').textContent()).not.toContain('first-42')
  })

  test('T12: nothing that was recorded acts on the browser, and all of it is seen', async () => {
    const { page, complaints } = await openSession(sessions.hostile)
    await page.evaluate(`navigator.clipboard.writeText('mine')`)
    await page.keyboard.press('End')
    await expect.poll(() => screenText(visitor as Visitor)).toContain('over-42')
    const text = await screenText(visitor as Visitor)
    expect(text).toContain('click-here <img src=x onerror=alert(1)><script>alert(2)</script> concealed-words')
    expect(text).toContain('left\\u{202e}right\\u{202c} zero\\u{200b}width')
    expect(await page.title()).toBe('Session · Sallyport')
    expect(await page.evaluate<string>('navigator.clipboard.readText()')).toBe('mine')
    expect(await page.locator('a[href*="evil"], img[src="x"], script:not([src])').count()).toBe(0)
    await page.getByRole('button', { name: encoded }).focus()
    await expect
      .poll(() => page.getByRole('group', { name: 'The whole command' }).textContent())
      .toContain('ls -la \\u{202e}\\u{200b} evil')
    expect(await page.content()).not.toMatch(/[\u202E\u200B\u001B]/)
    expect(await page.getByText('Text was concealed here').isVisible()).toBe(true)
    const link = await page.locator('.xterm-rows').getByText('click-here <').last().boundingBox()
    await page.mouse.click((link?.x ?? 0) + 10, (link?.y ?? 0) + 5)
    expect(page.url()).toContain(`/app/sessions/${sessions.hostile}`)
    expect(complaints).toEqual([])
  })

  test('what is found on a screen is in sight, and not beyond the edge', async () => {
    const { page } = await openSession(sessions.hostile)
    await page.getByLabel('Where').selectOption('shown')
    await page.getByLabel('Search in this session').fill('concealed')
    const hit = page.locator('ol.hits .hit').first()
    await hit.waitFor()
    await visitor?.picture('hit')
    const [inner, outer] = [await hit.boundingBox(), await page.locator('ol.hits').boundingBox()]
    expect((inner?.x ?? 0) + (inner?.width ?? 9999)).toBeLessThan((outer?.x ?? 0) + (outer?.width ?? 0))
  })

  test('the hash of a file is whole in its row, and its size has its unit', async () => {
    const { page } = await openSession(sessions.exec)
    const sha256 = 'a3f5'.repeat(16)
    const file = { number: 1, kind: 'file', offsetMs: 1, atMs: 1, text: `/srv/${'long/'.repeat(40)}end.csv` }
    const detail = { operation: 'open', direction: 'down', bytes: 1554, sha256 }
    await page.route(/\/files\?/, route =>
      route.fulfill({ json: { items: [{ ...file, detail, hits: [] }] } }),
    )
    await visitor?.goto(`/app/sessions/${sessions.exec}?tab=files`)
    const row = page.getByRole('group', { name: 'Files' }).getByRole('listitem')
    await row.getByText('1,554 bytes').waitFor()
    expect(await row.textContent()).toContain('end.csv')
    const hash = row.getByText(sha256)
    expect(await hash.evaluate(at => at.scrollHeight <= at.clientHeight)).toBe(true)
    const [inner, outer] = [await hash.boundingBox(), await row.boundingBox()]
    expect((inner?.y ?? 0) + (inner?.height ?? 9999)).toBeLessThanOrEqual(
      (outer?.y ?? 0) + (outer?.height ?? 0),
    )
  })

  test('its details say which client came, and which certificate was minted for it', async () => {
    const { page } = await openSession(sessions.work, '?tab=details')
    const fact = (name: string): Locator => page.locator(`dt:text-is("${name}") + dd`)
    await expect.poll(() => fact('client').textContent()).toMatch(/^SSH-2\.0-OpenSSH/)
    expect(await fact('certificate serial').textContent()).toMatch(/^\d+$/)
    expect(await fact('certificate key id').textContent()).toContain(`session=${sessions.work}`)
    expect(await fact('certificate lifetime').textContent()).toMatch(/^60 s, until .* UTC$/)
    expect(await fact('policy version').textContent()).toMatch(/^[0-9a-f]{12}$/)
  })

  test('a link to a moment is where one is after signing in, and that moment is on the screen', async () => {
    const at = await openSession(sessions.work, '?t=0:00:05&skip=off')
    expect(at.page.url()).toContain('t=0:00:05&skip=off')
    await expect.poll(() => screenText(at)).toContain('200')
    expect(await screenText(at)).not.toContain('second-42')
    const slider = at.page.getByRole('slider', { name: 'Position in the recording' })
    expect(await slider.getAttribute('aria-valuetext')).toMatch(/^5 seconds, \d\d:\d\d:\d\d UTC$/)
    expect(await at.page.getByRole('switch', { name: 'Skip idle' }).isChecked()).toBe(false)
    await at.page.getByRole('button', { name: 'Copy link: a link to this moment' }).click()
    const copied = await at.page.evaluate<string>('navigator.clipboard.readText()')
    expect(new URL(copied).searchParams.get('t')).toBe('0:00:05')
    expect(at.complaints).toEqual([])
  })

  test('seeks to and fro by keys, slider and commands, through changes of size', async () => {
    const at = await openSession(sessions.work)
    const { page } = at
    await page.keyboard.press('End')
    await expect.poll(() => screenText(at)).toContain('third-42')
    expect(await screenText(at)).not.toContain('second-42')
    const slider = page.getByRole('slider', { name: 'Position in the recording' })
    await slider.focus()
    await page.keyboard.press('Home')
    await expect.poll(() => slider.getAttribute('aria-valuenow')).toBe('0')
    expect(await screenText(at)).not.toContain('first-42')
    expect(await page.locator('.command.current').count()).toBe(0)
    await page.getByRole('region', { name: /Player/ }).focus()
    for (const command of ['echo first-', 'seq 1 200', 'read -s secret']) {
      await page.keyboard.press(']')
      await expect
        .poll(() => page.getByRole('group', { name: 'The whole command' }).textContent())
        .toContain(command)
    }
    await slider.focus()
    await page.keyboard.press('Home')
    await expect.poll(() => slider.getAttribute('aria-valuenow')).toBe('0')
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => screenText(at)).toContain('200')
    expect(at.complaints).toEqual([])
  })

  test('plays on, skips where nothing happens, and says what it skipped and what was not recorded', async () => {
    const at = await openSession(sessions.work)
    const { page } = at
    await page.getByLabel('Speed').selectOption('4')
    await page.getByRole('button', { name: 'Play', exact: true }).click()
    await page.getByText(/^Skipped 1?\d s in which nothing happened$/).waitFor()
    await expect.poll(() => screenText(at)).toContain('third-42')
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    expect(await page.locator('body').textContent()).not.toContain('not-to-be-kept')
    expect(new URL(page.url()).searchParams.get('speed')).toBe('4')
    expect(at.complaints).toEqual([])
  })

  test('what scrolled off is read while paused', async () => {
    const at = await openSession(sessions.work, '?t=0:00:05')
    await expect.poll(() => screenText(at)).toContain('200')
    expect(await screenText(at)).not.toMatch(/^1$/m)
    await at.page.getByRole('region', { name: /Player/ }).focus()
    for (let pages = 0; pages < 12; pages++) await at.page.keyboard.press('PageUp')
    await expect.poll(() => screenText(at)).toContain('first-42')
    expect(at.complaints).toEqual([])
  })

  test('the keyboard is never caught, and the focus is seen', async () => {
    const at = await openSession(sessions.work)
    const { page } = at
    await page.locator('.terminal-box').focus()
    await page.keyboard.press('Tab')
    expect(await page.evaluate(`document.activeElement.closest('.terminal-box') === null`)).toBe(true)
    await page.keyboard.press('Shift+Tab')
    expect(await page.evaluate(`document.activeElement.classList.contains('terminal-box')`)).toBe(true)
    const seen = new Set<string>()
    for (let presses = 0; presses < 80; presses++) {
      await page.keyboard.press('Tab')
      seen.add(await page.evaluate<string>(focus))
    }
    expect(seen.has('hidden')).toBe(false)
    expect([...seen].some(one => one.includes('Position in the recording'))).toBe(true)
    expect([...seen].some(one => one.includes('verdict'))).toBe(true)
  })

  test('what could not be fetched is said, and two sessions are not compared by it', async () => {
    visitor = await Visitor.open(chrome, world)
    const { page } = visitor
    const problem = { title: 'Away', detail: 'The index is away.' }
    const isAway = { now: true }
    await page.route(/\/(commands|files|findings)\?/, route =>
      isAway.now
        ? route.fulfill({
            status: 500,
            contentType: 'application/problem+json',
            body: JSON.stringify(problem),
          })
        : route.continue(),
    )
    await visitor.signIn(people.ben, `/app/compare?a=${sessions.work}&b=${sessions.exec}`)
    await page.getByText('The index is away.').first().waitFor()
    expect(await page.locator('#main').textContent()).not.toContain('only here')
    await visitor.goto(`/app/sessions/${sessions.work}`)
    await page.getByText('Marks are missing above').waitFor()
    expect(await page.locator('#main').textContent()).not.toContain('No command was found')
    isAway.now = false
    await page.getByRole('tabpanel').getByRole('button', { name: 'Try again' }).click()
    await page.getByText('echo first-').waitFor()
  })

  test('lines of a program without a terminal begin at the left', async () => {
    const at = await openSession(sessions.exec, '?t=0:00:09')
    await at.page.getByText('The link’s time is after the end').waitFor()
    await expect.poll(() => screenText(at)).toMatch(/^exec-output$/m)
    expect(await screenText(at)).toMatch(/^second-line$/m)
  })

  test('a mark says why, and is acknowledged where it is, by keys', async () => {
    const at = await openSession(sessions.exec)
    const { page } = at
    const mark = page.locator('.mark').first()
    await expect
      .poll(async () => {
        if ((await mark.count()) > 0) return true
        await page.reload()
        await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
        await page.waitForTimeout(500)
        return (await mark.count()) > 0
      })
      .toBe(true)
    await mark.focus()
    await page.keyboard.press('Enter')
    const list = page.getByRole('group', { name: /^Marks at/ })
    await list.getByRole('button', { name: 'Acknowledge' }).first().waitFor()
    expect(await list.textContent()).toMatch(/high|medium|low/)
    expect(await at.axe()).toEqual([])
    await list.getByRole('button', { name: 'Acknowledge' }).first().press('Enter')
    await list.getByText('acknowledged').waitFor()
    await page.keyboard.press('Escape')
    await list.waitFor({ state: 'hidden' })
    expect(await page.evaluate(`document.activeElement.classList.contains('mark')`)).toBe(true)
    expect(at.complaints).toEqual([])
  })

  test('a verdict needs a word and a reason, and is kept', async () => {
    const at = await openSession(sessions.exec)
    const { page } = at
    const give = page.getByRole('button', { name: 'Give verdict' })
    expect(await give.isDisabled()).toBe(true)
    await page.getByRole('radio', { name: /^Explained/ }).check()
    expect(await give.isDisabled()).toBe(true)
    await page.getByLabel('Why').fill('The change was announced <b>yesterday</b>.')
    await give.click()
    await page.getByText('The change was announced <b>yesterday</b>.').first().waitFor()
    await page.getByText('ben@example.com').first().waitFor()
    expect(at.complaints).toEqual([])
  })

  test('two sessions stand beside each other, with what was done in one of them only', async () => {
    visitor = await Visitor.open(chrome, world)
    const { page } = visitor
    await visitor.signIn(people.ben, `/app/compare?a=${sessions.work}&b=${sessions.hostile}`)
    const left = page.getByRole('region').first()
    await left.getByText('echo first-').waitFor()
    await left.getByText('4 only here').waitFor()
    expect(await left.getByRole('listitem').filter({ hasText: 'echo first-' }).textContent()).toContain(
      'only here',
    )
    expect(await left.getByRole('listitem').filter({ hasText: 'exit' }).first().textContent()).not.toContain(
      'only here',
    )
    expect(await visitor.axe()).toEqual([])
    await visitor.picture('compare')
    expect(visitor.complaints).toEqual([])
  })

  test('a session is watched as it goes on, and ended with a reason that its person reads', async () => {
    const working = await world.terminal(`${world.login}@web1`)
    await working.waitFor(/[$#] $/)
    working.type('echo before-$((40+2))\r')
    await working.waitFor(/before-42/)
    visitor = await Visitor.open(chrome, world)
    const { page } = visitor
    await visitor.signIn(people.ben, '/app/live')
    await page.getByRole('button', { name: /^Pause or end the session of ada@/ }).click()
    await page.getByRole('menuitem', { name: 'Pause…' }).click()
    const pausing = page.getByRole('dialog', { name: 'Pause this session' })
    expect(await pausing.getByRole('button', { name: 'Pause session' }).isDisabled()).toBe(true)
    await pausing.getByLabel('Reason').fill('A look at it.')
    expect(await visitor.axe()).toEqual([])
    await pausing.getByRole('button', { name: 'Pause session' }).click()
    await working.waitFor(/sallyport: This session is held\. A reviewer has paused it: A look at it\. What/)
    await page.getByText('Paused', { exact: false }).first().waitFor()
    expect(await visitor.axe()).toEqual([])
    await visitor.picture('live-paused')
    await page.getByRole('link', { name: 'Watch' }).waitFor()
    await visitor.picture('live')
    await page.getByRole('link', { name: 'Watch' }).click()
    await page.getByRole('button', { name: 'Let it go on' }).click()
    await visitor.picture('session-paused')
    const going = page.getByRole('dialog', { name: 'Let this session go on' })
    await going.getByLabel('Reason').fill('Nothing was wrong.')
    await going.getByRole('button', { name: 'Let it go on' }).click()
    await working.waitFor(/This session goes on\./)
    await page.getByRole('button', { name: 'Pause session' }).waitFor()
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    await expect.poll(() => screenText(visitor as Visitor)).toContain('before-42')
    working.type('echo now-$((40+2))\r')
    await expect.poll(() => screenText(visitor as Visitor)).toContain('now-42')
    await page.getByRole('slider', { name: 'Position in the recording' }).focus()
    await page.keyboard.press('Home')
    working.type('echo later-$((40+2))\r')
    await working.waitFor(/later-42/)
    expect(await screenText(visitor)).not.toContain('later-42')
    await page.getByRole('button', { name: 'Go live' }).click()
    await expect.poll(() => screenText(visitor as Visitor)).toContain('later-42')
    await page.getByRole('button', { name: 'End session' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'End this session' })
    const end = dialog.getByRole('button', { name: 'End session' })
    expect(await end.isDisabled()).toBe(true)
    await dialog.getByLabel('Reason').fill('This is tested.')
    expect(await end.isDisabled()).toBe(true)
    await dialog.getByLabel('End it now').check()
    expect(await visitor.axe()).toEqual([])
    await end.click()
    await working.waitFor(/This is tested\./)
    await working.exit()
    await dialog.waitFor({ state: 'hidden' })
    // The page has seen the end by itself, or it is said above the player.
    await page
      .getByRole('button', { name: 'Load again' })
      .click({ timeout: 5000 })
      .catch(() => {})
    await page.getByRole('button', { name: 'End session' }).first().waitFor({ state: 'hidden' })
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    await expect.poll(() => screenText(visitor as Visitor)).toContain('later-42')
    expect(visitor.complaints).toEqual([])
  })

  test('an encrypted recording is opened in the page with the key of an auditor, and with no other', async () => {
    const [file, other] = ['auditor.jwk', 'other.jwk'].map(name => join(world.folder, name)) as [
      string,
      string,
    ]
    for (const out of [file, other])
      execFileSync(process.execPath, ['src/main.ts', 'keys', 'auditor', '--out', out])
    world.writeConfig(config => {
      config['recording'] = { encryptTo: [`file:${file.replace('.jwk', '.pub.jwk')}`] }
    })
    world.reload()
    await world.until(() => world.log.includes('"reload'))
    const secret = await world.terminal(`${world.login}@web1`)
    await secret.waitFor(/[$#] $/)
    secret.type('echo sealed-$((40+2))\r')
    await secret.waitFor(/sealed-42/)
    secret.type('exit\r')
    await secret.exit()
    const sealed = await newest()
    const sentFile = join(world.folder, 'sent.txt')
    writeFileSync(sentFile, 'sent')
    await world.runClient(
      'scp',
      [
        ...isolatedSshOptions(world.sshPort).map(one => (one === '-p' ? '-P' : one)),
        '-o',
        `User=${world.login}@web1`,
        sentFile,
        '127.0.0.1:/dev/null',
      ],
      {},
    )
    const moved = await newest()
    visitor = await Visitor.open(chrome, world)
    const { page } = visitor
    const asked: string[] = []
    page.on('request', request => asked.push(request.postData() ?? ''))
    await visitor.signIn(people.ben, `/app/sessions/${sealed}`)
    await page.getByLabel('Key file').setInputFiles(other)
    await page.getByText('This key does not open the recording').waitFor()
    await page.getByLabel('Key file').setInputFiles(file)
    await page.getByText('Opened in this page with your key').waitFor()
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    await page.getByRole('slider', { name: 'Position in the recording' }).focus()
    await page.keyboard.press('End')
    await expect.poll(() => screenText(visitor as Visitor)).toContain('sealed-42')
    await page.keyboard.press('Home')
    await expect.poll(() => screenText(visitor as Visitor)).not.toContain('sealed-42')
    await page.keyboard.press('End')
    await expect.poll(() => screenText(visitor as Visitor)).toContain('sealed-42')
    expect(await visitor.axe()).toEqual([])
    await page.getByText('echo sealed-$').first().waitFor()
    await page.getByLabel('Where').selectOption('shown')
    await page.getByLabel('Search in this session').fill('sealed-42')
    await page.locator('.hits').getByText('sealed-42').waitFor()
    await page.getByRole('tab', { name: 'Details' }).click()
    expect(await page.locator('dt:text-is("client") + dd').textContent()).toMatch(/^SSH-2\.0-OpenSSH/)
    await visitor.goto(`/app/sessions/${moved}`)
    await page.getByLabel('Key file').setInputFiles(file)
    await page.getByText('sent to the target').first().waitFor()
    const { d } = JSON.parse(readFileSync(file, 'utf8')) as { d: string }
    expect(asked.join()).not.toContain(d)
    expect(
      await page.evaluate<string>('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])'),
    ).not.toContain(d)
    expect(visitor.complaints).toEqual([])
  })

  test.each(['light', 'dark'] as const)('axe finds nothing on it (%s)', async colorScheme => {
    visitor = await Visitor.open(chrome, world, { colorScheme })
    await visitor.signIn(people.ben, `/app/sessions/${sessions.work}?t=0:00:05`)
    await visitor.page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    await screenText(visitor)
    for (const tab of ['Commands', 'Files', 'Findings', 'Comments', 'Details']) {
      await visitor.page.getByRole('tab', { name: new RegExp(`^${tab}`) }).click()
      expect(await visitor.axe(), tab).toEqual([])
    }
    await visitor.picture(`session-terminal-${colorScheme}`)
    await visitor.page.keyboard.press('?')
    expect(visitor.complaints).toEqual([])
  })

  test('it fits a window of 320 pixels, and moves nothing for whoever asks for that', async () => {
    visitor = await Visitor.open(chrome, world, { width: 320, reducedMotion: 'reduce' })
    await visitor.signIn(people.ben, `/app/sessions/${sessions.work}`)
    await visitor.page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    expect(await visitor.isTooWide()).toBe(false)
    const moving = await visitor.page.evaluate(
      `document.getAnimations().filter(one => one.playState === 'running').length`,
    )
    expect(moving).toBe(0)
    await visitor.picture('session-terminal-320')
  })
})

/** In the page: what has the focus, or `hidden` if something lies over it. */
const focus = `(() => {
  const at = document.activeElement
  if (at === null || at === document.body) return 'body'
  const { left, top, width, height } = at.getBoundingClientRect()
  const seen = document.elementFromPoint(left + width / 2, Math.max(0, top + height / 2))
  const isCovered = seen !== null && seen.closest('.top') !== null && at.closest('.top') === null
  return isCovered ? 'hidden' : [at.getAttribute('aria-label'), at.getAttribute('name'), at.textContent.slice(0, 60)].join(' ')
})()`
