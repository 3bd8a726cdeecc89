import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Place } from '../../src/api/places.ts'
import { Browser, type Page } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { ask, hour, openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())
afterEach(() => {
  world.places.length = 0
  world.audit.length = 0
  world.knobs.reuse = undefined
  world.knobs.auditFails = false
  world.knobs.aheadMs = 0
})

const orders: Place = {
  protocol: 'postgres',
  target: 'orders',
  labels: { env: 'prod' },
  login: 'app_readonly',
  database: 'shop',
  passwords: undefined,
}
const web1: Place = { ...orders, protocol: 'ssh', target: 'web1', login: 'deploy', database: '' }
const reusable: Place = { ...orders, passwords: { forMs: hour, connections: 20 } }
const once = 'Make a password'
const often = 'Make one for 20 connections in 1 h 00 min'

async function atConnect(places: readonly Place[] = [orders], person = people.ada) {
  world.places.push(...places)
  const browser = new Browser()
  const page = await browser.signInAt(await browser.open(`${world.url}/connect`), person)
  return { browser, page }
}

function passwordOn(page: Page): string {
  return /<output class="code long"[^>]*>([^<]*)<\/output>/.exec(page.html)?.[1] ?? ''
}

function redeem(password: string, sourceAddress = '127.0.0.1') {
  return world.passwords.redeem(password, {
    protocol: 'postgres',
    userName: 'app_readonly@orders',
    sourceAddress,
    target: 'orders',
    login: 'app_readonly',
  })
}

describe('nobody gets a password', () => {
  test('without signing in, and the way there comes back here', async () => {
    const browser = new Browser()
    const page = await browser.open(`${world.url}/connect`)
    expect([page.status, page.heading]).toEqual([401, 'Sign in to connect'])
    expect(
      (await browser.post(`${world.url}/connect/password`, { login: 'a', target: 'b', use: 'once' })).status,
    ).toBe(401)
    expect((await browser.signInAt(page, people.ada)).url.pathname).toBe('/connect')
  })

  test('from a form of another site, or without its token, or with that of another place', async () => {
    const { browser, page } = await atConnect([orders, { ...orders, login: 'app_owner' }])
    const [first, second] = page.forms.filter(form => form.action === '/connect/password')
    const fields = { login: 'app_readonly', target: 'orders', use: 'once' }
    const token = first?.fields[0]?.value ?? ''
    const otherToken = second?.fields[0]?.value ?? ''
    const at = `${world.url}/connect/password`
    expect((await browser.post(at, { ...fields, token: otherToken }, page)).status).toBe(403)
    expect((await browser.post(at, fields, page)).status).toBe(403)
    browser.headers['Sec-Fetch-Site'] = 'cross-site'
    expect((await browser.post(at, { ...fields, token }, page)).status).toBe(403)
    expect(world.audit.filter(event => event.kind === 'password-made')).toEqual([])
  })

  test('for a place that they may not open any more, or that is no PostgreSQL', async () => {
    const { browser, page } = await atConnect([orders])
    world.places.length = 0
    expect((await browser.press(page, once)).status).toBe(404)
    world.places.push({ ...orders, protocol: 'ssh' })
    expect((await browser.press(page, once)).status).toBe(404)
  })

  test('for several connections where policy does not say so, whatever the form says', async () => {
    const { browser, page } = await atConnect()
    expect(page.forms.flatMap(form => form.buttons).map(button => button.value)).not.toContain('often')
    const fields = Object.fromEntries(
      (page.forms.find(form => form.action === '/connect/password')?.fields ?? []).map(({ name, value }) => [
        name,
        value,
      ]),
    )
    const answer = await browser.post(
      `${world.url}/connect/password`,
      { ...fields, use: 'often', address: '10.0.0.7' },
      page,
    )
    expect([answer.status, answer.heading]).toEqual([409, 'No password'])
  })

  test('for an address that is none', async () => {
    world.knobs.reuse = { forMs: hour, connections: 20 }
    const { browser, page } = await atConnect([reusable])
    expect((await browser.press(page, often, { address: '10.0.0.0/8' })).status).toBe(400)
  })

  test('where the audit log cannot be written', async () => {
    const { browser, page } = await atConnect()
    world.knobs.auditFails = true
    const answer = await browser.press(page, once)
    expect([answer.status, passwordOn(answer)]).toEqual([503, ''])
  })

  test('with a sign-in that is nearly over: the issuer is asked again', async () => {
    const { browser, page } = await atConnect()
    world.knobs.aheadMs += 5 * hour
    browser.stopBefore = '/callback'
    expect((await browser.press(page, once)).url.pathname).toBe('/callback')
  })
})

