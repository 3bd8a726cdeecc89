import { expect, test } from 'vitest'
import { reviewablePage } from '../../src/api/v1/visible-sessions.ts'
import type { Policy } from '../../src/policy/rules.ts'
import { mayReview } from '../../src/policy/review.ts'
import { openSessionCatalogue } from '../../src/store/session-catalogue.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { scratchFolder } from '../support/openssh.ts'
import { openWorld, sessionRow } from './world.ts'

const policy: Policy = {
  targets: [
    {
      name: 'web1',
      protocol: 'ssh',
      host: '10.0.0.1',
      port: 22,
      labels: { env: 'prod' },
      hostKeys: 'first-use',
      hostAuthorities: [],
    },
    {
      name: 'lab1',
      protocol: 'ssh',
      host: '10.0.0.2',
      port: 22,
      labels: { env: 'lab' },
      hostKeys: 'first-use',
      hostAuthorities: [],
    },
  ],
  roles: [
    {
      name: 'auditor',
      members: { groups: ['audit'], emails: [] },
      allow: [],
      review: [{ targets: { labels: { env: 'prod' } }, line: 1 }],
    },
  ],
}

test('with the real store and the real policy: pages of what a role reviews, and a sign-in that the store keeps as a hash', async () => {
  const folder = scratchFolder()
  const store = await openStore(folder.path)
  const catalogue = openSessionCatalogue(folder.path)
  const world = await openWorld({
    store,
    reviewable: (principal, wish) => reviewablePage({ catalogue, policy: () => policy }, principal, wish),
    mayReview: (principal, session) => mayReview(policy, principal, session).allowed,
  })
  try {
    for (let i = 0; i < 130; i += 1)
      await store.sessions.insert(
        sessionRow({
          id: `s-${i}`,
          target: i % 2 === 0 ? 'web1' : 'lab1',
          openedAtMs: 1_000_000 + Math.floor(i / 9),
        }),
      )
    const browser = new Browser()
    let page = await browser.signInAt(await browser.open(`${world.url}/sign-in`), people.ben)
    const seen: string[] = []
    for (;;) {
      seen.push(...page.links.map(link => link.href).filter(href => href.startsWith('/sessions/')))
      if (!page.links.some(link => link.text === 'Older sessions')) break
      page = await browser.follow(page, 'Older sessions')
    }
    expect(new Set(seen).size).toBe(65)
    expect(seen).toHaveLength(65)
    expect((await browser.open(`${world.url}/sessions/s-0`)).status).toBe(200)
    expect((await browser.open(`${world.url}/sessions/s-1`)).status).toBe(404)

    const eve = new Browser()
    await eve.signInAt(await eve.open(`${world.url}/sign-in`), people.eve)
    expect((await eve.open(`${world.url}/sessions/s-0`)).status).toBe(404)

    await browser.press(page, 'Sign out')
    expect((await browser.open(`${world.url}/sessions`)).status).toBe(401)
    await store.close()
    expect((await eve.open(`${world.url}/sessions`)).status).toBe(503)
  } finally {
    await world.close()
    await catalogue.close()
    await store.close()
    folder.remove()
  }
})
