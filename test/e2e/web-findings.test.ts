/** The inbox of findings where names are hidden: seen in place, assigned, suppressed, unmasked by two, and answered by the person concerned. */
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { people } from '../support/issuer.ts'
import { startChromium, Visitor, whatPagesNeed } from '../support/pages.ts'
import { World } from '../support/world.ts'

const missing = whatPagesNeed()
const startMs = 300_000

let world: World
let chrome: Browser
let session = ''
const visitors: Visitor[] = []

async function visit(person: (typeof people)[keyof typeof people], path: string): Promise<Visitor> {
  const visitor = await Visitor.open(chrome, world)
  visitors.push(visitor)
  await visitor.signIn(person, `/app${path}`)
  return visitor
}

/** Findings come some time after what they are about. */
async function untilThere(page: Page, what: Locator): Promise<void> {
  await expect
    .poll(async () => {
      await page.waitForLoadState('networkidle')
      if ((await what.count()) > 0) return true
      await page.reload()
      return false
    })
    .toBe(true)
}

async function openFinding(of: Visitor): Promise<Page> {
  const { page } = of
  const item = page.locator('.finding-open').filter({ hasText: 'web1' })
  await untilThere(page, item)
  await item.first().click()
  await page.locator('#finding-head').waitFor()
  return page
}

