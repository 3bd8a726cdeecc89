/** What the gateway notices itself: emergency access, what was refused and then done, and recordings that are not whole. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect } from 'vitest'
import type { FindingInFull, FindingPage, FindingView } from '../../src/analysis/findings/desk.ts'
import type { SessionDetail, SessionPage } from '../../src/api/schema.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World

/** Targets are one machine by several names; the last is nobody's yet. */
beforeAll(async () => {
  world = await World.start({
    configure: config => {
      const [web1] = config['targets']
      config['targets'] = ['web1', 'web2', 'web3', 'web4'].map(name => ({ ...web1, name }))
      config['analysis'] = { baselines: { enabled: false } }
      const logins = config['roles'].admin.allow[0].logins
      config['roles'].admin.allow = [
        { targets: { name: 'web1' }, logins },
        { targets: { name: 'web2' }, logins, breakGlass: true },
        { targets: { name: 'web3' }, logins, exec: ['uptime'] },
      ]
    },
  })
}, 120_000)

afterAll(async () => await world?.stop())

async function say<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await world.sallyport(...args, '--json')
  expect([args, code, stderr]).toEqual([args, 0, ''])
  return JSON.parse(stdout.toString()) as T
}

const noticed = (group: string) =>
  world.audit().filter(line => line['kind'] === 'finding-noticed' && line['group'] === group)

async function found(group: string): Promise<FindingView> {
  await world.until(() => noticed(group).length > 0)
  const [one] = (await say<FindingPage>('findings', 'list', '--rule', group, '--place', 'all')).items
  if (one === undefined) throw new Error('it is in the audit log, and not in the list')
  return one
}

const runOn = (target: string, command: string) =>
  world.ssh(`${world.login}@${target}`, { command: [command], timeoutMs: 60_000 })

test('a session of emergency access is a finding that says when it is to be reviewed, once, also after a restart', async () => {
  expect((await runOn('web2', 'true')).code).toBe(0)
  const finding = await found('B-05')
  expect(finding).toMatchObject({ severity: 'high', target: 'web2', principal: 'ada@example.com' })
  expect(finding.sentence).toBe('Emergency access was used: to be reviewed within a day.')
  const shown = await say<FindingInFull>('findings', 'show', finding.id)
  expect(shown.context).toContainEqual({ name: 'Grant', value: 'role admin, emergency access' })
  const opened = world.audit().filter(line => line['kind'] === 'session-open')
  expect(opened.map(line => line['breakGlass'])).toEqual([true])
  await world.killGateway('SIGKILL')
  await world.startGateway()
  expect(noticed('B-05')).toHaveLength(1)
}, 120_000)

test('a command that policy refused and that ran another way is a finding of the session where it ran', async () => {
  expect((await runOn('web3', 'cat /etc/hostname')).code).toBe(126)
  expect((await runOn('web1', "sh -c 'cat /etc/hostname'")).code).toBe(0)
  const finding = await found('B-08')
  expect(finding).toMatchObject({ severity: 'medium', target: 'web1' })
}, 120_000)

test('a target that was refused, and opened after the configuration changed, is a finding that tells of the refusal', async () => {
  expect((await runOn('web4', 'true')).code).not.toBe(0)
  const file = readFileSync(world.configFile, 'utf8')
  writeFileSync(world.configFile, file.replace(/name: web1\n(\s+)logins/, 'protocol: ssh\n$1logins'))
  world.reload()
  await world.until(() => world.audit().some(line => line['kind'] === 'reload'))
  expect((await runOn('web4', 'true')).code).toBe(0)
  const finding = await found('B-06')
  expect(finding).toMatchObject({ severity: 'medium', target: 'web4' })
  const shown = await say<FindingInFull>('findings', 'show', finding.id)
  expect(shown.why.map(({ observed }) => observed).join()).toMatch(/no role of theirs was for this target/)
}, 120_000)

test('a stored recording that was changed is a finding once somebody looks at its session, and pages show emergency access', async () => {
  const rows = await world.sessions()
  const row = rows.find(({ target }) => target === 'web2')
  if (row === undefined) throw new Error('there was a session on web2')
  const file = world.fileOf(row)
  const bytes = readFileSync(file)
  bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1
  writeFileSync(file, bytes)
  const browser = new Browser()
  await browser.signInAt(await browser.open(`${world.webUrl}/sign-in`), people.ben)
  const headers = { Cookie: `sallyport=${browser.cookie('sallyport') ?? ''}` }
  const ask = async <T>(path: string): Promise<T> =>
    (await (await fetch(`${world.webUrl}/api/v1${path}`, { headers })).json()) as T
  expect((await ask<SessionPage>('/sessions')).items.length).toBeGreaterThan(2)
  const finding = await found('integrity-verify')
  expect(finding).toMatchObject({ kind: 'integrity', session: row.id, severity: 'high' })
  const detail = await ask<SessionDetail>(`/sessions/${row.id}`)
  expect(detail.facts).toContainEqual({ name: 'emergency access', value: 'yes: to be reviewed within a day' })
}, 120_000)