describe('the page', () => {
  test('shows what may be opened, as lines to copy', async () => {
    const { page } = await atConnect([web1, orders])
    expect(page.text).toContain('ssh -p 2222 deploy@web1@127.0.0.1')
    expect(page.text).toContain(
      "psql 'host=127.0.0.1 port=5433 user=app_readonly@orders dbname=shop sslmode=verify-full'",
    )
    expect(page.text).toContain(
      'jdbc:postgresql://127.0.0.1:5433/shop?user=app_readonly%40orders&sslmode=verify-full',
    )
  })

  test('says so where there is nothing', async () => {
    expect((await atConnect([])).page.text).toContain('There is nothing that you may open now.')
  })

  test('quotes names that a shell or libpq would read otherwise', async () => {
    const { page } = await atConnect([{ ...orders, login: "o'brien x", database: 'a b' }])
    expect(page.text).toContain(`user='\\''o\\'\\''brien x@orders'\\'' dbname='\\''a b'\\''`)
  })

  test('has no script, and neither address nor cache keeps anything', async () => {
    const { browser, page } = await atConnect()
    const shown = await browser.press(page, once)
    for (const one of [page, shown]) {
      expect(one.html).not.toMatch(/<script|javascript:| on\w+=/i)
      expect(one.headers.get('cache-control')).toBe('no-store')
      expect(one.headers.get('content-security-policy')).toContain("default-src 'none'")
    }
    expect(shown.url.href).toBe(`${world.url}/connect/password`)
  })
})

describe('a password', () => {
  test('is shown once, works once, and the list never has it', async () => {
    const { browser, page } = await atConnect()
    const shown = await browser.press(page, once)
    const password = passwordOn(shown)
    expect(shown.text).toContain('It works once, until')
    const back = await browser.open(`${world.url}/connect`)
    expect(back.text).toContain('app_readonly@orders any address 0 of 1')
    expect(back.html).not.toContain(password)
    expect(redeem(password)).toMatchObject({
      kind: 'proven',
      place: { target: 'orders', login: 'app_readonly' },
    })
    expect(redeem(password).kind).toBe('refused')
    expect(JSON.stringify(world.audit)).not.toContain(password)
  })

  test('for several connections is bound to the address that its owner says', async () => {
    world.knobs.reuse = { forMs: hour, connections: 20 }
    const { browser, page } = await atConnect([reusable])
    const shown = await browser.press(page, often, { address: '10.0.0.7' })
    expect(shown.text).toContain('It works for 20 connections from 10.0.0.7')
    const password = passwordOn(shown)
    expect([redeem(password, '10.0.0.7').kind, redeem(password, '10.0.0.7').kind]).toEqual([
      'proven',
      'proven',
    ])
    expect((await browser.open(`${world.url}/connect`)).text).toContain('10.0.0.7 2 of 20')
    expect(redeem(password).kind).toBe('refused')
  })

  test('is revoked by its owner alone', async () => {
    const { browser, page } = await atConnect([orders], people.cleo)
    const password = passwordOn(await browser.press(page, once))
    const mine = await browser.open(`${world.url}/connect`)
    const eve = (await atConnect([], people.eve)).browser
    const revocation = mine.forms.find(form => form.action.endsWith('/revoke'))
    const token = revocation?.fields[0]?.value ?? ''
    expect((await eve.post(new URL(revocation?.action ?? '', world.url), { token }, mine)).status).toBe(403)
    const after = await browser.press(mine, 'Revoke')
    expect(after.text).toContain('You have none that counts now.')
    expect(redeem(password)).toMatchObject({ why: 'unknown' })
    expect(world.audit.at(-1)).toMatchObject({ kind: 'password-revoked', why: 'by its owner' })
  })

  test('ends when its owner signs out', async () => {
    const { browser, page } = await atConnect()
    const password = passwordOn(await browser.press(page, once))
    await browser.press(await browser.open(`${world.url}/connect`), 'Sign out')
    expect(redeem(password).kind).toBe('refused')
  })

  test('stays when the same person signs in anew in that browser, and ends when somebody else does', async () => {
    const { browser, page } = await atConnect()
    const [one, other] = [
      passwordOn(await browser.press(page, once)),
      passwordOn(await browser.press(page, once)),
    ]
    await browser.open(`${world.url}/sign-in/start?page=connect`)
    expect(redeem(one).kind).toBe('proven')
    const cookie = browser.cookie('sallyport') ?? ''
    const eve = new Browser()
    eve.setCookie('sallyport', cookie, '127.0.0.1')
    await eve.signInAt(await eve.open(`${world.url}/sign-in`), people.eve)
    expect(redeem(other).kind).toBe('refused')
  })
})

