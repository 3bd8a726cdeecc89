import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { isAcceptableOffer, proveKey, signedBytes } from '../../src/identity/key-proof.ts'
import { checkSignature, parsePublicKeyLine, parseUserKey } from '../../src/identity/user-key.ts'
import { string, WireReader } from '../../src/wire.ts'
import { programPath, scratchFolder, testWith } from '../support/openssh.ts'
import {
  algorithmOf,
  connection,
  ecdsaKey,
  ed25519Key,
  fidoKey,
  mpint,
  proven,
  rsaKey,
  type TestKey,
} from './keys.ts'

const scratch = scratchFolder()
afterAll(scratch.remove)

const keys: readonly (readonly [string, TestKey])[] = [
  ['ssh-ed25519', ed25519Key()],
  ['ecdsa-sha2-nistp256', ecdsaKey(256)],
  ['ecdsa-sha2-nistp384', ecdsaKey(384)],
  ['ecdsa-sha2-nistp521', ecdsaKey(521)],
  ['ssh-rsa', rsaKey()],
  ['sk-ssh-ed25519@openssh.com', fidoKey()],
  ['sk-ecdsa-sha2-nistp256@openssh.com', fidoKey({ kind: 'ecdsa' })],
]

function requestOf(key: TestKey, algorithm = algorithmOf(key)) {
  return { ...connection, algorithm, blob: key.blob }
}

function prove(key: TestKey, more: Partial<Parameters<typeof proveKey>[0]> = {}) {
  const request = requestOf(key)
  return proveKey({ ...request, signature: key.sign(signedBytes(request)), ...more })
}

