import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { appPath } from '../../src/api/sign-in-routes.ts'
import { Browser, type Page } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { ask, hour, openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())
beforeEach(() => {
  world.knobs.auditFails = false
  world.knobs.aheadMs = 0
  world.audit.length = 0
})

/** A browser in which somebody has signed in and looks at the question. */
async function atQuestion(url: string, person = people.ada): Promise<{ browser: Browser; page: Page }> {
  const browser = new Browser()
  const page = await browser.signInAt(await browser.open(url), person)
  expect(page.heading).toBe('Did you start this connection?')
  return { browser, page }
}

const confirmButton = 'Yes, show me the code'
const tokenOf = (page: Page) => page.forms.at(-1)?.fields.find(field => field.name === 'token')?.value ?? ''

describe('no code', () => {
  test('for a link that nobody waits at: unknown, used, cancelled and foreign ones answer alike', async () => {
    const cancelled = ask(world)
    cancelled.cancel()
    const used = ask(world)
    used.submit(await new Browser().signInAndGetCode(used.url, people.ada))
    const browser = new Browser()
    const pages = []
    for (const url of [`${world.url}/sign-in/${'x'.repeat(43)}`, cancelled.url, used.url])
      for (const path of ['', '/start']) pages.push(await browser.open(`${url}${path}`))
    expect(pages.map(page => page.status)).toEqual(pages.map(() => 404))
    expect(new Set(pages.map(page => page.text)).size).toBe(1)
  })

  test('without a sign-in: the question leads back to the landing, GET and POST', async () => {
    const { url } = ask(world)
    const browser = new Browser()
    expect((await browser.open(`${url}/confirm`)).heading).toBe('A terminal is waiting for you to sign in')
    expect((await browser.post(`${url}/confirm`, { decision: 'confirm', token: 'x' })).code).toBeUndefined()
  })

  test('with a wrong password', async () => {
    const { url } = ask(world)
    const browser = new Browser()
    const page = await browser.signInAt(await browser.open(url), { name: 'ada', password: 'wrong' })
    expect([page.status, page.text]).toEqual([401, expect.stringContaining('do not belong together')])
  })

  test.each([
    ['no token', () => ''],
    ["another person's token", (_mine: Page, other: Page) => tokenOf(other)],
    ['the token of another form of the same page', (mine: Page) => mine.forms[0]?.fields[0]?.value ?? ''],
  ])('for a POST with %s (CSRF)', async (_, token) => {
    const [mine, other] = [ask(world), ask(world)]
    const victim = await atQuestion(mine.url)
    const attacker = await atQuestion(other.url, people.eve)
    const page = await victim.browser.post(
      `${mine.url}/confirm`,
      { decision: 'confirm', token: token(victim.page, attacker.page) },
      victim.page,
    )
    expect([page.status, page.code]).toEqual([403, undefined])
  })

  test('for a token of another question of the same browser', async () => {
    const [mine, other] = [ask(world), ask(world)]
    const { browser, page } = await atQuestion(mine.url)
    await browser.open(other.url)
    const answer = await browser.post(
      `${other.url}/confirm`,
      { decision: 'confirm', token: tokenOf(page) },
      page,
    )
    expect([answer.status, answer.code]).toEqual([403, undefined])
  })

  test.each([
    [{ 'Sec-Fetch-Site': 'cross-site' }],
    [{ 'Sec-Fetch-Site': 'same-site' }],
    [{ 'Sec-Fetch-Site': 'none' }],
    [{ Origin: 'https://evil.example' }],
    [{ Origin: 'http://127.0.0.1:1' }],
  ])('for a POST that says %j, whatever its token', async headers => {
    const { url } = ask(world)
    const { browser, page } = await atQuestion(url)
    Object.assign(browser.headers, headers)
    const answer = await browser.press(page, confirmButton)
    expect([answer.status, answer.code]).toEqual([403, undefined])
  })

  test('in a browser whose question another browser took over meanwhile', async () => {
    const { url } = ask(world)
    const first = await atQuestion(url)
    const second = await atQuestion(url, people.eve)
    expect((await first.browser.press(first.page, confirmButton)).status).toBe(404)
    expect((await second.browser.press(second.page, confirmButton)).code).toBeDefined()
    expect((await first.browser.open(url)).code).toBeUndefined()
  })

  test('after the person denied, and the terminal is told', async () => {
    const waiting = ask(world)
    const { browser, page } = await atQuestion(waiting.url)
    expect((await browser.press(page, 'No, deny it')).heading).toBe('Denied')
    expect(waiting.submit('BCDF-GHJK')).toMatchObject({
      kind: 'over',
      userText: expect.stringContaining('denied'),
    })
    expect(world.audit.at(-1)).toMatchObject({
      kind: 'refusal',
      code: 'denied-by-person',
      name: 'ada@example.com',
      sourceAddress: '127.0.0.1',
    })
  })

  test('when the sign-in cannot be written to the audit log', async () => {
    const { url } = ask(world)
    const browser = new Browser()
    world.knobs.auditFails = true
    const page = await browser.signInAt(await browser.open(url), people.ada)
    expect([page.status, browser.cookie('sallyport')]).toEqual([503, undefined])
    expect(page.text).toContain('cannot keep its records')
  })

  test('with a sign-in whose time is over, or of which more than half is over: the issuer is asked again', async () => {
    const { url } = ask(world)
    const { browser } = await atQuestion(url)
    expect((await browser.open(ask(world).url)).heading).toBe('Did you start this connection?')
    for (const aheadMs of [5 * hour, 9 * hour]) {
      world.knobs.aheadMs = aheadMs
      expect((await browser.open(ask(world).url)).heading).toBe('A terminal is waiting for you to sign in')
    }
  })
})

