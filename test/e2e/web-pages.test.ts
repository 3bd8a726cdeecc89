/** The pages of auditors besides the terminal's: SQL, search, findings, integrity, policy and connect, with sessions that real clients made. */
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Browser, Cookie, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { people } from '../support/issuer.ts'
import { startChromium, Visitor, whatPagesNeed } from '../support/pages.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { finish } from '../support/world.ts'

const missing = whatPagesNeed()

let company: PostgresWorld
let chrome: Browser
let visitor: Visitor
let cookies: Cookie[] = []
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
  const command = ['false && useradd -o -u 0 mallory; cat /etc/shadow >/dev/null; echo needle-$((40+2))']
  const ssh = await world.ssh(`${world.login}@web1`, { command })
  expect(ssh.stdout.toString()).toContain('needle-42')
  sessions.ssh = (await world.lastEnded()).id
}

/** Ben's browser, at a page. He signs in once; later windows have his cookie. */
async function visit(path: string, look: Parameters<typeof Visitor.open>[2] = {}): Promise<Page> {
  visitor = await Visitor.open(chrome, company.world, look)
  if (cookies.length === 0) {
    const page = await visitor.signIn(people.ben, `/app${path}`)
    cookies = await visitor.context.cookies()
    return page
  }
  await visitor.context.addCookies(cookies)
  return visitor.goto(`/app${path}`)
}

/** What the index and the rules make of a session comes some time after it: the page is loaded again until it is there. */
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

