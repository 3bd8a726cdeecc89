import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseClientKey } from '../../src/identity/client-key.ts'
import { notesPerMinute } from '../../src/identity/refusal-notes.ts'
import { issueX509SignIn } from '../../src/identity/x509-sign-in.ts'
import { readPlace } from '../../src/postgres/authentication-address.ts'
import type { SignInResult } from '../../src/postgres/authentication.ts'
import { type HostileIssuer, startHostileIssuer } from '../support/issuer.ts'
import {
  office,
  openSignInWorld,
  principal,
  ScriptedClient,
  type SignInWorld,
  webUrl,
} from './sign-in-world.ts'

let world: SignInWorld
let issuer: HostileIssuer
beforeAll(async () => {
  issuer = await startHostileIssuer('databases')
})
afterAll(() => issuer.close())
beforeEach(() => {
  world = openSignInWorld()
  world.machines.push({
    issuer: issuer.url,
    audience: 'databases',
    bound: { repository: 'acme/infra' },
    name: 'ci-infra',
    groups: ['deployers'],
    allowHttpIssuer: true,
  })
})

const ada = principal()

function makePassword(reusableFrom?: string): string {
  const wish = {
    principal: ada,
    browserSession: 'b',
    browser: office,
    target: 'orders',
    login: 'app_readonly',
  }
  const issued = world.passwords.issue(reusableFrom === undefined ? wish : { ...wish, reusableFrom })
  if (issued.kind !== 'issued') throw new Error(issued.userText)
  return issued.password
}

function jwt(claims: Record<string, unknown> = {}, header: Record<string, string> = {}): Promise<string> {
  return issuer.idToken('', { repository: 'acme/infra', aud: 'databases', ...claims }, header)
}

/** What makes two refusals look alike to the client. */
function refusalOf(result: SignInResult): unknown {
  return result.kind === 'refused' ? result.report : result.kind
}

const wrong = {
  severity: 'FATAL',
  code: '28P01',
  message: `No sign-in with this password. Make one at ${webUrl}/connect and paste it at the password prompt.`,
}

describe('refused with the same words, and with what to do', () => {
  test('a wrong, empty, used, expired or never issued password, and one for another target or login', async () => {
    const used = makePassword()
    await world.signIn(new ScriptedClient(used))
    const expired = makePassword()
    world.knobs.aheadMs = 300_000
    const answers = [
      await world.signIn(new ScriptedClient('hunter2')),
      await world.signIn(new ScriptedClient('')),
      await world.signIn(new ScriptedClient(used)),
      await world.signIn(new ScriptedClient(expired)),
      await world.signIn(new ScriptedClient(makePassword()), { user: 'app_owner@orders' }),
      await world.signIn(new ScriptedClient(makePassword()), { user: 'app_readonly@payments' }),
      await world.signIn(new ScriptedClient(makePassword()), { user: 'nobody' }),
    ].map(refusalOf)
    expect(answers[0]).toMatchObject(wrong)
    for (const answer of answers) expect(answer).toEqual(answers[0])
    const codes = world.audit.filter(event => event.kind === 'refusal').map(event => event['code'])
    expect(codes).toEqual([
      'unknown',
      'no-password',
      'unknown',
      'unknown',
      'other-login',
      'other-target',
      'other-target',
    ])
  })

  test('a reusable password from another address, which ends it', async () => {
    world.knobs.reuse = { forMs: 3_600_000, connections: 5 }
    const password = makePassword(office)
    expect((await world.signIn(new ScriptedClient(password))).kind).toBe('proven')
    expect(
      refusalOf(await world.signIn(new ScriptedClient(password), { sourceAddress: '10.0.0.8' })),
    ).toMatchObject(wrong)
    expect((await world.signIn(new ScriptedClient(password))).kind).toBe('refused')
  })

  test.each<[string, Record<string, unknown>, Record<string, string>]>([
    ['for somebody else', { aud: 'others' }, {}],
    ['of another repository', { repository: 'eve/infra' }, {}],
    ['of an issuer that nobody trusts', { iss: 'https://evil.example' }, {}],
    ['that has expired', { exp: Math.floor(Date.now() / 1000) - 60 }, {}],
    ['that is a logout token', {}, { typ: 'logout+jwt' }],
    ['signed with a key that is not published', {}, { kid: 'another' }],
  ])('a workload’s token %s (T24)', async (_, claims, header) => {
    const result = await world.signIn(new ScriptedClient(await jwt(claims, header)))
    expect(refusalOf(result)).toMatchObject(wrong)
    expect(world.audit.at(-1)).toMatchObject({ kind: 'refusal', code: 'TOKEN_REFUSED' })
  })

  test('a token without a signature, or with the public key as a shared secret (T24)', async () => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const [, payload] = (await jwt()).split('.')
    for (const alg of ['none', 'HS256']) {
      const forged = `${part({ alg, kid: issuer.keyId })}.${payload}.${part('x')}`
      expect(refusalOf(await world.signIn(new ScriptedClient(forged)))).toMatchObject(wrong)
    }
  })

  test('a token that was first used from another address or exchanged for a key', async () => {
    const token = await jwt({ jti: 'first' })
    expect((await world.signIn(new ScriptedClient(token))).kind).toBe('proven')
    expect(
      refusalOf(await world.signIn(new ScriptedClient(token), { sourceAddress: '10.0.0.8' })),
    ).toMatchObject(wrong)
    expect((await world.signIn(new ScriptedClient(token))).kind).toBe('proven')
    const exchanged = await jwt({ jti: 'second' })
    await world.parts.machines.verify(exchanged, 'SHA256:a key')
    expect(refusalOf(await world.signIn(new ScriptedClient(exchanged)))).toMatchObject(wrong)
  })

  test('where there are no web pages, without an address of any', async () => {
    world = openSignInWorld({ refusals: { webUrl: '', browserSignIn: true } })
    expect(JSON.stringify(refusalOf(await world.signIn(new ScriptedClient('x'))))).not.toMatch(
      /https?:|connect|browser/,
    )
  })
})