describe.skipIf(missing !== undefined)(missing ?? 'findings with hidden names', () => {
  beforeAll(async () => {
    const configure = (config: { analysis?: unknown }): void => {
      config.analysis = { pseudonyms: { approvers: ['auditor'] } }
    }
    ;[world, chrome] = await Promise.all([World.start({ configure }), startChromium()])
    const shell = await world.terminal(`${world.login}@web1`, { columns: 90, rows: 25 })
    await shell.waitFor(/[$#] $/)
    shell.type('false && useradd -o -u 0 mallory; cat /etc/shadow >/dev/null; echo needle-$((40+2))\r')
    await shell.waitFor(/needle-42/)
    shell.type('exit\r')
    await shell.exit()
    session = (await world.lastEnded()).id
  }, startMs)
  afterAll(async () => {
    await chrome?.close()
    await world?.stop()
  })
  afterEach(async () => {
    const complaints = visitors.flatMap(visitor => visitor.complaints)
    for (const visitor of visitors.splice(0)) await visitor.close()
    expect(complaints).toEqual([])
  })

  test('whom a finding is about says something about it, without learning of it, and stays hidden', async () => {
    const reviewer = await visit(people.ben, '/findings')
    await openFinding(reviewer)
    const own = await visit(people.ada, '/me')
    await own.page.getByText('web1').first().waitFor()
    expect(await own.page.getByRole('heading', { name: 'Findings about my sessions' }).count()).toBe(0)
    await own.page.getByRole('button', { name: `Say something about ${session}` }).click()
    expect(await own.page.getByLabel('Session', { exact: true }).inputValue()).toBe(session)
    expect(await own.page.getByLabel('What you have to say').evaluate(at => at.matches(':focus'))).toBe(true)
    await own.page.getByLabel('What you have to say').fill('It was a drill: <b>ours</b>.')
    expect(await own.axe()).toEqual([])
    await own.page.getByRole('button', { name: 'Send' }).click()
    await own.page.getByText('It is kept with your session').waitFor()
    await reviewer.page.reload()
    await reviewer.page.getByText('It was a drill: <b>ours</b>.').waitFor()
    expect(await reviewer.page.locator('.finding').textContent()).not.toContain('ada@example.com')
  })

  test('ten seconds around the moment play beside the evidence, in both themes', async () => {
    const visitor = await visit(people.ben, '/findings')
    const page = await openFinding(visitor)
    const play = page.getByRole('button', { name: /^Play ten seconds/ }).first()
    await play.click()
    const mini = page.getByRole('group', { name: 'Ten seconds around the moment' })
    await mini.waitFor()
    const moment = mini.getByRole('slider', { name: 'Moment' })
    await moment.focus()
    await page.keyboard.press('End')
    await expect.poll(() => page.locator('.mini-player .xterm-rows').textContent()).toContain('needle-42')
    expect(await moment.getAttribute('aria-valuetext')).toMatch(/into the session$/)
    await page.getByLabel('Words on the screen').fill('needle-42')
    await page.keyboard.press('Enter')
    await page.getByRole('search', { name: 'What was shown' }).getByText('1 of 1').waitFor()
    expect(await visitor.axe()).toEqual([])
    await visitor.picture('finding-player')
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await visitor.axe()).toEqual([])
    await page.setViewportSize({ width: 320, height: 800 })
    expect(await visitor.isTooWide()).toBe(false)
  })

  test('nobody approves their own question for a name, and it shows to the one who asked alone', async () => {
    const asking = await visit(people.ben, '/findings')
    const page = await openFinding(asking)
    expect(await page.locator('.finding header').textContent()).toMatch(/person-\w+/)
    await page.getByRole('button', { name: 'Ask for the name…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Ask for the name' })
    expect(await dialog.getByRole('button', { name: 'Ask', exact: true }).isDisabled()).toBe(true)
    await dialog.getByLabel('Case').fill('CASE-7')
    await dialog.getByLabel('Why the name is needed').fill('To ask them.')
    expect(await asking.axe()).toEqual([])
    await dialog.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByText('Somebody else has to approve.').waitFor()
    const second = await visit(people.cleo, '/findings')
    await openFinding(second)
    await second.page.getByText('To ask them.').first().waitFor()
    await second.page.getByRole('button', { name: 'Approve' }).click()
    await second.page.getByText(/allowed the name to be shown/).waitFor()
    expect(await second.page.locator('.finding header').textContent()).not.toContain('ada@example.com')
    await page.reload()
    await expect.poll(() => page.locator('.finding header').textContent()).toContain('ada@example.com')
  })

  test('several are assigned at once, to somebody whom the gateway knows', async () => {
    const { page } = await visit(people.ben, '/findings')
    const ticks = page.locator('.finding-tick input')
    await untilThere(page, ticks)
    const count = await ticks.count()
    for (let at = 0; at < count; at++) await ticks.nth(at).check()
    await page.getByRole('button', { name: 'Assign to…' }).click()
    const dialog = page.getByRole('dialog', { name: /^Assign/ })
    await dialog.getByLabel('Name').fill('nobody-at-all')
    await dialog.getByRole('button', { name: 'Assign', exact: true }).click()
    await dialog.getByText('Nobody of that name has had to do with findings yet').waitFor()
    await dialog.getByLabel('Name').fill('ben@example.com')
    await dialog.getByRole('button', { name: 'Assign', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await expect.poll(() => page.getByText('taken by ben@example.com').count()).toBe(count)
    await ticks.first().check()
    await page.keyboard.press('j') // a box that is ticked takes no letters
    await page.getByRole('link', { name: 'all findings' }).click()
    await expect.poll(() => new URL(page.url()).searchParams.get('principal')).toMatch(/^person-|^ada@/)
    await page.getByLabel('Show').selectOption('suppressed')
    await page.getByText('No finding is like that').waitFor()
    await page.getByRole('button', { name: 'Keys' }).click()
    await page.getByText('undo, within ten seconds').waitFor()
    expect(await visitors[0]?.axe()).toEqual([])
    visitors[0]?.complaints.splice(0) // browsers print that a name was refused
  })

  test('a finding is put off with one key, taken back within ten seconds, and found among the snoozed', async () => {
    const visitor = await visit(people.ben, '/findings')
    const { page } = visitor
    const items = page.locator('.finding-list li')
    await untilThere(page, items)
    const count = await items.count()
    await page.keyboard.press('j')
    await page.locator('#finding-head').waitFor()
    await page.keyboard.press('z')
    await page.getByText('Snoozed for a day. It is sent after 10 seconds.').waitFor()
    await expect.poll(() => items.count()).toBe(count - 1)
    await page.keyboard.press('u')
    await expect.poll(() => items.count()).toBe(count)
    await items.first().getByRole('button').click()
    await page.getByRole('button', { name: 'Snooze' }).click()
    await page.getByRole('menuitem', { name: 'for a week' }).click()
    await page.getByText('Snoozed for a week. It is sent after 10 seconds.').waitFor()
    await page.getByLabel('Show').selectOption('snoozed')
    await page.goto(page.url())
    await untilThere(page, items)
    expect(await items.count()).toBe(1)
    await items.first().getByRole('button').click()
    await page
      .locator('.finding header')
      .getByText(/^snoozed until/)
      .waitFor()
    expect(await visitor.axe()).toEqual([])
  })

  test('suppressing needs a scope, a day and a reason, names its owner, and keeps nothing from the log', async () => {
    const visitor = await visit(people.ben, '/findings')
    const page = await openFinding(visitor)
    await page.getByRole('button', { name: 'Suppress…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Suppress what is like this' })
    const send = dialog.getByRole('button', { name: 'Suppress', exact: true })
    await dialog.getByText('ben@example.com, own this suppression').waitFor()
    await dialog.getByLabel('Why').fill('A drill until Friday.')
    expect(await send.isDisabled()).toBe(true)
    expect(await dialog.getByRole('radio', { checked: true }).count()).toBe(0)
    await dialog.getByRole('radio', { name: /^This rule on this target/ }).check()
    expect(await send.isDisabled()).toBe(true)
    const until = new Date(Date.now() + 5 * 86_400_000).toISOString().slice(0, 10)
    await dialog.getByLabel(/^Until/).fill(until)
    expect(await visitor.axe()).toEqual([])
    await send.click()
    await dialog.waitFor({ state: 'hidden' })
    await page.getByText(`suppressed (rule-target) until ${until}`).waitFor()
    const note = page
      .getByRole('note')
      .filter({ hasText: 'ben@example.com suppresses what is like it on this target' })
    await note.getByText('A drill until Friday.').waitFor()

    await page.getByRole('button', { name: 'Show again…' }).click()
    const lifting = page.getByRole('dialog', { name: 'Show what is like this again' })
    const lift = lifting.getByRole('button', { name: 'Show again', exact: true })
    expect(await lift.isDisabled()).toBe(true)
    await lifting.getByLabel('Why').fill('The drill is over.')
    await lift.click()
    await lifting.waitFor({ state: 'hidden' })
    await page.getByText('The drill is over.').waitFor()
    expect(await note.count()).toBe(0)
    expect(await page.getByRole('button', { name: 'Show again…' }).count()).toBe(0)
  })
})
