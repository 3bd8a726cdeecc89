/** The list of sessions in a real browser: found, filtered, chosen and judged, by pointer and by keys; and what the pages say when they cannot. */
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Me } from '../../src/api/schema.ts'
import { people } from '../support/issuer.ts'
import { startChromium, Visitor, whatPagesNeed } from '../support/pages.ts'
import { World } from '../support/world.ts'

const missing = whatPagesNeed()

/** A company, a browser and some sessions: on a busy machine that takes longer than a test. Milliseconds. */
const startMs = 300_000

let world: World
let chrome: Browser
let visitor: Visitor | undefined

async function reviewer(path = '/app/sessions', options = {}): Promise<Visitor> {
  visitor = await Visitor.open(chrome, world, options)
  await visitor.signIn(people.ben, path)
  return visitor
}

const rowsOf = (of: Visitor) =>
  of.page.getByRole('table', { name: /^Sessions/ }).locator('[role=row][data-index]')

describe.skipIf(missing !== undefined)(missing ?? 'the list of sessions', () => {
  beforeAll(async () => {
    ;[world, chrome] = await Promise.all([World.start(), startChromium()])
  }, startMs)
  afterAll(async () => {
    await chrome?.close()
    await world?.stop()
  })
  afterEach(async () => {
    await visitor?.close()
    visitor = undefined
  })

  test('an empty one says how to make a first session', async () => {
    const { page, complaints } = await reviewer()
    await page.getByText('There is no session yet').waitFor()
    expect(await page.locator('pre').textContent()).toContain('ssh LOGIN@TARGET@')
    expect(await (visitor as Visitor).axe()).toEqual([])
    expect(complaints).toEqual([])
  })

  describe('with sessions', () => {
    beforeAll(async () => {
      const open = (person: typeof people.ada) =>
        world.ssh(`${world.login}@web1`, { person, command: ['true'] })
      await open(people.ada)
      await open(people.cleo)
      await open(people.ada)
      await world.lastEnded()
    }, startMs)

    test('whoever reviews nothing is told so, and whom to ask', async () => {
      visitor = await Visitor.open(chrome, world)
      await visitor.signIn(people.eve)
      const refusal = visitor.page.getByRole('alert')
      await refusal.waitFor()
      expect(await refusal.textContent()).toMatch(/None of your roles reviews sessions/)
      expect(await rowsOf(visitor).count()).toBe(0)
      expect(await visitor.page.getByRole('group', { name: 'Filters' }).count()).toBe(0)
      expect(await visitor.axe()).toEqual([])
    })

    test('a gateway that does not answer is said, and asked again', async () => {
      const { page, context } = await reviewer()
      await rowsOf(visitor as Visitor)
        .first()
        .waitFor()
      await context.setOffline(true)
      await page.getByRole('button', { name: 'Refresh' }).click()
      await page.getByText('The gateway does not answer').waitFor()
      await context.setOffline(false)
      await page.getByRole('button', { name: 'Try again' }).click()
      await rowsOf(visitor as Visitor)
        .first()
        .waitFor()
    })

    test('a sign-in that is over is said, and leads back to the same filters', async () => {
      const { page, context } = await reviewer('/app/sessions?principal=ada%40example.com')
      await context.clearCookies()
      await page.getByRole('button', { name: 'Refresh' }).click()
      const link = page.getByRole('link', { name: 'Sign in' })
      await link.waitFor()
      const back = new URL((await link.getAttribute('href')) ?? '', world.webUrl).searchParams.get('app')
      expect(back).toBe('/app/sessions?principal=ada%40example.com')
    })

    test('filters from chips and from cells are in the address, and go back with the browser', async () => {
      const at = await reviewer()
      const { page, complaints } = at
      await expect.poll(() => rowsOf(at).count()).toBe(3)
      await page.getByRole('button', { name: 'User', exact: true }).click()
      await page.getByLabel('User').fill('cleo@example.com')
      await page.getByRole('button', { name: 'Apply' }).click()
      await expect.poll(() => rowsOf(at).count()).toBe(1)
      expect(new URL(page.url()).searchParams.get('principal')).toBe('cleo@example.com')
      await page.getByRole('button', { name: 'All but cleo@example.com' }).click()
      await expect.poll(() => rowsOf(at).count()).toBe(2)
      expect(new URL(page.url()).searchParams.getAll('principal')).toEqual(['-cleo@example.com'])
      await page.goBack()
      await expect.poll(() => rowsOf(at).count()).toBe(1)
      await page.getByRole('button', { name: 'Only web1' }).click()
      await expect.poll(() => new URL(page.url()).searchParams.get('target')).toBe('web1')
      await page.getByRole('button', { name: 'More about web1' }).click()
      await page.getByRole('menuitem', { name: `All but as ${world.login}` }).click()
      await page.getByText('No session is like that').waitFor()
      await page.getByRole('button', { name: 'Clear' }).click()
      await page.getByRole('button', { name: 'Lasted at least' }).click()
      await page.getByRole('button', { name: '8 hours' }).click()
      await page.getByText('No session is like that').waitFor()
      await page.getByRole('button', { name: 'Clear' }).click()
      await expect.poll(() => rowsOf(at).count()).toBe(3)
      await page.getByRole('button', { name: 'Has finding' }).click()
      await page.getByText('No session is like that').waitFor()
      expect(complaints).toEqual([])
    })

    test('keys move, choose, review and open; a verdict for several needs one reason', async () => {
      const at = await reviewer()
      const { page, complaints } = at
      await expect.poll(() => rowsOf(at).count()).toBe(3)
      for (const key of ['x', 'j', 'x']) // from wherever the focus is
        await page.keyboard.press(key)
      await page.getByText('2 selected').waitFor()
      await page.getByRole('button', { name: 'Assign…' }).click()
      await page.getByLabel('To somebody who reviews here').fill('who-is-that')
      await page.getByRole('button', { name: 'Assign', exact: true }).click()
      await page.getByText('Nobody of that name has opened a session here yet').waitFor()
      complaints.splice(0) // browsers print that the name was refused
      await page.getByRole('button', { name: 'To me' }).click()
      await expect.poll(() => page.getByText('for ben@example.com').count()).toBe(2)
      await page
        .getByRole('group', { name: 'Selected sessions' })
        .getByRole('button', { name: 'Review' })
        .click()
      const dialog = page.getByRole('dialog', { name: 'Review 2 sessions' })
      await dialog.getByRole('radio', { name: /^Expected/ }).check()
      await dialog.getByLabel('Why').fill('Checked after the release.')
      expect(await at.axe()).toEqual([])
      await dialog.getByRole('button', { name: 'Give verdict' }).click()
      await dialog.waitFor({ state: 'hidden' })
      await expect.poll(() => page.getByRole('cell', { name: 'ben@example.com' }).count()).toBe(2)
      await rowsOf(at).first().focus()
      await page.keyboard.press('v')
      await page.getByRole('dialog', { name: 'Review' }).waitFor()
      await page.keyboard.press('Escape')
      await rowsOf(at).first().focus()
      await page.keyboard.press('j')
      await page.keyboard.press('o')
      await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
      expect(complaints).toEqual([])
    })

    test('whose sign-in ends while they write signs in beside it, and sends what they wrote', async () => {
      const at = await reviewer()
      const { page, context, complaints } = at
      await rowsOf(at).first().waitFor()
      await page.keyboard.press('v')
      const dialog = page.getByRole('dialog', { name: 'Review' })
      await dialog.getByRole('radio', { name: /^Explained/ }).check()
      await dialog.getByLabel('Why').fill('A long thought, typed once.')
      await context.clearCookies()
      const send = dialog.getByRole('button', { name: 'Give verdict' })
      await send.click()
      const opened = page.waitForEvent('popup')
      await dialog.getByRole('link', { name: 'Sign in in a new window' }).click()
      const beside = await opened
      await beside.getByLabel('Name').fill(people.ben.name)
      await beside.getByLabel('Password').fill(people.ben.password)
      await beside.getByRole('button', { name: 'Log in' }).click()
      const allow = beside.getByRole('button', { name: 'Allow' })
      await allow.or(beside.locator('.frame')).first().waitFor()
      if (await allow.isVisible()) await allow.click()
      await beside.locator('.frame #main h1').first().waitFor()
      expect(await dialog.getByLabel('Why').inputValue()).toBe('A long thought, typed once.')
      await page.route(/api\/v1\/me$/, async route => {
        const me = (await (await route.fetch()).json()) as Me
        await route.fulfill({ json: { ...me, name: 'cleo@example.com' } })
      })
      await send.click()
      await dialog.getByText('This page is not of cleo@example.com').waitFor()
      await page.unroute(/api\/v1\/me$/)
      await send.click()
      await dialog.waitFor({ state: 'hidden' })
      // The window was asked for, and the first token was of the sign-in before.
      expect(complaints.filter(text => !/a window was opened|status of 403/.test(text))).toEqual([])
    })

    test('a sign-in that ends soon is said, in the zone of the page, until it is renewed beside it', async () => {
      const at = await reviewer()
      const { page } = at
      let leftMs = 4 * 60_000
      await page.route(/api\/v1\/me$/, async route => {
        const answer = await route.fetch()
        const me = (await answer.json()) as Me
        await route.fulfill({ json: { ...me, signedInUntilMs: me.gateway.timeMs + leftMs } })
      })
      await page.reload()
      const warning = page.getByRole('alert').filter({ hasText: /^Your sign-in ends at .* UTC/ })
      await warning.waitFor()
      await rowsOf(at).first().waitFor()
      expect(await warning.getByRole('link').getAttribute('target')).toBe('_blank')
      expect(await at.axe()).toEqual([])
      leftMs = 3_600_000
      await page.evaluate('dispatchEvent(new Event("focus"))')
      await warning.waitFor({ state: 'hidden' })
    })

    test('a list of live sessions that cannot be asked for says how old it is', async () => {
      const shell = await world.terminal(`${world.login}@web1`)
      await shell.waitFor(/[$#] $/)
      const at = await reviewer('/app/live')
      await rowsOf(at).first().waitFor()
      await at.context.setOffline(true)
      await at.page.getByText(/^This list is as it was at .* UTC: The gateway does not answer/).waitFor()
      expect(await rowsOf(at).count()).toBe(1)
      await at.context.setOffline(false)
      await at.page.getByText(/^This list is as it was/).waitFor({ state: 'hidden' })
      await at.goto('/app/sessions')
      await rowsOf(at).getByText('live', { exact: true }).waitFor()
      shell.type('exit\r')
      await shell.exit()
      await world.lastEnded()
      await rowsOf(at).getByText('live', { exact: true }).waitFor({ state: 'hidden' })
    })

    test.each([
      [500, 'The fault is not yours'],
      [429, 'Wait for a minute'],
      [403, 'Ask those who keep the policy'],
    ])(
      'an answer of %i says what to do, and the strip over time does not vanish in silence',
      async (status, says) => {
        const at = await reviewer()
        const { page } = at
        await page.route(/api\/v1\/sessions\/histogram/, route => route.fulfill({ status, body: '<html>' }))
        await page.reload()
        await page.getByText('Sessions over time cannot be shown now').waitFor()
        await page.route(/api\/v1\/sessions\?/, route => route.fulfill({ status, body: '<html>' }))
        await page.reload()
        await page.getByText(says).waitFor()
        expect(await at.axe()).toEqual([])
      },
    )

    test('letters are letters where somebody types, and a slash leads to the search from anywhere else', async () => {
      const at = await reviewer()
      const { page } = at
      await rowsOf(at).first().waitFor()
      await page.keyboard.press('/')
      await page.keyboard.type('x/v')
      expect(await page.getByLabel('Search everything').inputValue()).toBe('x/v')
      expect(await page.getByRole('group', { name: 'Selected sessions' }).count()).toBe(0)
    })

    test('the time is narrowed on the strip by keys', async () => {
      const at = await reviewer('/app/sessions?last=24h')
      const { page } = at
      await rowsOf(at).first().waitFor()
      const from = page.getByRole('slider', { name: 'From' })
      await from.focus()
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('Enter')
      await expect
        .poll(() => new URL(page.url()).searchParams.get('from'))
        .toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      expect(new URL(page.url()).searchParams.has('last')).toBe(false)
    })

    test('a view is kept for the person who made it', async () => {
      const at = await reviewer('/app/sessions?principal=cleo%40example.com')
      const { page, complaints } = at
      await page.getByRole('button', { name: 'Views' }).click()
      await page.getByLabel('Save this view as').fill('Cleo <i>only</i>')
      await page.getByRole('button', { name: 'Save', exact: true }).click()
      await page.getByRole('button', { name: 'Cleo <i>only</i>', exact: true }).waitFor()
      expect(await at.axe()).toEqual([])
      await at.goto('/app/sessions')
      await page.getByRole('button', { name: 'Views' }).click()
      await page.getByRole('button', { name: 'Cleo <i>only</i>', exact: true }).click()
      await expect.poll(() => rowsOf(at).count()).toBe(1)
      await page.getByRole('button', { name: 'Views' }).click()
      await page.getByRole('button', { name: 'Forget Cleo <i>only</i>' }).click()
      await expect
        .poll(() => page.getByRole('button', { name: 'Cleo <i>only</i>', exact: true }).count())
        .toBe(0)
      expect(complaints).toEqual([])
    })

    test.each([
      { colorScheme: 'light', width: 1280 },
      { colorScheme: 'dark', width: 1280 },
      { colorScheme: 'light', width: 320 },
      { colorScheme: 'dark', width: 320 },
    ] as const)('axe finds nothing, and it fits its window ($colorScheme, $width)', async look => {
      const at = await reviewer('/app/sessions', { ...look, reducedMotion: 'reduce' })
      await rowsOf(at).first().waitFor()
      expect(await at.axe()).toEqual([])
      expect(await at.isTooWide()).toBe(false)
      expect(await at.page.evaluate(coveredNames)).toEqual([])
      await at.goto('/app/live')
      await at.page.getByText('Nobody works through this gateway right now').waitFor()
      expect(await at.axe()).toEqual([])
      expect(await at.isTooWide()).toBe(false)
      expect(at.complaints).toEqual([])
    })

    test('local times are shown where somebody wants them, on all pages at once', async () => {
      const at = await reviewer()
      const { page } = at
      await rowsOf(at).first().waitFor()
      await page.getByRole('columnheader', { name: 'Start (UTC)' }).waitFor()
      await page.getByRole('button', { name: /Times are UTC/ }).click()
      await page.getByRole('columnheader', { name: /Start \(\+0[12]:00\)/ }).waitFor()
      await rowsOf(at).first().getByRole('link').first().click()
      await page
        .getByText(/\+0[12]:00/)
        .first()
        .waitFor()
      expect(await page.locator('#main').textContent()).not.toContain('UTC')
    })
  })
})

/** Values of cells that the buttons beside them cover, and cells that reach beyond their row. */
const coveredNames = `[...document.querySelectorAll('.sessions .row')].flatMap(row => {
  const { bottom, right } = row.getBoundingClientRect()
  const out = [...row.children].filter(cell => {
    const box = cell.getBoundingClientRect()
    return box.bottom > bottom + 1 || box.right > right + 1
  })
  const covered = [...row.querySelectorAll('.filterable')].filter(one => {
    const buttons = one.querySelector('.filters').getBoundingClientRect()
    return buttons.height > 0 && buttons.top < one.querySelector('.value').getBoundingClientRect().bottom - 2
  })
  return [...out, ...covered].map(one => one.textContent)
})`
