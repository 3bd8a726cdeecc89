/** Keys at the SSH door, packet by packet: threats T20, T21, T22 and T25. */
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { type KeyOffer, type ProvenKey, signedBytes } from '../../src/identity/key-proof.ts'
import { fingerprintOf } from '../../src/identity/user-key.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { WaitingSignIn } from '../../src/identity/waiting-sign-in.ts'
import { type KeyVerdict, type SignInProof, SshAuthentication } from '../../src/ssh/authentication.ts'
import { encodeServiceRequest, messageNumber } from '../../src/ssh/messages.ts'
import { boolean, byte, string, uint32, WireReader } from '../../src/wire.ts'
import { algorithmOf, ed25519Key, rsaKey, type TestKey } from '../identity/keys.ts'
import { person, settled } from './fakes.ts'

const maxAttempts = 6
const publicKeyOk = 60
const sessionId = Buffer.alloc(32, 3)
const user = 'root@web1'

let sent: Buffer[]
let goodbyes: string[]
let judged: ProvenKey[]
let opened: { key: ProvenKey | undefined; cancelled: boolean }[]
let admissions: { principal: Principal; userName: string; proof: SignInProof }[]
/** Keys that sign in, by fingerprint. */
let known: Map<string, Principal>
let judge: (key: ProvenKey) => Promise<KeyVerdict>
let authentication: SshAuthentication

beforeEach(() => {
  sent = []
  goodbyes = []
  judged = []
  opened = []
  admissions = []
  known = new Map()
  judge = async key => {
    const principal = known.get(key.fields.key.fingerprint)
    if (principal === undefined) return { kind: 'unknown' }
    return { kind: 'signed-in', principal, proof: { method: 'enrolled-key', key, id: 'k', notice: '' } }
  }
  authentication = new SshAuthentication({
    send: payload => void sent.push(Buffer.from(payload)),
    disconnect: (_, text) => void goodbyes.push(text),
    sessionId: () => sessionId,
    judgeKey: key => {
      judged.push(key)
      return judge(key)
    },
    openSignIn: (_, key) => ({ kind: 'waiting', signIn: new FakeSignIn(key) }),
    admit: (principal, userName, proof) => {
      admissions.push({ principal, userName, proof })
      return Promise.resolve({ kind: 'admitted', start: () => {} })
    },
    banner: 'hello',
    maxAttempts,
  })
  say(encodeServiceRequest('ssh-userauth'))
  numbers()
})

