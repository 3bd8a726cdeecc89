import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import { ed25519Key, proven } from '../identity/keys.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { ask, openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const key = proven(ed25519Key())
const { fingerprint } = key.fields.key
const withKey = { keyFingerprint: fingerprint, keyMayBeEnrolled: true, sourceAddress: '127.0.0.1' }
const yes = 'Yes, show me the code'

async function atQuestion(about: Parameters<typeof ask>[1]) {
  const browser = new Browser()
  const waiting = ask(world, about)
  const page = await browser.signInAt(await browser.open(waiting.url), people.ada)
  return { browser, waiting, page }
}

function ticks(page: { forms: readonly { fields: readonly { name: string; type: string }[] }[] }) {
  return page.forms.flatMap(form => form.fields).filter(field => field.type === 'checkbox')
}

describe('the tick', () => {
  test('is not there for a connection in which no key signed', async () => {
    const { page } = await atQuestion({})
    expect([ticks(page), page.text.includes('This key signs me in')]).toEqual([[], false])
  })

  test('is not there for a key that may not be enrolled, nor where enrolling is off', async () => {
    const { page } = await atQuestion({ ...withKey, keyMayBeEnrolled: false })
    expect(ticks(page)).toEqual([])
    world.rules.enabled = false
    const off = await atQuestion(withKey)
    world.rules.enabled = true
    expect(ticks(off.page)).toEqual([])
  })

  test('says until when and from where, shows the fingerprint, and is not ticked beforehand', async () => {
    const { page } = await atQuestion(withKey)
    expect(page.text).toMatch(/This key signs me in until \d\d:\d\d, from this network \(127\.0\.0\.0\/24\)/)
    expect(page.text).toContain(fingerprint)
    expect(ticks(page)).toHaveLength(1)
    expect(page.html).not.toMatch(/checked/)
  })

  test('left alone enrols nothing', async () => {
    const { browser, waiting, page } = await atQuestion(withKey)
    const token = page.forms.find(form => form.action.endsWith('/confirm'))?.fields[0]?.value ?? ''
    const shown = await browser.post(page.url, { token, decision: 'confirm' }, page)
    expect(waiting.submit(shown.code ?? '')).toMatchObject({ kind: 'proven', enrolKey: false })
  })

  test('ticked, counts together with the code and not before', async () => {
    const { browser, waiting, page } = await atQuestion(withKey)
    const shown = await browser.press(page, yes, { enrol: 'yes' })
    expect(shown.text).toContain('With the code, your key is enrolled.')
    expect(world.audit.some(event => event.kind === 'key-enrolled')).toBe(false)
    expect(waiting.submit('WRNG-WRNG')).not.toHaveProperty('enrolKey')
    expect(waiting.submit(shown.code ?? '')).toMatchObject({ kind: 'proven', enrolKey: true })
  })

  test('sent along for a connection in which no key signed, means nothing', async () => {
    const { browser, waiting, page } = await atQuestion({})
    const token = page.forms.find(form => form.action.endsWith('/confirm'))?.fields[0]?.value ?? ''
    const shown = await browser.post(page.url, { token, decision: 'confirm', enrol: 'yes' }, page)
    expect(shown.text).not.toContain('enrolled')
    expect(waiting.submit(shown.code ?? '')).toMatchObject({ kind: 'proven', enrolKey: false })
  })
})

describe('the page of keys', () => {
  async function adaWithKey() {
    const browser = new Browser()
    const page = await browser.signInAt(await browser.open(`${world.url}/keys`), people.ada)
    await world.keys.enrol(key, adaOf(), '127.0.0.1')
    return { browser, page }
  }

  function adaOf(): Principal {
    const row = [...world.signIns.values()].find(one => one.principal.name === people.ada.email)
    if (row === undefined) throw new Error('ada is not signed in')
    return restorePrincipal(row)
  }

  test('asks to sign in first, and comes back', async () => {
    expect((await new Browser().open(`${world.url}/keys`)).status).toBe(401)
    const { page } = await adaWithKey()
    expect([page.url.pathname, page.heading]).toEqual(['/keys', 'Your enrolled keys'])
  })

  test('shows one’s own keys with network and use, and nobody else’s', async () => {
    const { browser } = await adaWithKey()
    const page = await browser.open(`${world.url}/keys`)
    expect(page.text).toContain(fingerprint)
    expect(page.text).toContain('127.0.0.0/24')
    expect(page.text).toContain('not yet')
    const eve = new Browser()
    const hers = await eve.signInAt(await eve.open(`${world.url}/keys`), people.eve)
    expect(hers.text).toContain('No key signs you in')
    expect(hers.text).not.toContain(fingerprint)
  })

  test('the question page says that there are keys', async () => {
    await adaWithKey()
    const { page } = await atQuestion({})
    expect(page.text).toContain('One key signs you in without a browser now.')
  })

  test('a key cannot be revoked from another site, without the form’s token, or by somebody else', async () => {
    const { browser } = await adaWithKey()
    const page = await browser.open(`${world.url}/keys`)
    const form = page.forms.find(one => one.action.startsWith('/keys/'))
    const address = `${world.url}${form?.action ?? ''}`
    const token = form?.fields[0]?.value ?? ''
    expect((await browser.post(address, { token: 'x' }, page)).status).toBe(403)
    expect((await browser.post(address, { token })).status).toBe(403)
    const eve = new Browser()
    const hers = await eve.signInAt(await eve.open(`${world.url}/keys`), people.eve)
    expect((await eve.post(address, { token }, hers)).status).toBe(403)
    expect(await world.keys.signIn(key, '127.0.0.1')).toMatchObject({ kind: 'signed-in' })
  })

  test('the button revokes, once', async () => {
    const { browser } = await adaWithKey()
    const page = await browser.open(`${world.url}/keys`)
    const after = await browser.press(page, 'Revoke')
    expect(after.text).toContain('No key signs you in')
    expect(await world.keys.signIn(key, '127.0.0.1')).toMatchObject({ kind: 'not-enrolled' })
    expect(world.audit.at(-1)).toMatchObject({ kind: 'key-revoked', fingerprint })
    expect((await browser.press(page, 'Revoke')).status).toBe(404)
  })
})