describe('refused', () => {
  test('before any password is asked for: a connection without TLS that is not on loopback', async () => {
    const client = new ScriptedClient(makePassword())
    const result = await world.signIn(client, { transport: 'open' })
    expect([client.types, refusalOf(result)]).toMatchObject([
      [],
      { code: '28000', hint: expect.stringContaining('sslmode') },
    ])
  })

  test('a message that is no password, as a violation of the protocol', async () => {
    for (const body of ['', 'no end', 'two\0ends\0', 'more\0x'])
      expect(refusalOf(await world.signIn(new ScriptedClient(Buffer.from(body))))).toMatchObject({
        code: '08P01',
      })
  })

  test('while the issuer of the token is away: nobody is let in for that', async () => {
    world.machines.push({
      issuer: 'http://127.0.0.1:1',
      audience: 'a',
      bound: { sub: 'x' },
      name: 'away',
      groups: [],
      allowHttpIssuer: true,
    })
    const result = await world.signIn(new ScriptedClient(await jwt({ iss: 'http://127.0.0.1:1' })))
    expect(refusalOf(result)).toMatchObject({ code: '57P03' })
  })

  test('where the audit log cannot be written', async () => {
    const failing = () => {
      throw new Error('disk full')
    }
    world = openSignInWorld({ audit: { append: failing } })
    world.machines.push({
      issuer: issuer.url,
      audience: 'databases',
      bound: { repository: 'acme/infra' },
      name: 'ci-infra',
      groups: [],
      allowHttpIssuer: true,
    })
    const result = await world.signIn(new ScriptedClient(await jwt()))
    expect(refusalOf(result)).toMatchObject({ code: '57P03' })
    expect(JSON.stringify(result)).not.toContain('disk full')
  })

  test('and written down, but not more often than a disk can bear', async () => {
    for (let count = 0; count < notesPerMinute + 30; count++) await world.signIn(new ScriptedClient('wrong'))
    expect(world.audit).toHaveLength(notesPerMinute)
    world.knobs.aheadMs = 61_000
    await world.signIn(new ScriptedClient('wrong'))
    expect(world.audit.at(-1)).toMatchObject({ notWrittenBefore: '30' })
    expect(JSON.stringify(world.audit)).not.toContain('"wrong"')
  })

  test('nothing is said to a client that left', async () => {
    expect(await world.signIn(new ScriptedClient())).toEqual({ kind: 'gone' })
  })
})

