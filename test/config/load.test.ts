import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { printProblems } from '../../src/config/problem.ts'
import { complaintsOf, configOf, HOST_KEY, problemsOf, writeYaml, yamlWith } from './yaml-file.ts'

const rule = (text: string) =>
  yamlWith({ roles: `roles: { ops: { members: { groups: [ops] }, allow: [{ ${text} }] } }` })
const target = (text: string) => yamlWith({ targets: `targets: [{ name: web1, protocol: ssh, ${text} }]` })

test('a file that cannot be read is a problem, not an exception', () => {
  const loaded = loadConfig('/nowhere/sallyport.yaml', {})
  expect(loaded).toMatchObject({ ok: false, problems: [{ line: 1, column: 1, path: '' }] })
})

test('an empty file says what is missing', () => {
  expect(complaintsOf('')).toEqual(['must be a map of keys and values'])
  expect(complaintsOf('{}')).toEqual([
    'gateway is missing',
    'identity is missing',
    'targets is missing',
    'roles is missing',
    'says none of `ssh`, `postgres` and `web`, so there is nothing to serve',
  ])
})

test('every problem is told at once, with line and column, in the order of the file', () => {
  const text = [
    'gateway: { nmae: bastion.example.com, data: /var/lib/sallyport }',
    'ssh:',
    '  listen: 0.0.0.0:22',
    '  limits: { loginGrace: 5 }',
    'web: { listen: "127.0.0.1:8443", url: "http://bastion.example.com" }',
    'identity:',
    '  issuer: https://login.example.com',
    '  clientId: sallyport',
    '  clientSecret: hunter2',
    'targets:',
    '  - name: web1',
    '    protocol: ssh',
    '    address: 10.0.0.5:22',
    '    hostkeys: first-use',
    'roles:',
    '  ops:',
    '    members: { groups: [] }',
    '    allow:',
    '      - targets: { name: web2 }',
    '        logins: ["*"]',
  ].join('\n')
  expect(problemsOf(text).map(({ line, column, path }) => `${line}:${column} ${path}`)).toEqual([
    '1:10 gateway.name',
    '1:12 gateway.nmae',
    '4:25 ssh.limits.loginGrace',
    '5:39 web.url',
    '9:17 identity.clientSecret',
    '11:5 targets[0]',
    '14:5 targets[0].hostkeys',
    '17:14 roles.ops.members',
    '17:24 roles.ops.members.groups',
    '19:26 roles.ops.allow[0].targets.name',
    '20:18 roles.ops.allow[0].logins[0]',
  ])
})

test('problems are printed as compilers print them, one line each, with a suggestion', () => {
  const file = writeYaml(yamlWith({ gateway: 'gateway: { name: a.example.com, dta: /x, data: /y }' }))
  const loaded = loadConfig(file, {})
  expect(loaded.ok ? '' : printProblems(loaded.problems)).toBe(
    `${file}:1:33: gateway.dta is not a known key (did you mean \`data\`?)`,
  )
})

test('a key with control characters cannot forge a line or move the cursor', () => {
  const loaded = loadConfig(writeYaml(`${yamlWith({})}\n"x\\e[2J\\ny\u202e": 1`), {})
  const printed = loaded.ok ? '' : printProblems(loaded.problems)
  expect(printed).toContain('x\\u{1b}[2J\\u{a}y\\u{202e} is not a known key')
  expect(printed.split('\n')).toHaveLength(1)
})

test('keys of later versions are refused with a sentence that says so', () => {
  expect(
    complaintsOf(rule('targets: { name: web1 }, logins: [root], when: { approval: { by: [x] } }')),
  ).toEqual(['roles.ops.allow[0].when.approval is a key that this version does not have yet'])
})

test('a rule of retention says an age, and promises no more than it limits', () => {
  const complaints = (text: string) =>
    complaintsOf(yamlWith({ recording: `recording: { retention: ${text} }` }))
  expect(complaints('400')).toEqual([
    'recording.retention.max needs a unit: it must be a duration such as 30s, 15m, 8h or 7d',
  ])
  expect(complaints('[{ targets: { protocol: ssh } }]')).toEqual([
    'recording.retention[0] must say `min`, `max` or both',
  ])
  expect(complaints('[{ min: 10d, max: 5d }]')).toEqual([
    'recording.retention[0].min must not be longer than `max`',
  ])
  expect(complaints('[{ targets: {}, max: 5d }]')).toEqual([
    'recording.retention[0].targets must say which targets (write { protocol: ssh } for all of them)',
  ])
  expect(complaints('[{ max: 99999999d }]')).toEqual(['recording.retention[0].max must be at most 876600h'])
})

