import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, test } from 'vitest'
import { maxAuditorKeys, parseAuditorKey } from '../../src/config/auditor-key.ts'
import { loadConfig } from '../../src/config/load.ts'
import { printProblems } from '../../src/config/problem.ts'
import { writeYaml, yamlWith } from './yaml-file.ts'
import { newFolder } from '../support/scratch.ts'

const folder = newFolder('test')
const env = { OIDC_SECRET: 'secret' }

function jwkOf(pair: { publicKey: { export: (options: { format: 'jwk' }) => object } }): object {
  return pair.publicKey.export({ format: 'jwk' })
}

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const x25519 = generateKeyPairSync('x25519')

function complaintOf(text: string): string {
  const parsed = parseAuditorKey(text)
  return parsed.ok ? 'none' : `${parsed.message} (${parsed.suggestion ?? ''})`
}

describe('an auditor’s key', () => {
  test('that is private is refused, whatever form it has, and nothing of it is repeated', () => {
    const ed25519 = generateKeyPairSync('ed25519')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const texts = [
      JSON.stringify(p256.privateKey.export({ format: 'jwk' })),
      JSON.stringify(x25519.privateKey.export({ format: 'jwk' })),
      JSON.stringify(ed25519.privateKey.export({ format: 'jwk' })),
      JSON.stringify(rsa.privateKey.export({ format: 'jwk' })),
      JSON.stringify({ kty: 'oct', k: 'c2VjcmV0c2VjcmV0c2VjcmV0' }),
      JSON.stringify({ ...jwkOf(p256), d: '' }),
      p256.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    ]
    for (const text of texts) {
      const complaint = complaintOf(text)
      expect(complaint, text.slice(0, 40)).toMatch(
        /private key.*must not have it.*take that file off this machine/,
      )
      const secret = /"[dk]":"([^"]{10,})"/.exec(text)?.[1]
      if (secret !== undefined) expect(complaint).not.toContain(secret)
    }
  })

  test('of another kind, or none at all, is refused', () => {
    const ed25519 = generateKeyPairSync('ed25519')
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const [x = '', y = ''] = Object.values(jwkOf(p256) as { x: string; y: string })
    for (const text of [
      '',
      'hello',
      '[]',
      '{}',
      JSON.stringify(jwkOf(ed25519)),
      JSON.stringify(jwkOf(p384)),
      JSON.stringify({ keys: [jwkOf(p256)] }),
      JSON.stringify({ ...jwkOf(p256), use: 'sig' }),
      JSON.stringify({ ...jwkOf(p256), x: y, y: x }), // no point of the curve
      JSON.stringify({ ...jwkOf(p256), y: undefined }),
      JSON.stringify({ kty: 'OKP', crv: 'X25519', x: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }),
      JSON.stringify({ kty: 'OKP', crv: 'X25519', x: 'AAAA' }),
      p256.publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    ])
      expect(parseAuditorKey(text).ok, text).toBe(false)
  })

  test('has the name that RFC 7638 gives it, and keeps nothing else of what its file says', async () => {
    for (const pair of [p256, x25519]) {
      const jwk = jwkOf(pair)
      const parsed = parseAuditorKey(
        JSON.stringify({ ...jwk, use: 'enc', kid: 'audit', x5u: 'https://example.com' }),
      )
      expect(parsed.ok && parsed.value.kid).toBe(await calculateJwkThumbprint(jwk))
      expect(parsed.ok && parsed.value.jwk).toEqual(jwk)
    }
  })
})

describe('recording.encryptTo', () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return `file:${join(folder, name)}`
  }
  const one = file('one.pub.jwk', JSON.stringify(jwkOf(p256)))
  const two = file('two.pub.jwk', JSON.stringify(jwkOf(x25519)))

  function problems(encryptTo: string): string {
    const path = writeYaml(yamlWith({ recording: `recording: { encryptTo: ${encryptTo} }` }))
    const loaded = loadConfig(path, env)
    return loaded.ok ? '' : printProblems(loaded.problems).replaceAll(`${path}:`, '')
  }

  test('names whoever can read recordings, one or several', () => {
    for (const [text, count] of [
      [`[${one}, ${two}]`, 2],
      [one, 1],
    ] as const) {
      const loaded = loadConfig(writeYaml(yamlWith({ recording: `recording: { encryptTo: ${text} }` })), env)
      expect(loaded.ok && loaded.config.recording.encryptTo.length).toBe(count)
    }
    const loaded = loadConfig(writeYaml(yamlWith({})), env)
    expect(loaded.ok && loaded.config.recording.encryptTo).toEqual([])
  })

  test('says with line and path what is wrong, and never encrypts to nobody by mistake', () => {
    const mine = file('mine.jwk', JSON.stringify(p256.privateKey.export({ format: 'jwk' })))
    expect(problems(`[${one}, ${mine}]`)).toMatch(/^7:\d+: recording\.encryptTo\[1\] refers to a private key/)
    expect(problems(mine)).toMatch(/^7:\d+: recording\.encryptTo(\[0\])? refers to a private key/)
    expect(problems(`[${one}, ${one}]`)).toContain('recording.encryptTo[1] is the same key as one before it')
    expect(problems('[]')).toContain('recording.encryptTo must not be empty')
    expect(problems('[file:/nowhere.jwk]')).toContain('cannot be read (ENOENT)')
    expect(problems('["{}"]')).toContain('must be a reference')
    const many = Array.from({ length: maxAuditorKeys + 1 }, (_, i) =>
      file(`many-${i}.jwk`, JSON.stringify(jwkOf(generateKeyPairSync('x25519')))),
    )
    expect(problems(`[${many.join(', ')}]`)).toContain(`must name at most ${maxAuditorKeys} keys`)
  })
})