describe('T22: a signature that is not exactly the key’s over exactly this request proves nothing', () => {
  const ed25519 = ed25519Key()
  const rsa = rsaKey()
  const garbage = Buffer.alloc(64, 1)

  test.each(['rsa-sha2-512', 'rsa-sha2-256', 'ecdsa-sha2-nistp256', 'ssh-rsa', 'ssh-dss', 'none', ''])(
    'an Ed25519 key that calls itself %s',
    algorithm => {
      const signature = Buffer.concat([string(algorithm), string(garbage)])
      expect(proveKey({ ...requestOf(ed25519, algorithm), signature })).toBeUndefined()
      expect(isAcceptableOffer({ algorithm, blob: ed25519.blob })).toBe(false)
    },
  )

  test('a right signature under the name of another algorithm', () => {
    const request = requestOf(rsa, 'rsa-sha2-512')
    expect(
      proveKey({ ...request, signature: rsa.sign(signedBytes(request), 'rsa-sha2-256') }),
    ).toBeUndefined()
  })

  test('SHA-1, even with the right key', () => {
    const request = requestOf(rsa, 'ssh-rsa')
    expect(proveKey({ ...request, signature: rsa.sign(signedBytes(request), 'ssh-rsa') })).toBeUndefined()
    const modern = requestOf(rsa, 'rsa-sha2-256')
    expect(proveKey({ ...modern, signature: rsa.sign(signedBytes(modern), 'ssh-rsa') })).toBeUndefined()
  })

  test.each([
    ['another connection', { sessionId: Buffer.alloc(32, 8) }],
    ['another user name', { userName: 'root@web2' }],
    ['another service', { service: 'ssh-userauth' }],
    ['another key', { blob: ed25519Key().blob }],
    ['no signature at all', { signature: Buffer.alloc(0) }],
    ['an empty signature', { signature: Buffer.concat([string('ssh-ed25519'), string('')]) }],
    ['a signature of zeros', { signature: Buffer.concat([string('ssh-ed25519'), string(Buffer.alloc(64))]) }],
  ] as const)('signed for one thing, shown with %s', (_, more) => {
    expect(prove(ed25519)).toBeDefined()
    expect(prove(ed25519, more)).toBeUndefined()
  })

  test('bytes after the signature', () => {
    const signature = ed25519.sign(signedBytes(requestOf(ed25519)))
    expect(prove(ed25519, { signature: Buffer.concat([signature, Buffer.of(0)]) })).toBeUndefined()
  })

  test.each(keys)('%s: any flipped byte of the signature refuses', (_, key) => {
    const signature = key.sign(signedBytes(requestOf(key)))
    const flips = fc.tuple(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(flips, ([at, by]) => {
        const bad = Buffer.from(signature)
        bad[at] = (bad[at] ?? 0) ^ by
        expect(prove(key, { signature: bad })).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })

  test.each(keys)('%s: any flipped byte of the key refuses', (_, key) => {
    const flips = fc.tuple(fc.nat(key.blob.length - 1), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(flips, ([at, by]) => {
        const blob = Buffer.from(key.blob)
        blob[at] = (blob[at] ?? 0) ^ by
        expect(prove(key, { blob })).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })

  test('whatever bytes come as a key or a signature, nothing is thrown and nothing proven', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))
    const algorithm = fc.constantFrom(...keys.map(([name]) => name), 'rsa-sha2-512')
    fc.assert(
      fc.property(algorithm, bytes, bytes, (name, blob, signature) => {
        const wrapped = Buffer.concat([string(name), blob])
        expect(proveKey({ ...connection, algorithm: name, blob: wrapped, signature })).toBeUndefined()
        expect(proveKey({ ...connection, algorithm: name, blob, signature })).toBeUndefined()
      }),
    )
  })
})

describe('a key that is no good is not even accepted as an offer', () => {
  test('RSA of 1,024 bits', () => {
    expect(parseUserKey(rsaKey(1024).blob)).toBeUndefined()
  })

  test('RSA with an even modulus, an exponent of one, or an endless exponent', () => {
    const reader = new WireReader(rsaKey().blob)
    reader.string()
    const [e, n] = [reader.string(), Buffer.from(reader.string())]
    const made = (exponent: Buffer, modulus: Buffer) =>
      parseUserKey(Buffer.concat([string('ssh-rsa'), mpint(exponent), mpint(modulus)]))
    expect(made(e, n)).toBeDefined()
    expect(made(Buffer.of(1), n)).toBeUndefined()
    expect(made(Buffer.alloc(40, 0x7f), n)).toBeUndefined()
    n[n.length - 1] = 2
    expect(made(e, n)).toBeUndefined()
  })

  test('numbers that are not in their shortest form', () => {
    const reader = new WireReader(rsaKey().blob)
    reader.string()
    const [e, n] = [reader.string(), reader.string()]
    const padded = Buffer.concat([string('ssh-rsa'), string(Buffer.concat([Buffer.of(0), e])), string(n)])
    expect(parseUserKey(padded)).toBeUndefined()
  })

  test('a point that is not on its curve, is compressed, or is of another curve', () => {
    const { blob } = ecdsaKey(256)
    const off = Buffer.from(blob)
    off[off.length - 1] = (off.at(-1) ?? 0) ^ 1
    expect(parseUserKey(off)).toBeUndefined()
    const reader = new WireReader(blob)
    reader.string()
    reader.string()
    const point = Buffer.from(reader.string())
    const type = 'ecdsa-sha2-nistp256'
    const compressed = Buffer.concat([Buffer.of(2), point.subarray(1, 33)])
    expect(
      parseUserKey(Buffer.concat([string(type), string('nistp256'), string(compressed)])),
    ).toBeUndefined()
    expect(parseUserKey(Buffer.concat([string(type), string('nistp384'), string(point)]))).toBeUndefined()
  })

  test('a FIDO key that was made for a web site', () => {
    expect(parseUserKey(fidoKey({ application: 'https://bank.example' }).blob)).toBeUndefined()
  })

  test('bytes after the key, and a key cut short', () => {
    const { blob } = ed25519Key()
    expect(parseUserKey(Buffer.concat([blob, Buffer.of(0)]))).toBeUndefined()
    expect(parseUserKey(blob.subarray(0, -1))).toBeUndefined()
    expect(parseUserKey(Buffer.alloc(0))).toBeUndefined()
  })

  test('DSA, and names that are no type of key', () => {
    for (const name of ['ssh-dss', 'ssh-ed448', '__proto__', 'constructor'])
      expect(parseUserKey(Buffer.concat([string(name), string(Buffer.alloc(32, 1))]))).toBeUndefined()
  })
})

describe('FIDO keys', () => {
  test.each(['ed25519', 'ecdsa'] as const)('%s: nobody touched it, so it proves nothing', kind => {
    const key = fidoKey({ flags: 0, kind })
    const request = requestOf(key)
    expect(proveKey({ ...request, signature: key.sign(signedBytes(request)) })).toBeUndefined()
    const verifiedOnly = fidoKey({ flags: 4, kind })
    expect(prove(verifiedOnly)).toBeUndefined()
  })

  test('flags and counter are signed: claiming a touch or a PIN afterwards refuses', () => {
    const key = fidoKey({ flags: 1, counter: 9 })
    const signature = key.sign(signedBytes(requestOf(key)))
    const claimed = Buffer.from(signature)
    claimed[claimed.length - 5] = 5
    expect(prove(key, { signature: claimed })).toBeUndefined()
    expect(prove(key, { signature })?.fields.facts.fido).toEqual({ userVerified: false, counter: 9 })
  })

  test('a PIN or a finger is told from a touch', () => {
    expect(proven(fidoKey({ flags: 5 })).fields.facts.fido?.userVerified).toBe(true)
    expect(proven(fidoKey({ flags: 1 })).fields.facts.fido?.userVerified).toBe(false)
  })
})

test.each(keys)('%s: the right signature proves the key, with the fingerprint of ssh-keygen', (_, key) => {
  const evidence = proven(key)
  const digest = createHash('sha256').update(key.blob).digest('base64').replace(/=+$/, '')
  expect(evidence.fields.key.fingerprint).toBe(`SHA256:${digest}`)
  expect(evidence.fields.certificate).toBeUndefined()
})

test('RSA keys sign with either hash', () => {
  const key = rsaKey()
  for (const algorithm of ['rsa-sha2-256', 'rsa-sha2-512']) {
    const request = requestOf(key, algorithm)
    expect(proveKey({ ...request, signature: key.sign(signedBytes(request), algorithm) })).toBeDefined()
  }
})

describe('vectors of ssh-keygen', () => {
  const types = [
    ['ed25519', undefined],
    ['ecdsa', '256'],
    ['ecdsa', '384'],
    ['ecdsa', '521'],
    ['rsa', '2048'],
    ['rsa', '3072'],
  ] as const
  for (const [type, bits] of types)
    testWith('ssh-keygen')(
      `${type} ${bits ?? ''}: its key is read and its signature holds, for that text alone`,
      () => {
        const file = join(scratch.path, `${type}${bits ?? ''}`)
        const size = bits === undefined ? [] : ['-b', bits]
        execFileSync(programPath('ssh-keygen'), ['-q', '-t', type, ...size, '-N', '', '-f', file])
        const key = parsePublicKeyLine(readFileSync(`${file}.pub`, 'utf8'))
        if (key === undefined) throw new Error('not read')
        const shown = execFileSync(programPath('ssh-keygen'), ['-l', '-f', `${file}.pub`]).toString()
        expect(shown).toContain(key.fingerprint)
        const text = join(scratch.path, 'text')
        writeFileSync(text, 'signed')
        execFileSync(programPath('ssh-keygen'), ['-q', '-Y', 'sign', '-n', 'test', '-f', file, text], {
          stdio: 'ignore',
        })
        const { data, signature } = readSshSig(readFileSync(`${text}.sig`, 'utf8'), 'signed')
        execFileSync('rm', [`${text}.sig`])
        const algorithm = type === 'rsa' ? 'rsa-sha2-512' : key.type
        expect(checkSignature(key, algorithm, data, signature)).toEqual({ fido: undefined })
        expect(checkSignature(key, algorithm, Buffer.concat([data, Buffer.of(0)]), signature)).toBeUndefined()
      },
    )
})

/** PROTOCOL.sshsig: what was signed, and the signature. */
function readSshSig(armored: string, text: string): { data: Buffer; signature: Buffer } {
  const blob = Buffer.from(armored.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const reader = new WireReader(blob, 'SSHSIG'.length + 4)
  reader.string()
  const [namespace, reserved, hash] = [reader.string(), reader.string(), reader.string()]
  const digest = createHash(hash.toString()).update(text).digest()
  const data = Buffer.concat([
    Buffer.from('SSHSIG'),
    string(namespace),
    string(reserved),
    string(hash),
    string(digest),
  ])
  return { data, signature: reader.string() }
}