describe('a connection without a prompt', () => {
  const asks = {
    protocol: 'postgres',
    userName: 'app_readonly@orders',
    target: 'orders',
    answer: 'confirmation',
  } as const

  async function atQuestion(sourceAddress: string) {
    const browser = new Browser()
    const waiting = ask(world, { ...asks, login: 'app_readonly', sourceAddress })
    const page = await browser.signInAt(await browser.open(waiting.url), people.ada)
    return { browser, waiting, page }
  }

  test('from another address cannot be confirmed: the page says to use a password', async () => {
    const { browser, waiting, page } = await atQuestion('10.0.0.7')
    expect(page.heading).toBe('This connection needs a password')
    expect(page.text).toContain('make a password')
    expect(page.forms.flatMap(form => form.buttons).map(button => button.text)).not.toContain(
      'Yes, sign it in',
    )
    const token = page.forms.find(form => form.action.endsWith('/confirm'))?.fields[0]?.value ?? ''
    const forced = await browser.post(page.url, { token, decision: 'confirm' }, page)
    expect([forced.status, forced.heading, waiting.closed]).toEqual([403, 'Not from here', false])
    expect(world.audit.at(-1)).toMatchObject({
      kind: 'refusal',
      code: 'another-address',
      sourceAddress: '10.0.0.7',
    })
    await browser.press(page, 'No, deny it')
    expect(waiting.closed).toBe(true)
  })

  test('from this address is confirmed without a code, and the page says what asks', async () => {
    const { browser, waiting, page } = await atQuestion('127.0.0.1')
    expect(page.text).toContain('Connection PostgreSQL')
    expect(page.text).toContain('Target orders')
    const done = await browser.press(page, 'Yes, sign it in')
    expect(done.heading).toBe('Signed in')
    expect(done.code).toBeUndefined()
    expect(await waiting.ended).toMatchObject({
      kind: 'proven',
      principal: { fields: { email: 'ada@example.com' } },
    })
  })

  test('is not confirmed by the browser of somebody who only has the link', async () => {
    const { waiting, page } = await atQuestion('127.0.0.1')
    const token = page.forms.find(form => form.action.endsWith('/confirm'))?.fields[0]?.value ?? ''
    const eve = (await atConnect([], people.eve)).browser
    expect((await eve.post(page.url, { token, decision: 'confirm' }, page)).status).toBe(403)
    expect(waiting.closed).toBe(false)
  })
})