test('no code is shown that the audit log does not know of', async () => {
  const { url } = ask(world)
  const { browser, page } = await atQuestion(url)
  world.knobs.auditFails = true
  const answer = await browser.press(page, confirmButton)
  expect([answer.status, answer.code]).toEqual([503, undefined])
})

describe('the way back from the issuer', () => {
  /** Up to the answer that the issuer sends, without giving it to the gateway. */
  async function answerOf(browser: Browser, url: string): Promise<string> {
    const landing = await browser.open(url)
    browser.stopBefore = '/callback'
    const page = await browser.signInAt(landing, people.ada)
    browser.stopBefore = undefined
    return page.url.href
  }

  test('counts only in the browser that left (login CSRF), once', async () => {
    const waiting = ask(world)
    const browser = new Browser()
    const answer = await answerOf(browser, waiting.url)
    const other = new Browser()
    expect((await other.open(answer)).heading).toBe('That sign-in is over')
    const { url: secondUrl } = ask(world)
    await answerOf(other, secondUrl)
    expect((await other.open(answer)).heading).toBe('That sign-in is over')
    expect((await browser.open(answer)).heading).toBe('Did you start this connection?')
    expect((await browser.open(answer)).heading).toBe('That sign-in is over')
  })

  test('is refused with another state, without one, after ten minutes', async () => {
    const browser = new Browser()
    const answer = new URL(await answerOf(browser, ask(world).url))
    const changed = new URL(answer)
    changed.searchParams.set('state', 'x')
    expect((await browser.open(changed)).status).toBe(400)
    expect((await browser.open(`${world.url}/callback`)).status).toBe(400)
    world.knobs.aheadMs = 11 * 60_000
    expect((await browser.open(answer)).status).toBe(400)
  })

  test('with a code that is not the issuer’s is refused, and the refusal is in the audit log', async () => {
    const browser = new Browser()
    const answer = new URL(await answerOf(browser, ask(world).url))
    answer.searchParams.set('code', 'forged')
    const page = await browser.open(answer)
    expect([page.status, browser.cookie('sallyport')]).toEqual([403, undefined])
    expect(world.audit).toEqual([
      { kind: 'refusal', method: 'browser', code: 'TOKEN_REFUSED', sourceAddress: '127.0.0.1' },
    ])
  })

  test('makes a new cookie each time: one that was planted before is worth nothing afterwards (session fixation)', async () => {
    const browser = new Browser()
    browser.setCookie('sallyport', 'planted', '127.0.0.1')
    await browser.signInAndGetCode(ask(world).url, people.ada)
    const first = browser.cookie('sallyport')
    expect(first).not.toBe('planted')
    const thief = new Browser()
    thief.setCookie('sallyport', 'planted', '127.0.0.1')
    expect((await thief.open(`${world.url}/sessions`)).status).toBe(401)

    await browser.signInAt(await browser.open(`${world.url}/sign-in`), people.ada)
    expect(browser.cookie('sallyport')).not.toBe(first)
    thief.setCookie('sallyport', first ?? '', '127.0.0.1')
    expect((await thief.open(`${world.url}/sessions`)).status).toBe(401)
  })

  test('never leads to an address that somebody else wrote (open redirect)', async () => {
    for (const target of [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      '../../x',
      'a%0d%0aLocation:x',
    ]) {
      const browser = new Browser()
      const query = new URLSearchParams({ session: target, app: target, return: target, next: target })
      const page = await browser.signInAt(
        await browser.open(`${world.url}/sign-in/start?${query.toString()}`),
        people.ben,
      )
      expect(page.url.href).toBe(`${world.url}/sessions`)
    }
  })

  test.each([
    ['//evil.example/app/x'],
    ['/app//../../sessions/../sign-out'],
    ['/app/../keys'],
    ['/app/%2e%2e/keys'],
    ['/app/\\evil.example'],
    ['/app/x\r\nSet-Cookie: a=b'],
    [`/app/${'x'.repeat(2000)}`],
    ['https://evil.example/app/'],
    ['/application'],
  ])("an address of the auditors' pages that is none is forgotten (%j)", wanted => {
    expect(appPath(wanted)).toBeUndefined()
  })

  test('a link on another site starts nothing, it shows the page with the button', async () => {
    const browser = new Browser({ headers: { 'Sec-Fetch-Site': 'cross-site' } })
    const { url } = ask(world)
    expect((await browser.open(`${url}/start`)).heading).toBe('A terminal is waiting for you to sign in')
    expect((await browser.open(`${world.url}/sign-in/start`)).heading).toBe('Sign in to see sessions')
  })
})

