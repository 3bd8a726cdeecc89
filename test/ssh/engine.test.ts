import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { proveEngine } from '../../src/ssh/engine.ts'
import { engineProofs } from '../../src/ssh/engine-proofs.ts'
import { type Library, loadLibrary, type ProtocolConfig } from '../../src/ssh/library.ts'
import { hostKeyPem } from './peer.ts'

const library = loadLibrary()

/** What the log would say of such a library. */
function objection(changed: Library): string {
  try {
    proveEngine(() => changed)
    return ''
  } catch (error) {
    expect(error).toMatchObject({
      code: 'ENGINE_NOT_HARDENED',
      userText: expect.stringContaining('npm ci') as string,
    })
    return (error as Error).message
  }
}

/** The library with another protocol class, as if one hunk were missing. */
function lacking(
  change: (config: ProtocolConfig) => ProtocolConfig,
  methods: Partial<Record<string, unknown>> = {},
): Library {
  class Changed extends library.Protocol {
    constructor(config: ProtocolConfig) {
      super(change(config))
      Object.assign(this, methods)
    }
  }
  return { ...library, Protocol: Changed }
}

test('the library as published is not an engine', () => {
  class Published extends library.Protocol {}
  Object.defineProperty(Published, 'sallyportPatch', { value: undefined })
  expect(objection({ ...library, Protocol: Published })).toContain('the patch is number')
})

test('a library that is missing is not an engine', () => {
  const load = () => {
    throw new Error("Cannot find module 'ssh2/package.json'")
  }
  expect(() => proveEngine(load)).toThrow("Cannot find module 'ssh2/package.json'")
})

test('another version of the library is not an engine, even with the patch', () => {
  expect(objection({ ...library, version: '1.17.1' })).toContain('the version is 1.17.0')
})

test('source that was touched after the review is not an engine', () => {
  expect(objection({ ...library, digest: 'deadbeef' })).toContain(
    'the code is the reviewed one (it is deadbeef)',
  )
})

test.each<[string, Library]>([
  [
    'accepts a host that nobody verifies',
    lacking(config =>
      config.server ? config : { ...config, hostVerifier: config.hostVerifier ?? (() => true) },
    ),
  ],
  ['queues without a limit', lacking(config => ({ ...config, maxQueuedBytes: Infinity }))],
  ['keeps messages to itself', lacking(config => ({ ...config, onMessage: () => undefined }))],
  ['says goodbye without a reason', lacking(config => config, { disconnect: () => undefined })],
  [
    'verifies any signature',
    {
      ...library,
      parseKey: key =>
        Object.assign(Object.create(library.parseKey(key) as object) as object, {
          verify: () => true,
        }) as never,
    },
  ],
  [
    'has ciphers that fail',
    {
      ...library,
      crypto: {
        ...library.crypto,
        createDecipher: () => ({
          decrypt: () => {
            throw new Error('invalid operation')
          },
        }),
      },
    },
  ],
])('a library that %s is not an engine', (_, changed) => {
  expect(objection(changed)).toContain('not proven')
})

test('all proofs hold for the installed library', () => {
  for (const proof of engineProofs(library)) expect(proof.holds(), proof.name).toBe(true)
})

test('the engine says whether its ciphers are compiled', () => {
  expect(proveEngine().crypto).toBe(library.crypto.bindingAvailable ? 'native' : 'javascript')
})

test('host keys that cannot serve are refused with a sentence, and without their text', () => {
  const engine = proveEngine()
  const pem = hostKeyPem()
  expect(engine.parsePrivateKey(pem).type).toBe('ecdsa-sha2-nistp256')
  const publicLine = `ecdsa-sha2-nistp256 ${engine.parsePrivateKey(pem).getPublicSSH().toString('base64')}`
  for (const text of ['', 'secret nonsense', pem.slice(0, 90), publicLine])
    expect(() => engine.parsePrivateKey(text)).toThrow('must be one private key without a passphrase')
})

test('the collector frees compiled ciphers without ending the process', () => {
  const script = `
    import { cipherPair, loadLibrary } from ${JSON.stringify(new URL('../../src/ssh/library.ts', import.meta.url).href)}
    const library = loadLibrary()
    for (const cipher of ['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr'])
      for (let i = 0; i < 100; i += 1) cipherPair(library, { cipher, mac: 'hmac-sha2-256-etm@openssh.com' }, () => {}, () => {})
    await gc({ type: 'major', execution: 'async' }) // from the event loop, outside of any context
    console.log('alive')
  `
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  )
  expect(stdout.trim(), stderr).toBe('alive')
})

test('each file of the patch is explained', () => {
  const patch = readFileSync(new URL('../../patches/ssh2+1.17.0.patch', import.meta.url), 'utf8')
  const readme = readFileSync(new URL('../../patches/README.md', import.meta.url), 'utf8')
  const files = [...patch.matchAll(/^\+\+\+ b\/node_modules\/ssh2\/(\S+)$/gm)].map(match => match[1] ?? '')
  expect(files.length).toBeGreaterThan(5)
  for (const file of files) expect(readme).toContain(file)
})
