import { expect, test } from 'vitest'
import { complaintsOf, configOf, yamlWith } from './yaml-file.ts'

const notify = (text: string) => `${yamlWith({})}\nnotify: ${text}`
const secret = Buffer.alloc(32, 7).toString('base64')
const env = {
  SECRET: secret,
  NEXT: `whsec_${secret}`,
  SHORT: 'c2hvcnQ=',
  NOTHING: 'not base64 at all, and long enough',
}

test('a sink is a file, a syslog server or a webhook, and nothing else', () => {
  expect(complaintsOf(notify('[{ pigeon: coop }]'), env).length).toBeGreaterThan(0)
  expect(complaintsOf(notify('[{ webhook: "https://soc.test/" }]'), env)).toContain(
    'notify[0].secret is missing',
  )
  expect(complaintsOf(notify('[{ file: a, secret: env:SECRET }]'), env)).toEqual([
    'notify[0].secret is not a known key here',
  ])
})

test.each([
  ['"http://soc.example.com/"', 'must start with https:// (http:// only on loopback)'],
  ['"https://user:pass@soc.example.com/"', 'must be a URL without user, query or fragment'],
  ['"https://soc.example.com/?token=x"', 'must be a URL without user, query or fragment'],
])('the webhook %s is refused', (url, complaint) => {
  expect(complaintsOf(notify(`[{ webhook: ${url}, secret: env:SECRET }]`), env)).toContain(
    `notify[0].webhook ${complaint}`,
  )
})

test.each([
  ['c2VjcmV0', 'must be a reference, never the value itself (write env:NAME or file:/path)'],
  ['env:SHORT', 'must refer to 24 to 64 bytes in base64 (make one with: openssl rand -base64 32)'],
  ['env:NOTHING', 'must refer to 24 to 64 bytes in base64 (make one with: openssl rand -base64 32)'],
])('the secret %s is refused, and not repeated', (reference, complaint) => {
  const complaints = complaintsOf(notify(`[{ webhook: "https://soc.test/", secret: ${reference} }]`), env)
  expect(complaints).toContain(`notify[0].secret ${complaint}`)
})

test('two sinks of one name would share a place in the audit log', () => {
  const two =
    '{ webhook: "https://soc.test/a", secret: env:SECRET }, { webhook: "https://soc.test/b", secret: env:SECRET }'
  expect(complaintsOf(notify(`[${two}]`), env)).toEqual([
    'notify[1] would have the name `webhook-soc-test` of one before it (give it a `name` of its own)',
  ])
  expect(complaintsOf(notify('[{ file: a, name: x }, { file: b, name: x }]'), env)).toHaveLength(1)
  expect(complaintsOf(notify('[{ file: a, name: "../x" }]'), env)).toHaveLength(1)
})

test.each(['Session-Open', 'session open', '*', 'session-*-x'])(
  'events: %s is no kind and no beginning of one',
  pattern => {
    expect(complaintsOf(notify(`[{ file: a, events: ["${pattern}"] }]`), env)).toHaveLength(1)
  },
)

test('what is left out has a value', () => {
  expect(configOf(yamlWith({})).notify).toEqual([])
  const sinks = `[{ file: out/events.ndjson }, { syslog: "tls://siem.test" }, { webhook: "https://soc.test/x", secret: [env:SECRET, env:NEXT] }]`
  const [file, syslog, webhook] = configOf(notify(sinks), env).notify
  expect(file).toMatchObject({
    kind: 'file',
    name: 'file-events-ndjson',
    format: 'ocsf',
    events: [],
    rotateBytes: 100 * 1024 * 1024,
    keepFiles: 10,
  })
  expect(file?.kind === 'file' && file.path.startsWith('/')).toBe(true)
  expect(syslog).toMatchObject({
    kind: 'syslog',
    format: 'audit',
    server: { host: 'siem.test', port: 6514, tls: {} },
  })
  expect(webhook).toMatchObject({ kind: 'webhook', may: [], attempts: 30, giveUpMs: 3 * 86_400_000 })
  expect(webhook?.kind === 'webhook' && webhook.secrets.map(one => one.reveal())).toEqual([
    env.SECRET,
    env.NEXT,
  ])
  expect(JSON.stringify(webhook)).not.toContain(secret)
})