test('retention is one age for everything, or rules by target', () => {
  const rulesOf = (text: string) =>
    configOf(yamlWith({ recording: `recording: { retention: ${text} }` })).recording.retention
  const day = 86_400_000
  expect(rulesOf('400d')).toEqual([{ maxMs: 400 * day, line: 7 }])
  expect(rulesOf('[{ targets: { labels: { env: prod } }, min: 180d }, { max: 400d }]')).toEqual([
    { targets: { labels: { env: 'prod' } }, minMs: 180 * day, line: 7 },
    { maxMs: 400 * day, line: 7 },
  ])
  expect(configOf(yamlWith({})).recording.retention).toEqual([])
})

test('a key that stands twice is refused, since the reader would see one and the program use the other', () => {
  const problems = problemsOf(`${yamlWith({})}\nrecording: {}`)
  expect(problems).toMatchObject([
    { line: 8, column: 1, message: 'the same key stands here for the second time' },
  ])
})

test('what is not YAML, not UTF-8, too large or more than one document is refused', () => {
  expect(complaintsOf('gateway: { name: [ }')[0]).toMatch(/not valid YAML/)
  expect(complaintsOf(Buffer.from([0x61, 0x3a, 0x20, 0xff]))).toEqual(['is not UTF-8 text'])
  expect(complaintsOf(Buffer.alloc(5 * 1024 * 1024, 0x23))[0]).toMatch(/larger than/)
  expect(complaintsOf('a: 1\n---\nb: 2')).toHaveLength(1)
  expect(complaintsOf('a: !!js/function "x"')[0]).toMatch(/not valid YAML/)
})

describe('broken YAML is told in words that say what to look for, once a line:', () => {
  test.each([
    ['a tab', 'web:\n\tlisten: x', 2, /a tab stands where only spaces may indent/],
    ['a line too far left', 'web:\n  listen: x\n url: y', 3, /indented otherwise than the lines/],
    ['a line too far right', 'web:\n  listen: x\n    url: y', 2, /here or in the next line: indentation/],
    ['a colon without a space', 'web:\n  listen:x\n  url: y', 2, /a colon without a space/],
    ['a colon in text', 'web: a: b', 1, /text with a colon that is not in quotes/],
    ['a brace that stays open', 'web: { listen: x\nssh: {}', 2, /is not closed/],
    ['a quote that stays open', 'web: "x', 1, /is not closed/],
    ['a second document', 'a: 1\n---\nb: 2', 2, /one file holds one/],
    ['a reserved character', 'a: @x', 1, /must be in quotes/],
  ])('%s', (_, text, line, message) => {
    const problems = problemsOf(text)
    expect(problems[0]).toMatchObject({ line, message: expect.stringMatching(message) })
    expect(new Set(problems.map(problem => problem.line)).size).toBe(problems.length)
  })
})

test('messages about broken YAML never repeat the text, which may hold a secret', () => {
  for (const text of [
    'identity: { clientSecret: "hunter2\\q" }',
    'clientSecret: @hunter2',
    'a: !hunter2 x',
    'a: *hunter2',
    'a: |hunter2\n  x',
  ])
    expect(JSON.stringify(problemsOf(text).map(({ message }) => message))).not.toContain('hunter2')
})

test('aliases that multiply the document are refused, a few are fine', () => {
  const laughs = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 9; i++) {
    const [before, here] = ['abcdefghi'[i - 1], 'abcdefghi'[i]]
    laughs.push(`${here}: &${here} [${Array.from({ length: 10 }, () => `*${before}`).join(', ')}]`)
  }
  expect(complaintsOf(laughs.join('\n'))).toEqual(['is nested too deeply, or has more than 100 aliases'])
  const shared = configOf(
    yamlWith({
      targets:
        'targets: [{ name: web1, protocol: ssh, address: a, hostKeys: first-use, labels: &l { env: x } },' +
        ' { name: web2, protocol: ssh, address: b, hostKeys: first-use, labels: *l }]',
    }),
  )
  expect(shared.targets[1]?.labels).toEqual({ env: 'x' })
})

