/** Findings from real clients: a command and a statement that rules name, what sessions do about it, and what people see and decide. */
import type { ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, expect } from 'vitest'
import type { FindingInFull, FindingPage, FindingView } from '../../src/analysis/findings/desk.ts'
import type { SessionRow } from '../../src/model.ts'
import { carriesData } from '../../src/recorder/event.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { finish, type SshOptions, type SshRun, type World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')

let company: PostgresWorld
let world: World

beforeAll(async () => {
  company = await PostgresWorld.start({
    sshd: true,
    configure: config => {
      config['analysis'] = { budget: 50, baselines: { enabled: false } }
      config['roles'].database.on = [{ finding: { rule: 'PG-17' }, do: 'pause', wait: '5m' }]
      config['roles'].admin.on = [
        { finding: { rule: 'SSH-02' }, do: 'end' },
        { finding: { rule: 'SSH-03' }, do: 'pause', wait: '5m' },
        { finding: { rule: 'SSH-18' }, do: 'step-up', wait: '5m' },
      ]
    },
  })
  ;({ world } = company)
}, 120_000)

afterAll(async () => await company?.stop())

async function say<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await world.sallyport(...args, '--json')
  expect([args, code, stderr]).toEqual([args, 0, ''])
  return JSON.parse(stdout.toString()) as T
}

const listed = async (...args: readonly string[]): Promise<readonly FindingView[]> =>
  (await say<FindingPage>('findings', 'list', ...args)).items

/** Waits for a finding of a rule. */
async function found(group: string): Promise<FindingView> {
  await world.until(() => told('finding-noticed').some(line => line['group'] === group))
  const [one] = await listed('--rule', group, '--place', 'all')
  if (one === undefined) throw new Error('it is in the audit log, and not in the list')
  return one
}

async function rowOf({ session }: FindingView): Promise<SessionRow> {
  const row = (await world.sessions()).find(({ id }) => id === session)
  if (row === undefined) throw new Error('the session is gone')
  return row
}

const told = (kind: string): readonly Record<string, unknown>[] =>
  world.audit().filter(line => line['kind'] === kind)

/** Runs a command whose input comes when the test says so. */
function start(command: string): { readonly run: Promise<SshRun>; readonly child: Promise<ChildProcess> } {
  const { promise: child, resolve } = Promise.withResolvers<ChildProcess>()
  const options: SshOptions = { command: [command], onStart: resolve, timeoutMs: 120_000 }
  return { run: world.ssh(`${world.login}@web1`, options), child }
}

test('a command that a rule names ends its session, if policy says so, and is in the list with its reasons', async () => {
  const run = await world.ssh(`${world.login}@web1`, {
    command: ['auditctl -D; sleep 600'],
    timeoutMs: 120_000,
  })
  expect(run.code).not.toBe(0)
  const finding = await found('SSH-02')
  expect(finding).toMatchObject({
    severity: 'high',
    state: 'new',
    principal: 'ada@example.com',
    target: 'web1',
  })
  const [held] = told('session-held')
  expect(held).toMatchObject({ session: finding.session, finding: finding.id, do: 'end', open: true })
  const row = (await world.sessions()).find(({ id }) => id === finding.session)
  expect(row?.endReason).toBe(`policy ends it because of finding ${finding.id}`)
  const shown = await say<FindingInFull>('findings', 'show', finding.id)
  expect(shown.quotes[0]?.text).toContain('auditctl -D')
  expect(shown.techniques.length).toBeGreaterThan(0)
  expect(shown.benign.length).toBeGreaterThan(0)
  const { stdout } = await world.sallyport('findings', 'show', finding.id)
  expect(stdout.toString()).toContain('Check first')
}, 120_000)

test('a whole table taken out by psql is a finding of the session, with the statement', async () => {
  const { code, stdout } = await company.psql('COPY (SELECT generate_series(1, 5000)) TO STDOUT')
  expect([code, stdout.split('\n').length]).toEqual([0, 5001])
  const finding = await found('PG-03')
  expect(finding).toMatchObject({ target: 'orders', kind: 'rule', principal: 'ada@example.com' })
  const shown = await say<FindingInFull>('findings', 'show', finding.id)
  expect(shown.quotes[0]?.text).toMatch(/COPY/i)
  expect(shown.context).toContainEqual({ name: 'Grant', value: 'role database' })
}, 120_000)