describe('signed in', () => {
  test('with a password of the page, which also says where to', async () => {
    const result = await world.signIn(new ScriptedClient(makePassword()), { user: 'orders' })
    expect(result).toMatchObject({
      kind: 'proven',
      principal: ada,
      place: { target: 'orders', login: 'app_readonly' },
      proof: { method: 'password' },
      authenticationOkSent: false,
    })
  })

  test('with a workload’s token, over as many connections as it lives, and no longer than it lives', async () => {
    const exp = Math.floor(Date.now() / 1000) + 200
    const token = await jwt({ exp })
    for (let count = 0; count < 3; count++)
      expect(await world.signIn(new ScriptedClient(token))).toMatchObject({
        kind: 'proven',
        place: { target: 'orders', login: 'app_readonly' },
        principal: {
          fields: { name: 'ci-infra', groups: ['deployers'], issuer: issuer.url, expiresAtMs: exp * 1000 },
        },
      })
    expect(world.audit.at(-1)).toMatchObject({
      kind: 'sign-in',
      method: 'token',
      principal: 'ci-infra',
      protocol: 'postgres',
    })
    expect(JSON.stringify(world.audit)).not.toContain(token.slice(0, 40))
  })

  test('two issuers that say the same subject and e-mail are two principals (T50)', async () => {
    const other = await startHostileIssuer('databases')
    world.machines.push({
      issuer: other.url,
      audience: 'databases',
      bound: { repository: 'acme/infra' },
      name: 'ci-infra',
      groups: [],
      allowHttpIssuer: true,
    })
    const token = await other.idToken('', { repository: 'acme/infra', aud: 'databases' })
    const [one, two] = [
      await world.signIn(new ScriptedClient(await jwt())),
      await world.signIn(new ScriptedClient(token)),
    ]
    await other.close()
    if (one.kind !== 'proven' || two.kind !== 'proven') throw new Error('both are good')
    expect(one.principal.fields.subject).toBe(two.principal.fields.subject)
    expect(one.principal.fields.issuer).not.toBe(two.principal.fields.issuer)
    expect(two.principal.fields.groups).toEqual([])
  })
})

describe('a client certificate', () => {
  async function certificate(more: { from?: string; gatewayName?: string } = {}): Promise<Buffer> {
    const key = parseClientKey(
      generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    )
    if (key === undefined) throw new Error('no key')
    const wish = {
      key,
      principal: ada.fields,
      gatewayName: 'bastion.example.com',
      lifetimeMs: 600_000,
      nowMs: Date.now(),
    }
    return new X509Certificate((await issueX509SignIn({ ...wish, ...more }, world.authority)).pem).raw
  }

  test('of ours signs in without a password', async () => {
    const client = new ScriptedClient()
    const result = await world.signIn(client, { clientCertificate: await certificate() })
    expect(result).toMatchObject({
      kind: 'proven',
      principal: { fields: { email: 'ada@example.com' } },
      place: { target: 'orders', login: 'app_readonly' },
      proof: { method: 'certificate' },
    })
    expect(client.types).toEqual([])
  })

  test('that does not count here leads to the password prompt, and the refusal says what was wrong with it', async () => {
    const elsewhere = { clientCertificate: await certificate({ from: '192.0.2.1' }) }
    expect((await world.signIn(new ScriptedClient(makePassword()), elsewhere)).kind).toBe('proven')
    const refused = refusalOf(await world.signIn(new ScriptedClient(''), elsewhere))
    expect(refused).toMatchObject({ ...wrong, detail: expect.stringContaining('wrong-source-address') })
    const others = { clientCertificate: Buffer.from('what libpq found in the home folder') }
    expect((await world.signIn(new ScriptedClient(makePassword()), others)).kind).toBe('proven')
  })
})