test('nesting that would exhaust the stack is refused', () => {
  expect(complaintsOf('['.repeat(200_000))).not.toEqual([])
})

test('a key that objects treat as magic is refused', () => {
  expect(complaintsOf(`${yamlWith({})}\n__proto__: { roles: {} }`)).toEqual([
    'a key here is not plain text; put it in quotes',
  ])
  expect(complaintsOf(yamlWith({ roles: 'roles: { 1: {} }' }))).toHaveLength(1)
})

test('whatever the file holds, loading gives a config or problems and never throws', () => {
  const words = fc.constantFrom(
    'gateway',
    'targets',
    'roles',
    'allow',
    'x',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '&a',
    '*a',
    '\n',
    '\n  ',
    '"',
    '|',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map(parts => parts.join('')),
      ),
      text => {
        expect(() => problemsOf(text)).not.toThrow()
      },
    ),
    { numRuns: 300 },
  )
})

test('any value in any place gives a config or problems and never throws', () => {
  const places = ['gateway', 'ssh', 'web', 'identity', 'targets', 'roles', 'recording'] as const
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.json(), (place, json) => {
      expect(() => problemsOf(yamlWith({ [place]: `${place}: ${json}` }))).not.toThrow()
    }),
    { numRuns: 300 },
  )
})

test('names with separators, blanks or controls are refused', () => {
  for (const name of ['a@b', 'a+b', 'a b', '', '-a', 'a"b', '"a\\nb"', 'é', 'a'.repeat(64)])
    expect(
      complaintsOf(
        yamlWith({
          targets: `targets: [{ name: ${name || '""'}, protocol: ssh, address: a, hostKeys: first-use }]`,
        }),
      ),
    ).not.toEqual([])
  for (const login of ['a@b', 'a+b', '"a b"', '"a,b"', '""', '-x'])
    expect(complaintsOf(rule(`targets: { name: web1 }, logins: [${login}]`))).not.toEqual([])
})

test('two targets of one name are refused, also if they differ only in case', () => {
  const one = (name: string) => `{ name: ${name}, protocol: ssh, address: a, hostKeys: first-use }`
  expect(complaintsOf(yamlWith({ targets: `targets: [${one('web1')}, ${one('WEB1')}]` }))).toEqual([
    'targets[1].name `WEB1` is the name of another target',
  ])
})

test('a rule for a target or a label that does not exist is refused, with the likely one', () => {
  expect(complaintsOf(rule('targets: { name: wbe1 }, logins: [root]'))).toEqual([
    'roles.ops.allow[0].targets.name names the target `wbe1`, which does not exist (did you mean `web1`?)',
  ])
  expect(complaintsOf(rule('targets: { labels: { evn: prod } }, logins: [root]'))).toEqual([
    'roles.ops.allow[0].targets.labels.evn is a label that no target has (did you mean `env`?)',
  ])
  expect(complaintsOf(rule('targets: { labels: { env: prdo } }, logins: [root]'))).toEqual([
    'roles.ops.allow[0].targets.labels match no target',
  ])
})

test('a rule that does not say which targets is refused, since empty would mean all', () => {
  expect(complaintsOf(rule('targets: {}, logins: [root]'))).toEqual([
    'roles.ops.allow[0].targets must say which targets (write { protocol: ssh } for all of them)',
  ])
  expect(complaintsOf(rule('targets: { labels: {} }, logins: [root]'))[0]).toMatch(/must say which targets/)
  expect(complaintsOf(rule('logins: [root]'))[0]).toMatch(/targets is missing/)
})

test('a role without members is refused, and so are empty lists', () => {
  expect(complaintsOf(yamlWith({ roles: 'roles: { ops: { members: {} } }' }))).toEqual([
    'roles.ops.members must name groups or emails',
  ])
  expect(complaintsOf(rule('targets: { name: web1 }, logins: []'))).toEqual([
    'roles.ops.allow[0].logins must not be empty',
  ])
  expect(complaintsOf(yamlWith({ targets: 'targets: []' }))[0]).toBe('targets must not be empty')
})

test('exec patterns that let the person choose the program are refused, and so are other channels beside them', () => {
  expect(complaintsOf(rule('targets: { name: web1 }, logins: [root], exec: ["* status"]'))[0]).toMatch(
    /wildcard/,
  )
  expect(complaintsOf(rule('targets: { name: web1 }, logins: [root], exec: [""]'))).toHaveLength(1)
  expect(
    complaintsOf(rule('targets: { name: web1 }, logins: [root], exec: [uptime], channels: [shell, exec]'))[0],
  ).toMatch(/channels must be left out beside `exec`/)
})