/** As somebody runs a line who keeps `authority.pem` in the folder that they are in, and nothing in their home. */
function inShell(line: string, env: NodeJS.ProcessEnv): SpawnSyncReturns<string> {
  const cwd = dirname(company.authorityFile)
  return spawnSync('/bin/sh', ['-c', line], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, ...env },
    encoding: 'utf8',
  })
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

    test('says what was minted for it, for which database and client, and by which policy', async () => {
      const page = await visit('/policy')
      const version =
        (await page
          .getByText(/^[0-9a-f]{12}$/)
          .first()
          .textContent()) ?? 'none'
      await visitor.goto(`/app/sessions/${sessions.sql}?tab=details`)
      const fact = (name: string): Locator => page.locator(`dt:text-is("${name}") + dd`)
      await expect.poll(() => fact('minted role').textContent()).toMatch(/^sp_/)
      expect(await fact('database').textContent()).toBe('app')
      expect(await fact('client program').textContent()).toBe('test')
      expect(await fact('role lifetime').textContent()).toContain('until the session ends')
      expect(await fact('policy version').textContent()).toBe(version)
      expect(await fact('approver').textContent()).toBe('nobody: the rule asks for no approval')
    })

    test('statements that are new for their person say so, in the table and in full', async () => {
      const page = await visit(`/sessions/${sessions.sql}?only=first`)
      const first = row(page, 'where id < 4')
      await untilThere(page, first.getByText('new for this person and target'))
      expect(await row(page, 'where id < 9').count()).toBe(0)
      await first.click()
      await page.getByText(/^This shape: new for this person and target; by fewer than five people/).waitFor()
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

    test('its keys are listed, and what somebody had before them is told to the next reader', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      await row(page, 'no_such_table').waitFor()
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keys of this page' }).waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('j')
      const told = page.waitForRequest(/\/watched$/)
      await page.waitForTimeout(1500) // a statement counts as read after a second
      await page.getByRole('link', { name: /^Live/ }).click()
      await told
      await visitor.goto(`/app/sessions/${sessions.sql}?tab=details`)
      await page.getByText(/looked at the moments of [1-9]\d* of \d+ statements/).waitFor()
      await page.keyboard.press('m')
      await expect.poll(() => focusOn(page)).toContain('Comment')
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

    test('playing moves the highlight to the end', async () => {
      const page = await visit(`/sessions/${sessions.sql}?speed=16`)
      await page.getByRole('button', { name: 'Play', exact: true }).click()
      const slider = page.getByRole('slider', { name: 'Statement' })
      await expect.poll(() => slider.getAttribute('aria-valuetext')).toMatch(/^9 of 9/)
      await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
    })

    test('statements of one shape stand together', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      // By keys: a space ticks what has the focus, and plays elsewhere.
      const together = page.getByRole('switch', { name: 'Group by shape' })
      await together.press(' ')
      expect(await together.isChecked()).toBe(true)
      await page.getByRole('button', { name: 'Play', exact: true }).waitFor()
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
      const words = page.getByLabel('Words in statements')
      await words.pressSequentially('count orders') // and nothing more: neither Enter nor another field
      await page.getByText('1 of 9').waitFor()
      expect(await words.inputValue()).toBe('count orders')
      expect(new URL(page.url()).searchParams.get('text')).toBe('count orders')
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

  test('a session of PostgreSQL that goes on shows what runs, what came of it and its end, by itself', async () => {
    const { world } = company
    const child = company.start('psql', ['-X', '-A', '-t'], await company.environment('app_owner'))
    const left = finish(child)
    try {
      child.stdin?.write("select 'before' || ' anybody';\n")
      let id: string | undefined
      await world.until(async () => {
        id = (await world.sessions()).find(({ state }) => state === 'open')?.id
        return id !== undefined
      })
      const page = await visit(`/sessions/${id}`)
      await row(page, 'anybody').waitFor()
      await page.getByText('Statements appear here as they run').waitFor()
      child.stdin?.write('begin;\nupdate customers set name = name;\n')
      const update = row(page, 'update customers')
      await expect.poll(() => update.locator('.rows-count').textContent()).toMatch(/^[1-9]/) // that it changed
      child.stdin?.write('rollback;\nselect pg_sleep(3600);\n')
      await row(page, 'pg_sleep').getByText('running').waitFor()
      await company.server.query(
        "select pg_cancel_backend(pid) from pg_stat_activity where query like 'select pg_sleep(3600)%'",
      )
      await row(page, 'pg_sleep').getByText('cancelled').waitFor()
      expect(await visitor.axe()).toEqual([])
      child.stdin?.end()
      await page.getByText('The session has ended').waitFor()
      await expect.poll(() => page.getByText('running').count()).toBe(0)
    } finally {
      child.stdin?.end()
      await left
    }
  }, 60_000)

  describe('search', () => {
    test('leads from words to the very statement, with the matches marked', async () => {
      const page = await visit('/search')
      await page.getByLabel('What to look for').fill('no_such_table')
      await page.keyboard.press('Enter')
      const hit = page.getByRole('link').filter({ hasText: 'select * from no_such_table' })
      await untilThere(page, hit)
      await visitor.picture('search')
      expect(new Set(await hit.first().locator('.hit').allTextContents())).toEqual(new Set(['no_such_table']))
      await hit.first().click()
      await expect
        .poll(() => page.getByLabel('The statement', { exact: true }).textContent())
        .toContain('no_such')
    })

    test('a plain word also finds sessions by their people and targets, and what ada did elsewhere than in text', async () => {
      const page = await visit('/search?q=orders')
      const named = page.getByRole('region', { name: 'Sessions by their names' })
      await named.getByRole('link', { name: 'ada@example.com as app_owner on orders' }).first().waitFor()
      await visitor.goto('/app/search?q=ada+needle')
      await untilThere(page, page.locator('.search-hits a').filter({ hasText: 'needle' }))
      await visitor.goto('/app/sessions?named=orders')
      await row(page, 'app_owner').first().waitFor()
      expect(await page.getByRole('row').filter({ hasText: 'web1' }).count()).toBe(0)
    })

    test('filters write themselves into the question', async () => {
      const page = await visit('/search?q=mallory')
      const hit = page.getByRole('link').filter({ hasText: 'useradd -o -u 0 mallory' })
      await untilThere(page, hit)
      await page.getByLabel('Target').fill('orders')
      await page.keyboard.press('Enter')
      await page.getByText('Nothing was found').waitFor()
      expect(new URL(page.url()).searchParams.get('q')).toBe('mallory target:orders')
      await page.getByLabel('Target').fill('web1')
      await page.keyboard.press('Enter')
      await hit.first().waitFor()
      await page.getByRole('button', { name: 'Statements' }).click()
      await page.getByText('Nothing was found').waitFor()
    })

    test('what cannot be looked for is answered with what to do', async () => {
      const page = await visit('/search?q=OR')
      await page.getByText('OR stands between two words or phrases.').waitFor()
      expect(await page.getByText('How to ask').isVisible()).toBe(true)
      visitor.complaints.length = 0 // browsers print that the question was refused
    })
  })

  describe('findings', () => {
    test('are walked through with keys, taken back within ten seconds, and kept when the page is left', async () => {
      const page = await visit('/findings')
      const items = page.locator('.finding-list li')
      await untilThere(page, items)
      await expect.poll(() => items.count()).toBeGreaterThan(1)
      await page.keyboard.press('j')
      const head = page.locator('#finding-head')
      await head.waitFor()
      const [count, sentence] = [await items.count(), await head.textContent()]
      await visitor.picture('findings')
      await page.keyboard.press('e')
      await page.getByText('It is sent after 10 seconds').waitFor()
      await expect.poll(() => items.count()).toBe(count - 1)
      await page.keyboard.press('u')
      await expect.poll(() => items.count()).toBe(count)
      await page
        .locator('.finding-open')
        .filter({ hasText: sentence ?? '' })
        .first()
        .click()
      await page.keyboard.press('e')
      await page.getByText('It is sent after 10 seconds').waitFor()
      await visitor.goto('/app/findings?state=acknowledged')
      await page
        .locator('.finding-open')
        .filter({ hasText: sentence ?? '' })
        .first()
        .waitFor()
    })

    test('say why, and lead to the moment in the session', async () => {
      const page = await visit('/findings')
      const item = page.locator('.finding-open').filter({ hasText: /web1/ })
      await untilThere(page, item)
      await item.first().click()
      await page.getByRole('heading', { name: 'Why' }).waitFor()
      await page.getByRole('heading', { name: 'Evidence' }).waitFor()
      await page
        .getByRole('link', { name: /Show the moment/ })
        .first()
        .click()
      await page.getByRole('heading', { name: /web1/ }).waitFor()
      expect(new URL(page.url()).searchParams.get('entry')).toMatch(/^\d+$/)
    })

    test('are closed with a reason that nobody chose beforehand, and opened again', async () => {
      const page = await visit('/findings')
      await untilThere(page, page.locator('.finding-open'))
      await page.keyboard.press('j')
      await page.getByRole('button', { name: 'Close…' }).click()
      const dialog = page.getByRole('dialog')
      expect(await dialog.getByRole('radio', { checked: true }).count()).toBe(0)
      await dialog.getByLabel('Why').fill('A test of <i>ours</i>.')
      expect(await dialog.getByRole('button', { name: 'Close', exact: true }).last().isDisabled()).toBe(true)
      await dialog.getByRole('radio', { name: /^Benign/ }).check()
      await dialog.getByRole('button', { name: 'Close', exact: true }).last().click()
      await visitor.goto('/app/findings?state=closed')
      await page.locator('.finding-open').first().click()
      await page.getByText('A test of <i>ours</i>.').waitFor()
      await page.getByRole('button', { name: 'Open again…' }).click()
      await page.getByRole('dialog').getByLabel('Why').fill('Once more.')
      await page.getByRole('dialog').getByRole('button', { name: 'Open again' }).click()
      await page.getByText('Once more.').waitFor()
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
    expect(await page.getByLabel('The policy', { exact: true }).textContent()).not.toContain('clientSecret')
    await visitor.picture('policy')
  })

  test('whoever reviews nothing is told so, and what to ask for', async () => {
    visitor = await Visitor.open(chrome, company.world)
    const page = await visitor.signIn(people.eve, '/app/connect')
    await page.getByText('There is nothing that you may open now').waitFor()
    for (const path of ['/findings', '/search?q=mallory', '/integrity', '/policy']) {
      await visitor.goto(`/app${path}`)
      await page.getByRole('heading', { name: 'This is not for you to see' }).first().waitFor()
    }
    expect(visitor.complaints.filter(text => !text.includes('status of 403'))).toEqual([])
    visitor.complaints.length = 0
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

  test('the lines to copy say what to do about a private authority, and the password’s line then works', async () => {
    visitor = await Visitor.open(chrome, company.world)
    const page = await visitor.signIn(people.ada, '/app/connect')
    const place = page.getByRole('region', { name: 'orders' })
    await page.getByText('psql and JDBC tools ask for a password').waitFor()
    await place.getByText('the root certificate does not exist?').click()
    const jdbc = place.getByText(/^jdbc:.*user=app_readonly.*&sslrootcert=authority\.pem$/)
    await jdbc.waitFor()
    expect(await visitor.axe()).toEqual([])
    await place.getByRole('button', { name: 'Password for app_readonly…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Make it' }).click()
    const PGPASSWORD = (await dialog.getByLabel('Password', { exact: true }).textContent()) ?? ''
    const plain = (await dialog.locator('code', { hasText: /^psql/ }).first().textContent()) ?? ''
    expect(inShell(plain, { PGPASSWORD }).stderr).toMatch(/root certificate file .* does not exist/)
    await dialog.getByText('the root certificate does not exist?').click()
    await dialog.getByRole('button', { name: /^Copy: psql, with a private authority/ }).click()
    const copied = await page.evaluate<string>('navigator.clipboard.readText()')
    expect(inShell(`${copied} -X -A -t -c 'select 40 + 2'`, { PGPASSWORD })).toMatchObject({ stdout: '42\n' })
    expect(await visitor.axe()).toEqual([])
  })

  test('whoever looked at one’s sessions is told on one’s own page', async () => {
    visitor = await Visitor.open(chrome, company.world)
    const page = await visitor.signIn(people.ada, '/app/me')
    await row(page, 'app_owner@orders').first().waitFor()
    await page.getByRole('table', { name: 'What is stored, for how long, and who sees it' }).waitFor()
    await visitor.picture('me')
  })

  test.each(['light', 'dark'] as const)('axe finds nothing on any page (%s)', async colorScheme => {
    const page = await visit('/search', { colorScheme })
    const paths = [
      '/search',
      '/search?q=mallory',
      '/findings',
      '/integrity',
      '/policy',
      '/connect',
      '/me',
      '/requests',
      `/sessions/${sessions.sql}`,
      `/sessions/${sessions.sql}?group=1&tab=details`,
    ]
    for (const path of paths) {
      await visitor.goto(`/app${path}`)
      await page.waitForLoadState('networkidle')
      expect(await visitor.axe(), path).toEqual([])
    }
  })

  test('pages of nothing, and what is said before one is signed in, have one first heading too', async () => {
    const page = await visit('/search')
    for (const path of [
      '/compare',
      `/compare?a=${sessions.sql}`,
      '/compare?a=none',
      '/sessions/none',
      '/findings/none',
      '/no/such/page',
    ]) {
      await visitor.goto(`/app${path}`)
      await page.waitForLoadState('networkidle')
      expect(await page.getByRole('heading', { level: 1 }).count(), path).toBe(1)
      expect(await visitor.axe(), path).toEqual([])
    }
    await visitor.context.clearCookies()
    await page.goto(`${company.world.webUrl}/app/sessions`)
    await page.getByRole('heading', { level: 1, name: 'Sign in to go on' }).waitFor()
    expect(await visitor.axe()).toEqual([])
    expect(visitor.complaints.filter(text => !text.includes('status of 404'))).toEqual([])
    visitor.complaints.length = 0
  })

  test('who has chosen local times is asked for local times, and the address keeps UTC', async () => {
    const page = await visit('/sessions?from=2026-11-20T23:00:00Z')
    await page.getByRole('button', { name: /Times are UTC/ }).click()
    await page.getByRole('button', { name: /^Time: / }).click()
    const from = page.getByLabel('From (local time)')
    expect(await from.inputValue()).toBe('2026-11-21 00:00')
    await page.getByLabel('To (local time)').fill('tomorrow')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('in local time').waitFor()
    await page.getByLabel('To (local time)').fill('2026-11-21 14:30')
    await page.getByRole('button', { name: 'Apply' }).click()
    await expect.poll(() => new URL(page.url()).searchParams.get('to')).toBe('2026-11-21T13:30:00Z')
    await visitor.goto('/app/search?q=mallory')
    await page.getByLabel('From (local time)').fill('2026-11-01')
    await expect
      .poll(() => new URL(page.url()).searchParams.get('q'))
      .toBe('mallory after:2026-10-31T23:00:00Z')
    expect(await page.getByLabel('From (local time)').inputValue()).toBe('2026-11-01')
    await page.getByRole('button', { name: /Times are local/ }).click()
    expect(await page.getByLabel('From (UTC)').inputValue()).toBe('2026-10-31 23:00')
    await page.getByLabel('From (UTC)').fill('2h')
    await page.keyboard.press('Enter')
    await expect.poll(() => new URL(page.url()).searchParams.get('q')).toBe('mallory after:2h')
    expect(await page.getByText('local time').count()).toBe(0)
  })

  test('the command line lists the same sessions by target, and how to go on', async () => {
    visitor = await Visitor.open(chrome, company.world)
    const list = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await company.world.sallyport('sessions', 'list', ...args)
      expect(code, stderr).toBe(0)
      return stdout.toString()
    }
    expect(await list('--target', 'orders', '--protocol', 'postgres')).toContain(sessions.sql)
    expect(await list('--person', 'ada*', '--target', 'web1')).not.toContain(sessions.sql)
    const first = await list('--limit', '1')
    const cursor = /^1 of \d+; --cursor (\S+) shows more$/m.exec(first)?.[1] ?? 'none'
    expect(await list('--cursor', cursor, '--limit', '1')).toMatch(/^SESSION[^]+\n\w+/)
  })

  describe('evidence', () => {
    test('the report prints as a tagged PDF, and says who, what and how to prove it', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      const link = page.getByRole('link', { name: 'Print report' })
      await page.goto(new URL((await link.getAttribute('href')) ?? '', page.url()).href)
      const text = (await page.locator('body').textContent()) ?? ''
      for (const part of ['ada@example.com', 'no_such_table', '42P01', sessions.sql, 'ben@example.com'])
        expect(text).toContain(part)
      expect(text).toContain('<script>alert(1)</script>')
      expect(await page.locator('script').count()).toBe(0)
      const pdf = (await page.pdf({ tagged: true, format: 'A4' })).toString('latin1')
      expect(pdf).toContain('/StructTreeRoot')
      expect(pdf).toContain('/MarkInfo')
      await visitor.picture('report')
      // Nothing may run where it is: what axe looks at is a copy.
      const html = await (await page.request.get(page.url())).text()
      await page.goto('about:blank')
      await page.setContent(html)
      expect(await visitor.axe()).toEqual([])
    })

    test('the report has the screen at the moment that the player is at, if one asks for it there', async () => {
      const page = await visit(`/sessions/${sessions.ssh}`)
      await page.getByRole('slider', { name: 'Position in the recording' }).press('End')
      const link = page.getByRole('link', { name: /^Print screen/ })
      await expect.poll(() => link.getAttribute('href')).toMatch(/\/report\?frames=[1-9]\d*$/)
      await page.goto(new URL((await link.getAttribute('href')) ?? '', page.url()).href)
      await page.getByRole('heading', { name: /s into the session$/ }).waitFor()
      expect(await page.locator('pre.screen').textContent()).toContain('needle-42')
      await visitor.picture('report-screen')
      const html = await (await page.request.get(page.url())).text()
      await page.goto('about:blank')
      await page.setContent(html)
      expect(await visitor.axe()).toEqual([])
    })

    test('a bundle is downloaded from the session, and is one', async () => {
      const page = await visit(`/sessions/${sessions.sql}`)
      await page.getByRole('button', { name: 'Download' }).click()
      const download = page.waitForEvent('download')
      await page.getByRole('menuitem', { name: /bundle/ }).click()
      const file = await (await download).path()
      expect(readFileSync(file).toString('latin1')).toContain(`sallyport-${sessions.sql}/MANIFEST.sha256`)
    })
  })

  test.each([
    ['a session of PostgreSQL', () => `/sessions/${sessions.sql}`, 'Expected'],
    ['findings', () => '/findings', 'Select:'],
    ['search', () => '/search?q=mallory', 'mallory'],
    ['integrity', () => `/integrity?session=${sessions.sql}`, 'Copy: the key'],
    ['policy', () => '/policy', 'The policy as it is written'],
  ])('with Tab alone one gets through %s, always seeing where one is', async (_, path, last) => {
    const page = await visit(path())
    await page.waitForLoadState('networkidle')
    const seen: string[] = []
    for (let presses = 0; presses < 90 && !seen.some(one => one.includes(last)); presses++) {
      await page.keyboard.press('Tab')
      seen.push(await focusOn(page))
    }
    expect(seen).not.toContain('hidden')
    expect(seen.join('\n')).toContain(last)
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

describe.skipIf(missing !== undefined)('where recordings are encrypted', () => {
  test('a session of PostgreSQL opens with the auditor’s key, which stays in the browser', async () => {
    const keys = { privateFile: '' }
    const sealed = await PostgresWorld.start({
      configure: config => {
        const folder = dirname(config['gateway'].data as string)
        keys.privateFile = join(folder, 'auditor.jwk')
        execFileSync(process.execPath, ['src/main.ts', 'keys', 'auditor', '--out', keys.privateFile])
        config['recording'] = { encryptTo: `file:${join(folder, 'auditor.pub.jwk')}` }
      },
    })
    const browser = await startChromium()
    try {
      await sealed.psql(undefined, { input: 'select name from customers where id < 4;\n' })
      const { id } = await sealed.world.lastEnded()
      const seen = await Visitor.open(browser, sealed.world)
      const page = await seen.signIn(people.ben, `/app/sessions/${id}`)
      const key = readFileSync(keys.privateFile, 'utf8')
      const sent: string[] = []
      page.on('request', request => sent.push(`${request.url()} ${request.postData() ?? ''}`))
      await page.getByLabel('Key file').setInputFiles(keys.privateFile)
      await row(page, 'where id < 4').waitFor()
      expect(sent.length).toBeGreaterThan(0)
      expect(sent.join('\n')).not.toContain((JSON.parse(key) as { d: string }).d)
      expect(await seen.axe()).toEqual([])
      expect(seen.complaints).toEqual([])
    } finally {
      await browser.close()
      await sealed.stop()
    }
  }, 120_000)
})

/** What has the focus, by what is said of it, or `hidden` if nobody could see that it has. */
async function focusOn(page: Page): Promise<string> {
  return page.evaluate<string>(`(() => {
    const at = document.activeElement
    if (at === null || at === document.body) return 'body'
    const { left, top, width, height } = at.getBoundingClientRect()
    const seen = document.elementFromPoint(left + width / 2, Math.max(0, top + height / 2))
    const isCovered = seen?.closest('.top') && !at.closest('.top')
    return isCovered ? 'hidden' : [at.getAttribute('aria-label'), at.labels?.[0]?.textContent, at.textContent].join(' ')
  })()`)
}