test('a link to a moment of a recording is where one is after signing in', async () => {
  const wanted = '/app/sessions/s-1?t=00%3A41%3A12&skip=off'
  const browser = new Browser()
  const start = await browser.open(`${world.url}/sign-in/start?app=${encodeURIComponent(wanted)}`)
  const page = await browser.signInAt(start, people.ben)
  expect(page.url.pathname + page.url.search).toBe(wanted)
})

test('T25, T40: a code opens the connection whose link was confirmed and no other', async () => {
  const [mine, other] = [ask(world), ask(world, { userName: 'root@web2', target: 'web2' })]
  const code = await new Browser().signInAndGetCode(mine.url, people.ada)
  expect(other.submit(code)).toMatchObject({ kind: 'wrong' })
  expect(mine.submit(code)).toMatchObject({ kind: 'proven' })
  expect(mine.submit(code)).toMatchObject({ kind: 'over' })
})

test('a person who signs in and confirms gets a code that opens the connection that asked', async () => {
  const waiting = ask(world)
  const code = await new Browser().signInAndGetCode(waiting.url, people.ada)
  const proven = waiting.submit(code)
  const expected = {
    name: 'ada@example.com',
    email: 'ada@example.com',
    emailVerified: true,
    groups: ['admins'],
  }
  expect(proven.kind === 'proven' && proven.principal.fields).toMatchObject(expected)
  expect(world.audit).toEqual([
    expect.objectContaining({ kind: 'sign-in', method: 'browser', name: 'ada@example.com' }),
    expect.objectContaining({
      kind: 'code-shown',
      method: 'browser-code',
      userName: 'root@web1',
      browser: '127.0.0.1',
    }),
  ])
})