test('hours, networks and durations that cannot be read are refused where they stand', () => {
  expect(
    complaintsOf(
      rule('targets: { name: web1 }, logins: [root], when: { hours: "Mon-Fri 08:00-19:00 Europe/Berln" }'),
    )[0],
  ).toMatch(/time zone/)
  expect(
    complaintsOf(rule('targets: { name: web1 }, logins: [root], when: { from: [10.0.0.0/33] }'))[0],
  ).toMatch(/prefix/)
  expect(complaintsOf(rule('targets: { name: web1 }, logins: [root], sessions: { max: 8 }'))[0]).toMatch(
    /needs a unit/,
  )
  expect(complaintsOf(rule('targets: { name: web1 }, logins: [root], sessions: { max: 8d }'))[0]).toMatch(
    /at most 168h/,
  )
})

test('a target that says nothing about its host key is refused', () => {
  expect(complaintsOf(target('address: 10.0.0.5'))[0]).toMatch(/does not say how the target proves itself/)
  expect(complaintsOf(target('address: 10.0.0.5, hostKeys: []'))[0]).toMatch(/hostKeys must not be empty/)
  expect(complaintsOf(target('address: 10.0.0.5, hostKeys: always'))[0]).toMatch(/`first-use` or a list/)
})

test('host keys that are not whole are refused', () => {
  const key = HOST_KEY.split(' ')[1] ?? ''
  for (const bad of [
    'abc',
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    `ssh-rsa ${key}`,
    `web1 ${HOST_KEY}`,
    'ssh-dss AAAA',
    `ssh-ed25519 ${key.slice(0, -4)}!!!!`,
  ])
    expect(complaintsOf(target(`address: 10.0.0.5, hostKeys: ["${bad}"]`))[0]).toMatch(
      /^targets\[0\]\.hostKeys\[0\]/,
    )
})

test('addresses without sense are refused', () => {
  for (const bad of [
    '10.0.0.5:0',
    '10.0.0.5:65536',
    '10.0.0:22',
    '2001:db8::5',
    '"[10.0.0.5]:22"',
    '"a b:22"',
    '"[::1"',
    '""',
    '"a:22:22"',
  ])
    expect(complaintsOf(target(`address: ${bad}, hostKeys: first-use`))).toHaveLength(1)
})

test('web pages on the network need TLS, or somebody who says that a proxy has it', () => {
  const web = (text: string) => yamlWith({ web: `web: { url: "https://bastion.example.com", ${text} }` })
  expect(complaintsOf(web('listen: "0.0.0.0:443"'))[0]).toMatch(
    /web.listen is open to the network without TLS/,
  )
  expect(complaintsOf(web('listen: "[::]:443"'))).toHaveLength(1)
  expect(complaintsOf(web('listen: "0.0.0.0:443", behindProxy: true'))).toEqual([])
  expect(complaintsOf(web('listen: "[::1]:443"'))).toEqual([])
})

test('plain http is for loopback only, for pages and issuer', () => {
  const issuer = (url: string) => yamlWith({ identity: `identity: { issuer: "${url}", clientId: x }` })
  for (const url of [
    'http://login.example.com',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'ftp://x',
    'login.example.com',
    'https://u:p@x.example.com',
    'https://x.example.com?a=b',
  ])
    expect(complaintsOf(issuer(url))).toHaveLength(1)
  expect(configOf(issuer('http://127.0.0.1:9000')).identity.allowHttpIssuer).toBe(true)
  expect(configOf(issuer('https://login.example.com/realms/a')).identity.allowHttpIssuer).toBe(false)
  expect(
    complaintsOf(yamlWith({ web: 'web: { listen: "127.0.0.1:1", url: "https://x.example.com/path" }' }))[0],
  ).toMatch(/must have no path/)
})

test('ssh without pages is refused, since nobody could sign in', () => {
  expect(complaintsOf(yamlWith({ web: '' }))).toEqual([
    'ssh needs `web` beside it: people sign in on its pages',
  ])
})

