import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, inspect } from 'node:util'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { printProblems } from '../../src/config/problem.ts'
import { Secret } from '../../src/config/secret.ts'
import { complaintsOf, configOf, problemsOf, writeYaml, yamlWith } from './yaml-file.ts'
import { newFolder } from '../support/scratch.ts'

const folder = newFolder('secret')
const withSecret = (reference: string) =>
  yamlWith({
    identity: `identity: { issuer: "https://login.example.com", clientId: x, clientSecret: ${reference} }`,
  })

function secretFile(name: string, text: string, mode: number): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}

test('a literal secret is refused by its path and never repeated', () => {
  for (const literal of [
    'hunter2',
    '"env hunter2"',
    'ENV:hunter2',
    '"env:hunter2 !"',
    '[hunter2]',
    '{ hunter2: 1 }',
  ]) {
    const problems = problemsOf(withSecret(literal))
    expect(problems[0]?.path).toBe('identity.clientSecret')
    expect(printProblems(problems)).not.toContain('hunter2')
  }
})

test('a variable that is not set, or is empty, is refused', () => {
  expect(complaintsOf(withSecret('env:NOT_THERE'))).toEqual([
    'identity.clientSecret refers to the environment variable NOT_THERE, which is not set',
  ])
  expect(complaintsOf(withSecret('env:EMPTY'), { EMPTY: '\n' })).toEqual([
    'identity.clientSecret refers to something empty',
  ])
})

test('a file that is missing, a folder, too large or open to others is refused', () => {
  mkdirSync(join(folder, 'sub'), { recursive: true })
  expect(complaintsOf(withSecret(`file:${folder}/none`))[0]).toMatch(/cannot be read \(ENOENT\)/)
  expect(complaintsOf(withSecret(`file:${folder}/sub`))[0]).toMatch(/not a plain file/)
  expect(complaintsOf(withSecret(`file:${secretFile('big', 'x'.repeat(300_000), 0o600)}`))[0]).toMatch(
    /more than/,
  )
  for (const mode of [0o604, 0o602, 0o620, 0o644, 0o666])
    expect(complaintsOf(withSecret(`file:${secretFile('open', 'x', mode)}`))[0]).toMatch(
      /others may read or change/,
    )
})

test('a secret comes without the newline at its end, and without anything else taken off', () => {
  expect(configOf(withSecret('env:S'), { S: ' a b \n' }).identity.clientSecret?.reveal()).toBe(' a b ')
  expect(
    configOf(withSecret(`file:${secretFile('s', 'x\r\n', 0o600)}`)).identity.clientSecret?.reveal(),
  ).toBe('x')
  expect(
    configOf(withSecret(`file:${secretFile('s', 'x\n\n', 0o440)}`)).identity.clientSecret?.reveal(),
  ).toBe('x\n')
})

test('a relative file starts from the folder of the configuration', () => {
  const file = writeYaml(withSecret('file:./s'))
  writeFileSync(join(file, '..', 's'), 'near', { mode: 0o600 })
  const loaded = loadConfig(file, {})
  expect(loaded.ok && loaded.config.identity.clientSecret?.reveal()).toBe('near')
})

test('a secret prints itself in no way', () => {
  const secret = new Secret('hunter2')
  const lines: string[] = []
  pino({}, { write: line => void lines.push(line) }).info({ secret }, 'x')
  const shown = [
    String(secret),
    JSON.stringify({ secret }),
    inspect({ secret }),
    format('%s %o %j', secret, secret, secret),
    ...lines,
  ]
  expect(shown.join()).not.toContain('hunter2')
  expect(JSON.stringify(structuredClone(secret))).toBe('{}')
  expect(secret.equals(new Secret('hunter2'))).toBe(true)
  expect(secret.equals(undefined)).toBe(false)
})

test('a certificate and a key that are no such thing are refused before anything listens', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = secretFile('key', String(privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600)
  const other = secretFile('other', 'not PEM', 0o644)
  const web = (tls: string) =>
    yamlWith({ web: `web: { listen: "0.0.0.0:443", url: "https://x.example.com", tls: ${tls} }` })
  expect(complaintsOf(web(`{ certificate: "file:${other}", key: "file:${key}" }`))).toEqual([
    'web.tls.certificate is not a certificate in PEM',
  ])
  expect(complaintsOf(web(`{ certificate: "file:${other}", key: "file:${other}" }`))[1]).toMatch(
    /others may read/,
  )
})
