/** The pages of auditors besides the terminal's: SQL, search, findings, integrity, policy and connect, with sessions that real clients made. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { people } from '../support/issuer.ts'
import { startChromium, Visitor, whatPagesNeed } from '../support/pages.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

const missing = whatPagesNeed()

let company: PostgresWorld
let chrome: Browser
let visitor: Visitor
const sessions = { sql: '', ssh: '' }

/** What somebody does in a database: reads, a transaction that is rolled back, an error, something that looks like markup. */
const script = `
select name from customers where id < 4 order by id;
begin;
update customers set name = 'changed <script>alert(1)</script>' where id = 1;
select count(*) from orders;
rollback;
select * from no_such_table;
select name from customers where id < 9 order by id;
copy customers to stdout;
select 'left\u202eright';
`

async function makeSessions(): Promise<void> {
  const { world } = company
  const sql = await company.psql(undefined, { login: 'app_owner', input: script })
  expect(sql.stdout).toContain('Customer 1')
  sessions.sql = (await world.lastEnded()).id
  const ssh = await world.ssh(`${world.login}@web1`, { command: ['echo useradd needle-$((40+2))'] })
  expect(ssh.stdout.toString()).toContain('needle-42')
  sessions.ssh = (await world.lastEnded()).id
}

async function visit(path: string, look: Parameters<typeof Visitor.open>[2] = {}): Promise<Page> {
  visitor = await Visitor.open(chrome, company.world, look)
  return visitor.signIn(people.ben, `/app${path}`)
}

const row = (page: Page, text: string | RegExp) => page.getByRole('row').filter({ hasText: text })

