import { request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { hour, openWorld, purgedView, sessionRow, unlimitedView, type World } from './world.ts'

let world: World
const browsers = {
  nobody: new Browser(),
  'without a role': new Browser(),
  reviewer: new Browser(),
  owner: new Browser(),
}
type Who = keyof typeof browsers

beforeAll(async () => {
  world = await openWorld()
  await signIn('without a role', people.eve)
  await signIn('reviewer', people.ben)
  // The owner may review too: their own session is what they may not see.
  await signIn('owner', people.cleo)
  const owner = [...world.signIns.values()].find(row => row.principal.email === people.cleo.email)
  world.sessions.push(
    sessionRow({
      id: 'theirs',
      issuer: owner?.principal.issuer ?? '',
      subject: owner?.principal.subject ?? '',
    }),
    sessionRow({ id: 'still-open', state: 'open', endedAtMs: undefined, endReason: undefined }),
  )
})
afterAll(() => world.close())
beforeEach(() => {
  Object.assign(world.knobs, { auditFails: false, transcripts: 0, transcript: 'hello', kept: unlimitedView })
  world.audit.length = 0
})

async function signIn(who: Who, person: { name: string; password: string }): Promise<void> {
  const browser = browsers[who]
  await browser.signInAt(await browser.open(`${world.url}/sign-in`), person)
}

const everybody: readonly Who[] = ['nobody', 'without a role', 'reviewer', 'owner']
const signedIn: readonly Who[] = ['without a role', 'reviewer', 'owner']

/** T52: every route × everybody. The heading says what they got. */
const matrix: readonly [string, Record<Who, number>][] = [
  ['GET /healthz', { nobody: 200, 'without a role': 200, reviewer: 200, owner: 200 }],
  ['GET /style.css', { nobody: 200, 'without a role': 200, reviewer: 200, owner: 200 }],
  ['GET /favicon.ico', { nobody: 204, 'without a role': 204, reviewer: 204, owner: 204 }],
  ['GET /', { nobody: 401, 'without a role': 200, reviewer: 200, owner: 200 }],
  ['GET /sign-in', { nobody: 200, 'without a role': 200, reviewer: 200, owner: 200 }],
  ['GET /sign-in/nothing', { nobody: 404, 'without a role': 404, reviewer: 404, owner: 404 }],
  ['GET /sign-in/nothing/start', { nobody: 404, 'without a role': 404, reviewer: 404, owner: 404 }],
  ['GET /sign-in/nothing/confirm', { nobody: 404, 'without a role': 404, reviewer: 404, owner: 404 }],
  ['POST /sign-in/nothing/confirm', { nobody: 404, 'without a role': 403, reviewer: 403, owner: 403 }],
  ['GET /callback', { nobody: 400, 'without a role': 400, reviewer: 400, owner: 400 }],
  ['GET /callback?state=x&code=y', { nobody: 400, 'without a role': 400, reviewer: 400, owner: 400 }],
  ['GET /sessions', { nobody: 401, 'without a role': 200, reviewer: 200, owner: 200 }],
  ['GET /sessions/theirs', { nobody: 401, 'without a role': 404, reviewer: 200, owner: 404 }],
  ['GET /sessions/still-open', { nobody: 401, 'without a role': 404, reviewer: 200, owner: 200 }],
  ['GET /sessions/unknown', { nobody: 401, 'without a role': 404, reviewer: 404, owner: 404 }],
  ['GET /sessions/..%2ftheirs', { nobody: 401, 'without a role': 404, reviewer: 404, owner: 404 }],
  ['POST /sign-out', { nobody: 200, 'without a role': 403, reviewer: 403, owner: 403 }],
  ['GET /nothing', { nobody: 404, 'without a role': 404, reviewer: 404, owner: 404 }],
  ['POST /sessions', { nobody: 404, 'without a role': 404, reviewer: 404, owner: 404 }],
]

describe.each(matrix)('%s', (route, statuses) => {
  test.each(everybody)('for %s', async who => {
    const [method, path] = route.split(' ')
    const url = `${world.url}${path}`
    const page = method === 'POST' ? await browsers[who].post(url, {}) : await browsers[who].open(url)
    expect(page.status).toBe(statuses[who])
  })
})

test('unknown sessions, forbidden ones and one’s own answer with the same bytes', async () => {
  const own = await browsers.owner.open(`${world.url}/sessions/theirs`)
  const unknown = await browsers.owner.open(`${world.url}/sessions/unknown`)
  expect(own.html).toBe(unknown.html)
  expect([...own.headers.keys()]).toEqual([...unknown.headers.keys()])
  const forbidden = await browsers['without a role'].open(`${world.url}/sessions/theirs`)
  expect(forbidden.html).toBe((await browsers['without a role'].open(`${world.url}/sessions/unknown`)).html)
  expect([world.audit, world.knobs.transcripts]).toEqual([[], 0])
})

test('the list has what may be reviewed and nothing else', async () => {
  const ids = async (who: Who) => {
    const page = await browsers[who].open(`${world.url}/sessions`)
    return page.links.map(link => link.href).filter(href => href.startsWith('/sessions/'))
  }
  expect(await ids('reviewer')).toEqual(['/sessions/theirs', '/sessions/still-open'])
  expect(await ids('owner')).toEqual(['/sessions/still-open'])
  expect(await ids('without a role')).toEqual([])
})

test('every answer, errors too, forbids framing, scripts, sniffing, referrers and caches', async () => {
  for (const path of [
    '/',
    '/sessions',
    '/sessions/theirs',
    '/nothing',
    '/callback',
    '/style.css',
    '/healthz',
    '/sign-in/x',
  ]) {
    const { headers } = await browsers.reviewer.open(`${world.url}${path}`)
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
    expect([headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual([
      'no-store',
      'nosniff',
    ])
    expect([headers.get('referrer-policy'), headers.get('cross-origin-opener-policy')]).toEqual([
      'no-referrer',
      'same-origin',
    ])
    expect([headers.get('cross-origin-resource-policy'), headers.get('strict-transport-security')]).toEqual([
      'same-origin',
      null,
    ])
  }
})

test('no page has a script, an inline style or anything from elsewhere', async () => {
  for (const who of everybody)
    for (const path of ['/sessions', '/sessions/theirs', '/sign-in', '/nothing']) {
      const { html } = await browsers[who].open(`${world.url}${path}`)
      expect(html).not.toMatch(/<script|\sstyle=|\son[a-z]+=|<img|<iframe|javascript:/i)
      for (const [, address] of html.matchAll(/(?:href|src|action)="([^"]*)"/g))
        expect(address).toMatch(/^(?:\/[^/]|\/$|#)/)
    }
})

describe('a transcript', () => {
  test('is not shown, not even made, when the audit log cannot say who reads it', async () => {
    world.knobs.auditFails = true
    const page = await browsers.reviewer.open(`${world.url}/sessions/theirs`)
    expect([page.status, page.text.includes('hello'), world.knobs.transcripts]).toEqual([503, false, 0])
  })

  test('invariant 9: each reading of it is in the audit log, with who, what and from where', async () => {
    await browsers.reviewer.open(`${world.url}/sessions/theirs`)
    const read = {
      kind: 'recording-read',
      session: 'theirs',
      name: people.ben.email,
      sourceAddress: '127.0.0.1',
    }
    expect(world.audit).toEqual([expect.objectContaining(read)])
  })

  test('of an open session is not shown yet', async () => {
    const page = await browsers.reviewer.open(`${world.url}/sessions/still-open`)
    expect([page.text.includes('still open'), world.knobs.transcripts, world.audit]).toEqual([true, 0, []])
  })

  test('that is hostile is text: markup is escaped, what hides is marked', async () => {
    world.knobs.transcript =
      '</pre><script>alert(1)</script>\n\u001b]8;;javascript:x\u0007\u202etxt.exe\u200b\u{e0041}\r\nlast line\t.'
    const { html } = await browsers.reviewer.open(`${world.url}/sessions/theirs`)
    expect(html).not.toMatch(/<script|[\u001b\u0007\u202e\u200b\r]/)
    expect(html).toContain(
      '&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n<mark>\\u{1b}</mark>]8;;javascript:x<mark>\\u{7}\\u{202e}</mark>txt.exe',
    )
    expect(html).toContain('<mark>\\u{200b}\\u{e0041}\\u{d}</mark>\nlast line\t.')
  })

  test('that is long is cut, and the page says so', async () => {
    world.knobs.transcript = 'x'.repeat(3_000_000)
    const { html, text } = await browsers.reviewer.open(`${world.url}/sessions/theirs`)
    expect(html.length).toBeLessThan(1_100_000)
    expect(text).toContain('Only the beginning is shown')
  })
})

test('only so many transcripts are made at once, and room comes back', async () => {
  const gate = Promise.withResolvers<void>()
  world.knobs.beforeTranscript = gate.promise
  const url = `${world.url}/sessions/theirs`
  const waiting = Array.from({ length: 4 }, () => browsers.reviewer.open(url))
  await vi.waitUntil(() => world.knobs.transcripts === 4)
  expect((await browsers.reviewer.open(url)).status).toBe(503)
  gate.resolve()
  expect((await Promise.all(waiting)).map(page => page.status)).toEqual([200, 200, 200, 200])
  expect((await browsers.reviewer.open(url)).status).toBe(200)
})

test('names from the issuer and the target are text in lists and details', async () => {
  world.sessions.push(
    sessionRow({
      id: 'hostile',
      target: '<b>x',
      login: '\u202e',
      principalName: '"><img src=x>',
      endReason: '<i>',
      role: '&amp;',
    }),
  )
  for (const path of ['/sessions', '/sessions/hostile']) {
    const { html } = await browsers.reviewer.open(`${world.url}${path}`)
    expect(html).not.toMatch(/<img|<b>|<i>|\u202e/)
  }
  world.sessions.pop()
})

test('pages follow one another without a gap, also where many opened in one millisecond and most are not for the reader', async () => {
  const before = world.sessions.length
  const mine = { issuer: 'x', subject: 'nobody' }
  for (let i = 0; i < 160; i += 1)
    world.sessions.push(
      sessionRow({
        ...mine,
        id: `row-${String(i).padStart(3, '0')}`,
        openedAtMs: Date.UTC(2026, 3, 1) + Math.floor(i / 7),
      }),
    )
  const seen: string[] = []
  let page = await browsers.reviewer.open(`${world.url}/sessions`)
  for (;;) {
    seen.push(...page.links.map(link => link.href).filter(href => href.startsWith('/sessions/')))
    if (!page.links.some(link => link.text === 'Older sessions')) break
    page = await browsers.reviewer.follow(page, 'Older sessions')
  }
  world.sessions.length = before
  expect(seen.length).toBe(162)
  expect(new Set(seen).size).toBe(162)
  expect((await browsers.reviewer.open(`${world.url}/sessions?before=%27%3B--`)).status).toBe(200)
})

test('a link to a session leads there after the sign-in', async () => {
  const browser = new Browser()
  const page = await browser.signInAt(await browser.open(`${world.url}/sessions/theirs`), people.ben)
  expect(page.url.pathname).toBe('/sessions/theirs')
})

test('a sign-in ends when its time is over', async () => {
  world.knobs.aheadMs = 9 * hour
  for (const who of signedIn) expect((await browsers[who].open(`${world.url}/sessions`)).status).toBe(401)
  world.knobs.aheadMs = 0
})

test('another host name gets no page (DNS rebinding)', async () => {
  const answer = Promise.withResolvers<number | undefined>()
  const { port } = new URL(world.url)
  request({ host: '127.0.0.1', port, path: '/sessions', headers: { host: 'evil.example' } }, response => {
    response.resume()
    answer.resolve(response.statusCode)
  }).end()
  expect(await answer.promise).toBe(421)
})

test('programs get a problem document, people a page that says what to do', async () => {
  const program = await fetch(`${world.url}/nothing`, { headers: { Accept: 'application/json' } })
  expect(program.headers.get('content-type')).toBe('application/problem+json')
  expect(await program.json()).toEqual({
    type: 'about:blank',
    title: 'Not found',
    status: 404,
    detail: expect.any(String),
  })
})

test('forms and headers have limits', async () => {
  const page = await browsers.reviewer.post(`${world.url}/sign-out`, { token: 'x'.repeat(20_000) })
  expect(page.status).toBe(413)
  const long = await fetch(`${world.url}/sessions`, { headers: { 'X-Long': 'x'.repeat(20_000) } })
  expect(long.status).toBe(431)
})

test('the page of a purged session says when and by which rule, and reads nothing', async () => {
  world.knobs.kept = purgedView
  const { text } = await browsers.reviewer.open(`${world.url}/sessions/theirs`)
  expect(text).toContain('Purged by policy on 2027-04-05 00:00:00 UTC by the rule of line 12: all, max 400d')
  expect([world.knobs.transcripts, world.audit]).toEqual([0, []])
  expect((await browsers.reviewer.open(`${world.url}/sessions`)).text).toContain('removed 2027-04-05')
})

test('the pages say until when a recording is kept, by which rule, and that it is on hold, but not why', async () => {
  const atMs = Date.parse('2027-01-02T03:04:05Z')
  world.knobs.kept = { ...unlimitedView, purgeAtMs: atMs, rule: 'line 9: max <400d>' }
  const { text } = await browsers.reviewer.open(`${world.url}/sessions/theirs`)
  expect(text).toContain('2027-01-02 03:04:05 UTC')
  expect(text).toContain('line 9: max <400d>')
  expect((await browsers.reviewer.open(`${world.url}/sessions`)).text).toContain('2027-01-02')
  world.knobs.kept = { ...unlimitedView, hold: { untilMs: undefined } }
  expect((await browsers.reviewer.open(`${world.url}/sessions/theirs`)).text).toContain(
    'until it is released',
  )
  expect((await browsers.reviewer.open(`${world.url}/sessions`)).text).toContain('on hold')
})

test('every page has a way to the sessions', async () => {
  const { links } = await browsers.reviewer.open(`${world.url}/keys`)
  expect(links.filter(link => link.href === '/sessions' && link.text === 'Sessions')).toHaveLength(1)
})