describe('the word "browser"', () => {
  async function confirm(link: string, from = office, who = ada, denied = false) {
    const id = link.split('/').at(-1) ?? ''
    world.waiting.bind(id, who, 'browser')
    return denied ? world.waiting.deny(id, 'browser') : world.waiting.approve(id, 'browser', from)
  }

  test('shows a link after AuthenticationOk, and waits', async () => {
    const client = new ScriptedClient(' Browser ')
    const result = world.signIn(client)
    const link = await client.link()
    expect(client.types).toEqual(['R3', 'R0', 'S', 'N'])
    expect(client.allowed).toEqual([305_000])
    await confirm(link)
    expect(await result).toMatchObject({
      kind: 'proven',
      principal: ada,
      place: { target: 'orders', login: 'app_readonly' },
      proof: { method: 'browser-confirmation' },
      authenticationOkSent: true,
    })
    expect(world.audit.at(-1)).toMatchObject({
      kind: 'sign-in',
      method: 'browser-confirmation',
      principal: ada.fields.name,
    })
  })

  test('lets nobody in who confirms at another address: an attacker’s link is not enough (T25, T40)', async () => {
    const client = new ScriptedClient('browser')
    const result = world.signIn(client, { sourceAddress: '198.51.100.9' })
    expect(await confirm(await client.link(), office)).toEqual({ kind: 'elsewhere' })
    client.leave()
    expect(await result).toEqual({ kind: 'gone' })
  })

  test('opens the connection that asked and no other (T25, T40)', async () => {
    const [first, second] = [new ScriptedClient('browser'), new ScriptedClient('browser')]
    const results = [world.signIn(first), world.signIn(second)]
    await confirm(await second.link())
    expect((await results[1])?.kind).toBe('proven')
    expect(await confirm(await second.link())).toEqual({ kind: 'gone' })
    first.leave()
    expect((await results[0])?.kind).toBe('gone')
  })

  test('is a wrong password like any other where it is switched off', async () => {
    world = openSignInWorld({ refusals: { webUrl, browserSignIn: false } })
    const client = new ScriptedClient('browser')
    const refused = refusalOf(await world.signIn(client))
    expect([client.types, refused]).toMatchObject([['R3'], wrong])
    expect(JSON.stringify(refused)).not.toContain('browser')
  })

  test('denied, out of time, or one too many from one source: refused, with the other way to sign in', async () => {
    const denied = new ScriptedClient('browser')
    const result = world.signIn(denied)
    await confirm(await denied.link(), office, ada, true)
    expect(refusalOf(await result)).toMatchObject({
      code: '28000',
      message: expect.stringContaining('denied'),
      hint: expect.stringContaining(`${webUrl}/connect`),
    })
    world.knobs.signInTimeoutMs = 20
    expect(refusalOf(await world.signIn(new ScriptedClient('browser')))).toMatchObject({ code: '28000' })
    world.knobs.signInTimeoutMs = 300_000
    const waiting = [new ScriptedClient('browser'), new ScriptedClient('browser')]
    const ends = waiting.map(client => world.signIn(client))
    await Promise.all(waiting.map(client => client.link()))
    const third = new ScriptedClient('browser')
    expect(refusalOf(await world.signIn(third))).toMatchObject({
      code: '28000',
      message: expect.stringContaining('waiting'),
    })
    expect(third.types).toEqual(['R3'])
    for (const client of waiting) client.leave()
    expect((await Promise.all(ends)).map(end => end.kind)).toEqual(['gone', 'gone'])
    expect(world.waiting.size).toBe(0)
  })
})

test('where to: the user name first, then the TLS server name, which only a target of ours has', () => {
  const names = world.parts.places()
  const cases: [string, string | undefined, unknown][] = [
    ['app_readonly@orders', undefined, { login: 'app_readonly', target: 'orders' }],
    ['app_readonly+orders', undefined, { login: 'app_readonly', target: 'orders' }],
    ['orders', undefined, { bare: 'orders' }],
    ['app_readonly', 'orders.bastion.example.com', { login: 'app_readonly', target: 'orders' }],
    ['app_readonly@', 'ORDERS.Bastion.Example.COM', { login: 'app_readonly', target: 'orders' }],
    ['app_readonly@payments', 'orders.bastion.example.com', { login: 'app_readonly', target: 'payments' }],
    ['ada', 'bastion.example.com', { bare: 'ada' }],
    ['ada', 'unknown.bastion.example.com', { bare: 'ada' }],
    ['ada', 'orders.evil.example', { bare: 'ada' }],
    ['ada', '.bastion.example.com', { bare: 'ada' }],
  ]
  for (const [user, serverName, place] of cases) expect(readPlace(user, serverName, names)).toEqual(place)
})