describe.skipIf(missing !== undefined)(missing ?? 'the pages of auditors', () => {
  beforeAll(async () => {
    ;[company, chrome] = await Promise.all([PostgresWorld.start({ sshd: true }), startChromium()])
    await makeSessions()
  })
  afterAll(async () => {
    await chrome?.close()
    await company?.stop()
  })
  afterEach(async () => {
    const { complaints } = visitor
    await visitor.close()
    expect(complaints).toEqual([])
  })

  describe('a session of PostgreSQL', () => {
    test('shows each statement with what became of it, and nothing of it as markup', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      const failed = row(page, 'no_such_table')
      await failed.waitFor()
      expect(await failed.textContent()).toContain('42P01')
      expect(await row(page, 'update customers').textContent()).toContain('<script>alert(1)</script>')
      expect(await row(page, 'left').textContent()).toContain('left\\u{202e}right')
      expect(await page.locator('main script').count()).toBe(0)
      expect(await row(page, 'select count(*)').textContent()).toMatch(/tx 1/)
      await visitor.picture('sql')
    })

    test('is walked through with keys, and its address leads back to the same statement', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      await row(page, 'no_such_table').waitFor()
      const text = page.getByLabel('The statement', { exact: true })
      for (let presses = 0; presses < 5; presses++) await page.keyboard.press('j')
      await expect.poll(() => text.textContent()).toContain('no_such_table')
      await page.keyboard.press('k')
      await expect.poll(() => text.textContent()).toContain('rollback')
      await page.keyboard.press('[')
      await expect.poll(() => text.textContent()).toContain('from customers\nwhere id < 4')
      const address = page.url()
      await page.goto(address)
      await expect.poll(() => text.textContent()).toContain('from customers\nwhere id < 4')
    })

    test('the slider says where it is, and moves to each statement', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      const slider = page.getByRole('slider', { name: 'Statement' })
      await slider.focus()
      await page.keyboard.press('End')
      await expect.poll(() => slider.getAttribute('aria-valuetext')).toMatch(/^9 of 9, .*second/)
      await page.keyboard.press('ArrowLeft')
      await expect
        .poll(() => page.getByLabel('The statement', { exact: true }).textContent())
        .toContain('copy')
    })

    test('statements of one shape stand together', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      await page.getByRole('switch', { name: 'Group by shape' }).check()
      const group = row(page, 'select name from customers')
      await expect.poll(() => group.count()).toBe(1)
      expect(await group.getByRole('cell').nth(1).textContent()).toBe('2')
      await visitor.picture('sql-groups')
      await group.getByRole('button').click()
      await expect.poll(() => page.getByText('2 of 9').isVisible()).toBe(true)
    })

    test('filters stand in the address, and say how many are left', async () => {
      const page = await visit(`/sessions/${sessions.sql}?class=error`)
      await page.getByText('1 of 9').waitFor()
      expect(await row(page, 'no_such_table').count()).toBe(1)
      await page.getByRole('button', { name: /^Not done/ }).click()
      await page.getByLabel('Words in statements').fill('orders')
      await page.keyboard.press('Enter')
      await page.getByText('1 of 9').waitFor()
      expect(new URL(page.url()).searchParams.get('text')).toBe('orders')
    })

    test('is commented at a statement, for the next reader', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      await row(page, 'no_such_table').click()
      await page.getByRole('tab', { name: 'Comments' }).click()
      await page.getByLabel('Comment', { exact: true }).fill('A table that <b>never</b> was.')
      await page.getByRole('button', { name: 'Comment', exact: true }).click()
      await page.getByText('A table that <b>never</b> was.').waitFor()
      await row(page, 'where id < 4').click()
      await page
        .getByRole('button', { name: /^at 00:00:0/ })
        .first()
        .click()
      await page.getByRole('tab', { name: 'Statement' }).click()
      await expect
        .poll(() => page.getByLabel('The statement', { exact: true }).textContent())
        .toContain('no_such')
    })
  })

  describe('integrity', () => {
    test('without a pinned key nothing is said to be proven of who signed', async () => {
      const page = await visit(`/integrity?session=${sessions.sql}`)
      await page.getByRole('button', { name: 'Verify' }).click()
      const checks = page.getByRole('list', { name: 'What was checked of the recording' })
      await checks.waitFor()
      expect(await checks.getByRole('listitem').filter({ hasText: 'Chain.' }).textContent()).toContain(
        'Verified',
      )
      expect(await checks.getByRole('listitem').filter({ hasText: 'Signatures.' }).textContent()).toContain(
        'Not checked',
      )
    })

    test('with the fingerprint of the log’s key the recording and the log are proven, and the address keeps it', async () => {
      const page = await visit(`/integrity?session=${sessions.sql}`)
      await page.getByLabel('Fingerprint (SHA256:…) or public key').fill('SHA256:of-nobody')
      await page.getByRole('button', { name: 'Pin', exact: true }).click()
      await page.getByText('is no fingerprint').waitFor()
      const { keyId } = company.world.authorities['log-checkpoints']
      await page.getByLabel('Fingerprint (SHA256:…) or public key').fill(keyId)
      await page.getByRole('button', { name: 'Pin', exact: true }).click()
      await page.getByText('log-checkpoints, current').waitFor()
      expect(decodeURIComponent(new URL(page.url()).hash)).toBe(`#pin=${keyId}`)
      await expect.poll(() => row(page, `Signed by ${keyId}`).count()).toBeGreaterThan(0)
      await page.getByRole('button', { name: 'Verify' }).click()
      const checks = page.getByRole('list', { name: 'What was checked of the recording' })
      await checks.waitFor()
      const states = await checks.getByRole('listitem').allTextContents()
      expect(states.filter(text => text.includes('Not checked'))).toEqual([
        expect.stringContaining('Content.'),
      ])
      expect(states.filter(text => text.includes('Failed'))).toEqual([])
      expect(states.join('\n')).toContain('Seal in the log of sessions')
      await visitor.picture('integrity')
      await page.getByRole('button', { name: 'Check that it only grew' }).click()
      const growth = page.getByRole('list', { name: 'Growth of the log' })
      await growth.waitFor()
      const grew = await growth.getByRole('listitem').allTextContents()
      expect(grew.length).toBeGreaterThan(0)
      expect(grew.every(text => text.includes('Verified'))).toBe(true)
      await page.reload()
      await page.getByText('log-checkpoints, current').waitFor()
    })

    test('a byte that was changed on the disk is found', async () => {
      const { recording } = (await company.world.sessions()).find(({ id }) => id === sessions.ssh) ?? {}
      const file = join(company.world.recordings, recording ?? '')
      const whole = readFileSync(file)
      try {
        const changed = Buffer.from(whole)
        changed.writeUInt8((changed.at(-1500) ?? 0) ^ 1, changed.length - 1500)
        writeFileSync(file, changed)
        const page = await visit(`/integrity?session=${sessions.ssh}`)
        await page.getByRole('button', { name: 'Verify' }).click()
        await page.getByText('Do not rely on this recording').waitFor()
      } finally {
        writeFileSync(file, whole)
      }
    })
  })

  test('policy says why somebody would be refused', async () => {
    const page = await visit('/policy')
    await page.getByLabel('Person (e-mail)').fill('eve@example.com')
    await page.getByRole('combobox', { name: 'Target' }).fill('orders')
    await page.getByLabel('Login').fill('app_readonly')
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.getByText('Refused', { exact: true }).waitFor()
    await page.getByLabel('Groups, with commas').fill('admins')
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.getByText('Allowed', { exact: true }).waitFor()
    expect(await page.getByLabel('The policy').textContent()).not.toContain('clientSecret')
    await visitor.picture('policy')
  })

  test('a password from the connect page opens psql once, and is shown once', async () => {
    visitor = await Visitor.open(chrome, company.world)
    const page = await visitor.signIn(people.ada, '/app/connect')
    await visitor.picture('connect')
    await page.getByRole('button', { name: 'Password for app_readonly…' }).click()
    await page.getByRole('button', { name: 'Make it' }).click()
    const password = await page.getByLabel('Password', { exact: true }).textContent()
    const env = { ...(await company.environment()), PGPASSWORD: password ?? '' }
    const first = await company.run('psql', ['-X', '-A', '-t', '-c', 'select 40 + 2'], { env })
    expect(first.stdout).toBe('42\n')
    const second = await company.run('psql', ['-X', '-A', '-t', '-c', 'select 40 + 2'], { env })
    expect(second.code).not.toBe(0)
    await page.getByRole('button', { name: 'Done' }).click()
    expect(await page.content()).not.toContain(password)
  })

  test('whoever looked at one’s sessions is told on one’s own page', async () => {
    visitor = await Visitor.open(chrome, company.world)
    const page = await visitor.signIn(people.ada, '/app/me')
    await row(page, 'app_owner@orders').first().waitFor()
    await page.getByRole('table', { name: 'What is stored, for how long, and who sees it' }).waitFor()
    await visitor.picture('me')
  })

  describe.each(['light', 'dark'] as const)('%s', colorScheme => {
    test.each([
      ['a session of PostgreSQL', () => `/sessions/${sessions.sql}`],
      ['its groups', () => `/sessions/${sessions.sql}?group=1&tab=details`],
      ['search', () => '/search'],
      ['findings', () => '/findings'],
      ['integrity', () => '/integrity'],
      ['policy', () => '/policy'],
      ['connect', () => '/connect'],
      ['one’s own page', () => '/me'],
      ['what comes later', () => '/requests'],
    ])('axe finds nothing on %s', async (_, path) => {
      const page = await visit(path(), { colorScheme })
      await page.waitForLoadState('networkidle')
      expect(await visitor.axe()).toEqual([])
    })
  })

  test('every page fits a window of 320 pixels, and has one first heading', async () => {
    const page = await visit('/search', { width: 320 })
    for (const path of [
      `/sessions/${sessions.sql}`,
      '/findings',
      '/integrity',
      '/policy',
      '/connect',
      '/me',
      '/search',
    ]) {
      await visitor.goto(`/app${path}`)
      await page.waitForLoadState('networkidle')
      expect(await visitor.isTooWide(), path).toBe(false)
      expect(await page.locator('h1').count(), path).toBe(1)
    }
  })
})
