/** What docs/integrations.md and the dashboard say, held against the program. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { auditKinds } from '../../src/audit/audit-log.ts'
import { Metrics } from '../../src/cli/metrics.ts'
import { classes } from '../../src/notify/ocsf/classes.ts'
import { render } from '../../src/notify/render.ts'
import { signedHeaders } from '../../src/notify/standard-webhooks.ts'
import { configOf, yamlWith } from '../config/yaml-file.ts'
import { newFolder } from '../recorder/support.ts'
import { producer, secret } from './ground.ts'

const contentKinds = ['command', 'statement', 'file', 'forward'].map(kind => `content-${kind}`)

const root = join(import.meta.dirname, '../..')
const text = readFileSync(join(root, 'docs/integrations.md'), 'utf8')

function example(language: string): string {
  const [, code = ''] = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text) ?? []
  return code
}

test('every kind of the audit log is in the table, under the class that it is sent as', () => {
  const rows = [...text.matchAll(/^\| (`[^|]+) \| ([^|]+?) \((\d{4})\),? ?[^|]*\|$/gm)]
  const said = rows.flatMap(([, kinds = '', , uid = '']) =>
    [...kinds.matchAll(/`([a-z-]+)`/g)].map(([, kind = '']) => ({ kind, uid: Number(uid) })),
  )
  expect(new Set(said.map(({ kind }) => kind))).toEqual(
    new Set([...auditKinds, 'torn-line', ...contentKinds]),
  )
  for (const { kind, uid } of said) {
    const fields = uid === classes.datastore.uid ? { protocol: 'postgres' } : { protocol: 'ssh' }
    const place = uid === classes.authentication.uid ? {} : { target: 't', sourceAddress: '10.0.0.1' }
    const event = { sequence: 1, uid: 'u', atMs: 1, kind, fields: { ...fields, ...place } }
    expect({
      kind,
      uid: (JSON.parse(render(event, 'ocsf', producer, 65_536)) as { class_uid: number }).class_uid,
    }).toEqual({ kind, uid })
  }
})

test('the example of the configuration can be read', () => {
  const folder = newFolder()
  writeFileSync(join(folder, 'secret'), secret, { mode: 0o600 })
  writeFileSync(join(folder, 'ca.pem'), 'PEM')
  const notify = example('yaml')
    .replace('/etc/sallyport/soc-secret', join(folder, 'secret'))
    .replace('/etc/sallyport/siem-ca.pem', join(folder, 'ca.pem'))
  expect(configOf(`${yamlWith({})}\n${notify}`).notify.map(({ name, kind }) => [name, kind])).toEqual([
    ['file-events-ndjson', 'file'],
    ['syslog-siem-example-com-6514', 'syslog'],
    ['soc', 'webhook'],
  ])
})

describe('the code that verifies signatures', () => {
  const body = '{"type":"session-open","data":{"name":"Ada \u00fc"}}'
  const headersNow = (secrets: readonly string[]) =>
    signedHeaders({ id: 'm1', atSeconds: Math.floor(Date.now() / 1000), body }, secrets)
  const old = signedHeaders({ id: 'm1', atSeconds: Math.floor(Date.now() / 1000) - 3600, body }, [secret])
  const other = Buffer.alloc(32, 1).toString('base64')
  const cases = [
    ['a message of the gateway', headersNow([secret]), body, true],
    ['one that is signed with two secrets', headersNow([other, secret]), body, true],
    ['one of another secret', headersNow([other]), body, false],
    ['one whose body was changed', headersNow([secret]), body.replace('Ada', 'Eve'), false],
    ['an old one', old, body, false],
    ['one without a signature', { ...headersNow([secret]), 'webhook-signature': '' }, body, false],
    [
      'one with half a signature',
      { ...headersNow([secret]), 'webhook-signature': 'v1,AAAA v1 v2,x' },
      body,
      false,
    ],
  ] as const

  test.each(cases)('in Node: %s', async (_, headers, sent, isGood) => {
    const file = join(newFolder(), 'verify.mjs')
    writeFileSync(file, example('js'))
    const { verify } = (await import(file)) as { verify: (h: object, b: string, s: string) => unknown }
    if (isGood) expect(verify(headers, sent, secret)).toEqual(JSON.parse(body))
    else expect(() => verify(headers, sent, secret)).toThrow(/too old|not by this secret/)
  })

  const hasPython = spawnSync('python3', ['--version']).status === 0
  if (!hasPython && process.env['SALLYPORT_REQUIRE_PEERS'] === '1') throw new Error('python3 is missing')

  test.skipIf(!hasPython).each(cases)('in Python: %s', (_, headers, sent, isGood) => {
    const script = `${example('python')}
import sys
said = json.loads(sys.stdin.read())
try:
    print(json.dumps(verify(said["headers"], said["body"].encode(), said["secret"])))
except ValueError as error:
    print(error)
`
    const input = JSON.stringify({ headers, body: sent, secret })
    const printed = execFileSync('python3', ['-c', script], { input }).toString()
    if (isGood) expect(JSON.parse(printed)).toEqual(JSON.parse(body))
    else expect(printed).toMatch(/too old|not by this secret/)
  })
})

describe('the dashboard', () => {
  type Panel = {
    title: string
    type: string
    targets?: { expr: string }[]
    gridPos: { x: number; w: number }
  }
  const dashboard = JSON.parse(readFileSync(join(root, 'dashboards/sallyport.json'), 'utf8')) as {
    panels: Panel[]
  }
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

  async function told(): Promise<Set<string>> {
    const metrics = new Metrics()
    const rows = { rows: () => [] } as unknown as Parameters<Metrics['watch']>[0]['live']
    metrics.watch({ live: rows, pendingRoles: () => ({ count: 0, oldestMs: 0 }) })
    metrics.watchWorkers({ state: { running: 1, restarts: 0 } })
    metrics.watchStorage(() => ({
      waitingBytes: 0,
      oldestMs: 0,
      spoolBytes: 0,
      waiting: 0,
      isUp: true,
      failedAttempts: 0,
    }))
    metrics.watchNotify(() => [])
    metrics.watchAnalysis(() => ({ sessions: 0, bytes: 0, waitedMs: 0 }))
    return new Set([...(await metrics.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
  }

  test('shows only what the gateway tells', async () => {
    const known = await told()
    const used = expressions.flatMap(expr =>
      [...expr.matchAll(/\b((?:sallyport|process|nodejs)_[a-z0-9_]+)\b/g)].map(([, name = '']) => name),
    )
    expect(used.length).toBeGreaterThan(20)
    expect(used.filter(name => !known.has(name))).toEqual([])
  })

  test('shows everything of its own that the gateway tells', async () => {
    const ours = [...(await told())].filter(name => name.startsWith('sallyport_'))
    expect(ours.length).toBeGreaterThan(15)
    expect(ours.filter(name => !expressions.some(expr => new RegExp(`\\b${name}\\b`).test(expr)))).toEqual([])
  })

  test('has its panels where they can be seen', () => {
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})