test('the second connection of the day needs no password, only the question', async () => {
  const browser = new Browser()
  await browser.signInAndGetCode(ask(world).url, people.ada)
  const page = await browser.open(ask(world).url)
  expect(page.heading).toBe('Did you start this connection?')
  expect((await browser.press(page, confirmButton)).code).toBeDefined()
})

test('two tabs can be at the issuer at once', async () => {
  const [one, two] = [ask(world), ask(world)]
  const browser = new Browser()
  const first = await browser.follow(await browser.open(one.url), 'Sign in')
  const second = await browser.follow(await browser.open(two.url), 'Sign in')
  for (const tab of [first, second]) {
    const page = await browser.signInAt(tab, people.ada)
    expect((await browser.press(page, confirmButton)).code).toBeDefined()
  }
})

test('the page says what asks, and whether it comes from where the browser is', async () => {
  const near = await atQuestion(ask(world, { keyFingerprint: 'SHA256:abcdef' }).url)
  for (const text of [
    'SSH',
    'web1',
    'root',
    '127.0.0.1',
    'the same address',
    'SHA256:abcdef',
    'Only continue if you started this yourself',
  ])
    expect(near.page.text).toContain(text)
  const far = await atQuestion(ask(world, { sourceAddress: '203.0.113.9' }).url)
  expect(far.page.text).toContain('another address')
  expect(far.page.text).toContain('The terminal is not where this browser is')
})

test('what a stranger typed as user name is shown as text, with what hides in it', async () => {
  const evil = '<script>alert(1)</script>"\'&\u001b[2J\u202e\u200b\n'
  const { page } = await atQuestion(
    ask(world, { userName: evil, target: evil, login: `${evil}${'x'.repeat(5000)}` }).url,
  )
  expect(page.html).not.toContain('<script')
  expect(page.html).toContain('&lt;script&gt;')
  expect(page.html).toContain('<mark>\\u{1b}</mark>')
  expect(page.html).toContain('<mark>\\u{202e}\\u{200b}\\u{a}</mark>')
  expect(page.html).not.toMatch(/[\u001b\u202e\u200b]/)
  expect(page.html.length).toBeLessThan(10_000)
})

test('signing out needs the form, and ends the sign-in for every copy of the cookie', async () => {
  const { browser, page } = await atQuestion(ask(world).url)
  const copy = new Browser()
  copy.setCookie('sallyport', browser.cookie('sallyport') ?? '', '127.0.0.1')
  expect((await browser.post(`${world.url}/sign-out`, { token: 'x' }, page)).status).toBe(403)
  expect((await browser.press(page, 'Sign out')).heading).toBe('Sign in to see sessions')
  expect([browser.cookie('sallyport'), (await copy.open(`${world.url}/sessions`)).status]).toEqual([
    undefined,
    401,
  ])
})

test("one person's form token is worth nothing in another's browser (CSRF)", async () => {
  const victim = await atQuestion(ask(world).url)
  const attacker = await atQuestion(ask(world).url, people.eve)
  const token = attacker.page.forms[0]?.fields[0]?.value ?? ''
  expect((await victim.browser.post(`${world.url}/sign-out`, { token }, victim.page)).status).toBe(403)
  expect((await victim.browser.open(`${world.url}/sessions`)).status).toBe(200)
})

test('the store knows the cookie only as a hash', async () => {
  const { browser } = await atQuestion(ask(world).url)
  const value = browser.cookie('sallyport') ?? ''
  expect(Buffer.from(value, 'base64url').length).toBe(32)
  expect(JSON.stringify([...world.signIns])).not.toContain(value)
})