test('a login grace that ends before the sign-in code does is refused', () => {
  expect(
    complaintsOf(yamlWith({ ssh: 'ssh: { listen: "0.0.0.0:22", limits: { loginGrace: 4m } }' }))[0],
  ).toMatch(/ssh.limits.loginGrace must be longer than signInCodeLifetime/)
})

test('durations that timers cannot hold are refused', () => {
  expect(
    complaintsOf(
      yamlWith({ identity: 'identity: { issuer: "https://x.example.com", clientId: x, session: 25d }' }),
    )[0],
  ).toMatch(/at most 576h/)
})

test('the smallest useful file is about twenty lines and gives a total config', () => {
  const file = join(import.meta.dirname, 'smallest.yaml')
  expect(readFileSync(file, 'utf8').trim().split('\n').length).toBeLessThanOrEqual(22)
  const loaded = loadConfig(file, { OIDC_SECRET: 'x' })
  if (!loaded.ok) throw new Error(printProblems(loaded.problems))
  expect(loaded.config).toMatchObject({
    file,
    ssh: {
      listen: { host: '0.0.0.0', port: 22 },
      limits: { loginGraceMs: 360_000, maxQueuedBytes: 8_388_608 },
    },
    web: { url: 'https://bastion.example.com', behindProxy: false },
    identity: { claims: { name: 'email', groups: 'groups' }, sessionMs: 28_800_000, allowHttpIssuer: false },
    recording: { folder: '/var/lib/sallyport/recordings', keepOutputBytes: 67_108_864, forwards: 'metadata' },
  })
  expect(loaded.config.roles[0]?.allow[0]).toEqual({
    targets: { name: 'web1' },
    logins: ['root'],
    sessions: { maxMs: 28_800_000, idleMs: 1_800_000 },
    when: {},
    channels: ['shell', 'exec', 'sftp'],
    line: 19,
  })
})

test('a config is frozen to its last leaf', () => {
  const config = configOf(yamlWith({}))
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  expect(isFrozen(config)).toBe(true)
})

test('relative folders start from the folder of the file', () => {
  const file = writeYaml(
    yamlWith({
      gateway: 'gateway: { name: localhost, data: ./state }',
      recording: 'recording: { folder: ../rec }',
    }),
  )
  const loaded = loadConfig(file, {})
  if (!loaded.ok) throw new Error(printProblems(loaded.problems))
  expect(loaded.config.gateway.data).toBe(join(dirname(file), 'state'))
  expect(loaded.config.recording.folder).toBe(join(dirname(file), '..', 'rec'))
})

test('roles keep the order of the file, rules their lines, and sessions of a role hold for its rules', () => {
  const { roles } = configOf(
    yamlWith({
      roles: [
        'roles:',
        '  zeta:',
        '    members: { emails: [Ann@example.com] }',
        '    sessions: { max: 1h }',
        '    allow:',
        '      - { targets: { protocol: ssh }, logins: [a], sessions: { idle: 30s } }',
        '      - { targets: { protocol: ssh }, logins: [b], sessions: { max: 2h }, exec: [uptime] }',
        '    review: { targets: { labels: { env: prod } } }',
        '  alpha:',
        '    members: { groups: [x] }',
        '    allow: { targets: { name: web1 }, logins: [c], channels: [shell, forward] }',
      ].join('\n'),
    }),
  )
  expect(roles.map(role => role.name)).toEqual(['zeta', 'alpha'])
  expect(roles[0]?.allow).toMatchObject([
    { line: 11, sessions: { maxMs: 3_600_000, idleMs: 30_000 } },
    { line: 12, sessions: { maxMs: 7_200_000, idleMs: 1_800_000 }, channels: ['exec'], exec: ['uptime'] },
  ])
  expect(roles[0]?.review).toMatchObject([{ line: 13, targets: { labels: { env: 'prod' } } }])
  expect(roles[1]?.allow).toMatchObject([{ line: 16, channels: ['shell', 'forward'] }])
})

test('a host key loses its comment and stays as known_hosts has it', () => {
  const config = configOf(
    target(`address: "[2001:db8::5]:2222", hostKeys: ["${HOST_KEY} root@web1"], sourceAddress: 192.0.2.7`),
  )
  expect(config.targets[0]).toEqual({
    name: 'web1',
    protocol: 'ssh',
    host: '2001:db8::5',
    port: 2222,
    labels: {},
    hostKeys: [HOST_KEY],
    hostAuthorities: [],
    sourceAddress: '192.0.2.7',
  })
})