test('a session that is paused takes no input until somebody lets it go on', async () => {
  const { run, child } = start('rm -f /var/log/no-such.log; head -n 1; echo done')
  const client = await child
  const finding = await found('SSH-03')
  await world.until(() => told('session-held').some(line => line['session'] === finding.session))
  client.stdin?.write('typed while it waited\n')
  const { code } = await world.sallyport('findings', 'resume', finding.session)
  expect(code).toBe(0)
  client.stdin?.end()
  const { stdout } = await run
  expect(stdout.toString()).toBe('typed while it waited\ndone\n')
  const released = told('session-released').find(line => line['session'] === finding.session)
  await world.until(async () => (await rowOf(finding)).state === 'ended')
  const row = await rowOf(finding)
  const typed = world
    .eventsOf(row)
    .find(({ event }) => carriesData(event) && event.type === 'input' && event.data.length > 0)
  const firstMs = row.openedAtMs + (typed?.us ?? 0) / 1000
  expect(firstMs).toBeGreaterThanOrEqual(Date.parse(String(released?.['at'])) - 1)
  expect((await world.sallyport('findings', 'resume', finding.session)).code).toBe(1)
}, 120_000)

test('a statement that comes after a rule was met waits, until somebody lets the session go on', async () => {
  const client = company.start('psql', ['-X', '-A', '-t'], await company.environment())
  const done = finish(client)
  client.stdin?.write('DO $$ BEGIN PERFORM 1; END $$;\n')
  const finding = await found('PG-17')
  await world.until(() => told('session-held').some(line => line['session'] === finding.session))
  client.stdin?.end("SELECT 'after' || 'wards';\n")
  expect((await world.sallyport('findings', 'resume', finding.session)).code).toBe(0)
  expect((await done).stdout.toString()).toContain('afterwards')
  const released = told('session-released').find(line => line['session'] === finding.session)
  await world.until(async () => (await rowOf(finding)).state === 'ended')
  const row = await rowOf(finding)
  const later = world.eventsOf(row).find(({ event }) => JSON.stringify(event).includes("'after'"))
  const laterMs = row.openedAtMs + (later?.us ?? 0) / 1000
  expect(laterMs).toBeGreaterThanOrEqual(Date.parse(String(released?.['at'])) - 1)
}, 120_000)

test('a session that waits for a new sign-in goes on with one', async () => {
  const { run, child } = start('modprobe no_such_module; head -n 1')
  const client = await child
  const finding = await found('SSH-18')
  await world.until(() => told('session-held').some(line => line['session'] === finding.session))
  client.stdin?.end('after the sign-in\n')
  const browser = new Browser()
  await browser.signInAt(await browser.open(`${world.webUrl}/sign-in`), people.ada)
  expect((await run).stdout.toString()).toBe('after the sign-in\n')
  expect(told('session-released').at(-1)).toMatchObject({ session: finding.session, by: 'their own sign-in' })
}, 120_000)

test('what is decided on the command line is in the audit log, and the report counts it without names', async () => {
  const finding = await found('PG-03')
  const closed = await say<FindingInFull>(
    'findings',
    'close',
    finding.id,
    '--reason',
    'benign-expected',
    '--why',
    'a report that was asked for',
  )
  expect(closed.state).toBe('closed')
  expect(closed.history.at(-1)).toMatchObject({ what: 'closed as benign-expected' })
  expect(told('finding-decided').at(-1)).toMatchObject({ finding: finding.id, reason: 'benign-expected' })
  const refused = await world.sallyport('findings', 'suppress', finding.id, '--scope', 'rule', '--why', 'x')
  expect(refused.code).not.toBe(0)
  const { stdout } = await world.sallyport('findings', 'fairness')
  expect(stdout.toString()).toContain('RULE')
  expect(stdout.toString()).not.toMatch(/ada|example\.com/)
  const pack = (await world.sallyport('findings', 'dpia')).stdout.toString()
  expect(pack).toContain('- role admin: rule SSH-02: end')
  expect(pack).toContain('| SSH-10 | high |')
}, 120_000)