class FakeSignIn implements WaitingSignIn {
  readonly url = 'https://gw/sign-in/x'
  readonly closed = false
  readonly ended = new Promise<never>(() => {})
  readonly #entry: { key: ProvenKey | undefined; cancelled: boolean }
  constructor(key: ProvenKey | undefined) {
    this.#entry = { key, cancelled: false }
    opened.push(this.#entry)
  }
  submit(code: string) {
    return { kind: 'proven', principal: person(), enrolKey: code === 'ENROL' } as const
  }
  cancel(): void {
    this.#entry.cancelled = true
  }
}

const say = (payload: Uint8Array): void => authentication.message(Buffer.from(payload))
const numbers = (): number[] =>
  sent
    .splice(0)
    .map(payload => payload[0] ?? 0)
    .filter(number => number !== messageNumber.authBanner)

function request(method: string, fields: Buffer, userName = user): Buffer {
  return Buffer.concat([byte(50), string(userName), string('ssh-connection'), string(method), fields])
}

function offer(key: TestKey, more: Partial<KeyOffer> = {}, userName = user): Buffer {
  const { algorithm, blob } = { algorithm: algorithmOf(key), blob: key.blob, ...more }
  return request('publickey', Buffer.concat([boolean(false), string(algorithm), string(blob)]), userName)
}

function signed(key: TestKey, more: Partial<KeyOffer & { by: TestKey; over: Buffer }> = {}): Buffer {
  const { algorithm, blob } = { algorithm: algorithmOf(key), blob: key.blob, ...more }
  const data =
    more.over ?? signedBytes({ sessionId, userName: user, service: 'ssh-connection', algorithm, blob })
  const signature = (more.by ?? key).sign(data, algorithm)
  const fields = [boolean(true), string(algorithm), string(blob), string(signature)]
  return request('publickey', Buffer.concat(fields))
}

const none = request('none', Buffer.alloc(0))
const interactive = request('keyboard-interactive', Buffer.concat([string(''), string('')]))
const answer = (code: string): Buffer => Buffer.concat([byte(61), uint32(1), string(code)])

function knows(key: TestKey, as = person()): TestKey {
  const reader = signed(key)
  say(reader) // learns the fingerprint the way the door does
  const proven = judged.at(-1)
  if (proven === undefined) throw new Error('not proven')
  known.set(proven.fields.key.fingerprint, as)
  return key
}

async function asked(payload: Buffer): Promise<number[]> {
  say(payload)
  await settled()
  return numbers()
}

describe('T20: an offer is never a login', () => {
  test('an enrolled key is offered, and then none, keyboard-interactive or a guess follows', async () => {
    const key = knows(ed25519Key())
    await settled()
    numbers()
    judged = []
    expect(await asked(offer(key))).toEqual([publicKeyOk])
    expect(await asked(none)).toEqual([messageNumber.authFailure])
    expect(await asked(offer(key))).toEqual([publicKeyOk])
    expect(await asked(interactive)).toEqual([messageNumber.infoRequest])
    expect([judged, admissions]).toEqual([[], []])
  })

  test('the offer of a key, then the prompt: the page has no key to enrol', async () => {
    expect(await asked(offer(ed25519Key()))).toEqual([publicKeyOk])
    await asked(interactive)
    expect(opened.map(one => one.key)).toEqual([undefined])
  })

  test('every well-formed key is answered alike, known or not, and repeated word for word', async () => {
    const enrolled = knows(ed25519Key())
    await settled()
    numbers()
    for (const key of [enrolled, ed25519Key(), rsaKey()]) {
      say(offer(key))
      const [reply] = sent.splice(0)
      const reader = new WireReader(reply ?? Buffer.alloc(0), 1)
      expect([reply?.[0], reader.text(), reader.string().equals(key.blob)]).toEqual([
        publicKeyOk,
        algorithmOf(key),
        true,
      ])
    }
  })
})

describe('T21: identity is the key that signed last, and only that', () => {
  test('A and B are offered, A signs: it is A', async () => {
    const [a, b] = [ed25519Key(), ed25519Key()]
    const ada = person()
    knows(a, ada)
    await settled()
    numbers()
    await asked(offer(a))
    await asked(offer(b))
    expect(await asked(signed(a))).toEqual([messageNumber.authSuccess])
    expect(admissions).toMatchObject([{ principal: ada, userName: user }])
  })

  test('enrolled A is offered, stranger B signs: nobody, and only B could be enrolled', async () => {
    const [a, b] = [ed25519Key(), ed25519Key()]
    knows(a)
    await settled()
    numbers()
    await asked(offer(b))
    await asked(offer(a))
    expect(await asked(signed(b))).toEqual([messageNumber.authFailure])
    expect(admissions).toEqual([])
    await asked(offer(a))
    await asked(interactive)
    expect(opened.at(-1)?.key?.fields.key.blob.equals(b.blob)).toBe(true)
  })

  test('two strangers sign: the page speaks of the last', async () => {
    const [a, b] = [ed25519Key(), ed25519Key()]
    await asked(signed(a))
    await asked(signed(b))
    await asked(interactive)
    expect(opened.at(-1)?.key?.fields.key.blob.equals(b.blob)).toBe(true)
  })

  test('a good signature, then a bad one: there is no key any more', async () => {
    const [a, b] = [ed25519Key(), ed25519Key()]
    await asked(signed(a))
    await asked(signed(b, { by: a }))
    await asked(interactive)
    expect(opened.at(-1)?.key).toBeUndefined()
  })

  test('a key that signs while a prompt waits ends that prompt; its code is not for the other key', async () => {
    const [a, b] = [ed25519Key(), ed25519Key()]
    await asked(signed(a))
    await asked(interactive)
    await asked(signed(b))
    expect(opened[0]?.cancelled).toBe(true)
    expect(() => say(answer('ENROL'))).toThrow('Nobody asked')
    await asked(interactive)
    await asked(answer('ENROL'))
    const { proof } = admissions[0] ?? {}
    expect(proof?.method === 'browser-code' && proof.enrol?.fields.key.blob.equals(b.blob)).toBe(true)
  })

  test('the tick enrols the key that signed, no tick enrols none, and no key enrols none', async () => {
    await asked(interactive)
    await asked(answer('ENROL'))
    expect(admissions).toMatchObject([{ proof: { method: 'browser-code', enrol: undefined } }])
  })
})

describe('T22: a signature that is not exactly right is a failure like any other', () => {
  const key = ed25519Key()
  test.each([
    ['over another session', { over: Buffer.alloc(100) }],
    ['by another key', { by: ed25519Key() }],
    ['as rsa-sha2-512', { algorithm: 'rsa-sha2-512' }],
    ['as ecdsa-sha2-nistp256', { algorithm: 'ecdsa-sha2-nistp256' }],
    ['as ssh-rsa', { algorithm: 'ssh-rsa' }],
  ])('%s', async (_, more) => {
    known = new Map()
    expect(await asked(signed(key, more))).toEqual([messageNumber.authFailure])
    expect([judged, admissions]).toEqual([[], []])
  })

  test('and says nothing else, and no partial success', async () => {
    await asked(none)
    say(signed(key, { by: ed25519Key() }))
    const [reply] = sent.splice(0)
    const reader = new WireReader(reply ?? Buffer.alloc(0), 1)
    expect([reader.text(), reader.boolean()]).toEqual(['publickey,keyboard-interactive', false])
  })

  test('a request that holds no key, or more than a key, is no request', () => {
    expect(() => say(request('publickey', Buffer.alloc(3)))).toThrow('malformed')
    expect(() => say(Buffer.concat([offer(key), Buffer.of(0)]))).toThrow('malformed')
    expect(() => say(Buffer.concat([signed(key), Buffer.of(0)]))).toThrow('malformed')
  })
})

describe('T25: the user name cannot change', () => {
  test('between the offer and the signature, or after it', async () => {
    const key = ed25519Key()
    await asked(offer(key, {}, 'eve@web1'))
    expect(() => say(signed(key))).toThrow('must not change')
  })

  test('and the wish is in what was signed', async () => {
    const key = knows(ed25519Key())
    await settled()
    numbers()
    const over = signedBytes({
      sessionId,
      userName: 'root@db1',
      service: 'ssh-connection',
      algorithm: 'ssh-ed25519',
      blob: key.blob,
    })
    expect(await asked(signed(key, { over }))).toEqual([messageNumber.authFailure])
  })
})

describe('an agent with many keys', () => {
  test('signs with some, is answered no for the rest, and still comes to the prompt', async () => {
    await asked(none)
    for (let n = 0; n < 40; n++) {
      const key = ed25519Key()
      if ((await asked(offer(key)))[0] === publicKeyOk) await asked(signed(key))
    }
    expect([goodbyes, judged.length]).toEqual([[], maxAttempts - 1])
    expect(await asked(interactive)).toEqual([messageNumber.infoRequest])
  })

  test('does not offer without end', async () => {
    const key = ed25519Key()
    for (let n = 0; n < 101 && goodbyes.length === 0; n++) await asked(offer(key))
    expect(goodbyes).toEqual(['Too many keys were offered. Connect again.'])
  })

  test('signatures that are wrong are attempts, and never reach a look-up', async () => {
    const [a, b] = [ed25519Key(), ed25519Key()]
    for (let n = 0; n < 10; n++) await asked(signed(a, { by: b }))
    expect([judged, goodbyes]).toEqual([[], []])
    await asked(interactive)
    await asked(interactive)
    expect(goodbyes).toEqual(['Too many sign-in attempts. Connect again.'])
  })
})

describe('while a key is looked up', () => {
  test('nothing else is taken, and what comes of it after the client left is not said', async () => {
    const pending = Promise.withResolvers<KeyVerdict>()
    judge = () => pending.promise
    const key = ed25519Key()
    say(signed(key))
    expect(() => say(interactive)).toThrow('Not the time')
    expect(() => say(answer('GOOD'))).toThrow('Nobody asked')
    authentication.close()
    const proof = { method: 'enrolled-key', key: judged[0] as ProvenKey, id: 'k', notice: '' } as const
    pending.resolve({ kind: 'signed-in', principal: person(), proof })
    await settled()
    expect([numbers(), admissions]).toEqual([[], []])
  })

  test('a store that fails refuses, and says nothing of why', async () => {
    judge = () => Promise.reject(new Error('SQLITE_IOERR /var/lib/secret'))
    await asked(signed(ed25519Key()))
    expect(goodbyes).toEqual(['The gateway cannot look up keys now, so nobody is signed in. Try again.'])
    expect(admissions).toEqual([])
  })
})

test('property: without a right signature of an enrolled key or a code, no order of requests lets anybody in', async () => {
  const [enrolled, stranger] = [ed25519Key(), ed25519Key()]
  known.set(fingerprintOf(enrolled.blob), person())
  const payload = fc.constantFrom(
    none,
    interactive,
    offer(enrolled),
    offer(stranger),
    signed(stranger),
    signed(enrolled, { by: stranger }),
    signed(stranger, { by: enrolled }),
    signed(enrolled, { over: Buffer.alloc(64) }),
    signed(enrolled, { algorithm: 'rsa-sha2-512' }),
    request(
      'publickey',
      Buffer.concat([boolean(true), string('ssh-ed25519'), string(enrolled.blob), string('')]),
    ),
    offer(enrolled, {}, 'root@db1'),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(payload, { maxLength: 12 }), async payloads => {
      const replies: number[] = []
      let admitted = 0
      const one = new SshAuthentication({
        send: reply => void replies.push(reply[0] ?? 0),
        disconnect: () => {},
        sessionId: () => sessionId,
        judgeKey: key => judge(key),
        openSignIn: (_, key) => ({ kind: 'waiting', signIn: new FakeSignIn(key) }),
        admit: () => {
          admitted++
          return new Promise(() => {})
        },
        banner: '',
        maxAttempts,
      })
      one.message(encodeServiceRequest('ssh-userauth'))
      for (const bytes of payloads) {
        try {
          one.message(Buffer.from(bytes))
          await settled()
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'SSH_PROTOCOL' })
          break
        }
      }
      expect([admitted, replies.includes(messageNumber.authSuccess)]).toEqual([0, false])
      one.close()
    }),
    { numRuns: 200 },
  )
})
