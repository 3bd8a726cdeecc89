import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allKeys } from '../../src/config/explain-issue.ts'
import { configSchema } from '../../src/config/schema.ts'
import { denyWords } from '../../src/config/deny-words.ts'
import { defaultPostgresLimits } from '../../src/config/postgres-limits.ts'
import { defaultSshLimits } from '../../src/config/ssh-limits.ts'
import { configOf, yamlWith } from './yaml-file.ts'

const docs = join(import.meta.dirname, '../../docs')
const configuration = readFileSync(join(docs, 'configuration.md'), 'utf8')
const policy = readFileSync(join(docs, 'policy.md'), 'utf8')
const rows = [...configuration.matchAll(/^\| `([^`]+)` \| (.+) \| (.+) \|$/gm)].map(
  ([, key = '', , byDefault = '']) => ({
    key,
    byDefault,
  }),
)

test('every key is documented, and every documented key exists', () => {
  const known = allKeys(configSchema({ env: {}, folder: '/' }))
  expect(rows.map(row => row.key).toSorted()).toEqual(known.toSorted())
})

test('the documented limits are those that hold', () => {
  const limits = rows.filter(row => row.key.startsWith('ssh.limits.'))
  const said = limits.map(
    ({ key, byDefault }) => `${key.slice('ssh.limits.'.length)}: ${byDefault.replaceAll('`', '')}`,
  )
  const config = configOf(yamlWith({ ssh: `ssh: { listen: "0.0.0.0:22", limits: { ${said.join(', ')} } }` }))
  expect(said).toHaveLength(Object.keys(defaultSshLimits).length)
  expect(config.ssh?.limits).toEqual(defaultSshLimits)
})

test('the documented limits of PostgreSQL are those that hold', () => {
  const limits = rows.filter(row => row.key.startsWith('postgres.limits.'))
  const said = limits.map(
    ({ key, byDefault }) => `${key.slice('postgres.limits.'.length)}: ${byDefault.replaceAll('`', '')}`,
  )
  const postgres = `postgres: { listen: "127.0.0.1:5432", limits: { ${said.join(', ')} } }`
  const config = configOf(`${yamlWith({})}\n${postgres}`)
  expect(said).toHaveLength(Object.keys(defaultPostgresLimits).length)
  expect(config.postgres?.limits).toEqual(defaultPostgresLimits)
})

test('every word of deny.statements is documented as the program tells it', () => {
  const words = readFileSync(join(docs, 'deny-words.md'), 'utf8')
  const said = [...words.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)].map(([, word = '', text]) => [word, text])
  expect(said).toEqual(Object.entries(denyWords))
})

test('the rules for databases in the documentation can be read', () => {
  const rules = /```yaml\n(dba:[\s\S]*?)```/.exec(policy)?.[1] ?? ''
  const targets =
    'targets: [{ name: orders, protocol: postgres, address: a, labels: { env: prod }, connector: certificate }]'
  const roles = `roles:\n${rules.replace(/^/gm, '  ')}`
  expect(configOf(yamlWith({ roles, targets })).roles[0]?.allow).toHaveLength(2)
})

test('the smallest file in the documentation is the one that the tests read', () => {
  expect(configuration).toContain(readFileSync(join(import.meta.dirname, 'smallest.yaml'), 'utf8'))
})

test('the roles in the documentation can be read', () => {
  const roles = /```yaml\n(roles:[\s\S]*?)```/.exec(policy)?.[1] ?? ''
  const targets =
    'targets: [{ name: web1, protocol: ssh, address: a, labels: { env: prod }, hostKeys: first-use },' +
    ' { name: lab, protocol: ssh, address: b, labels: { env: test }, hostKeys: first-use }]'
  expect(configOf(yamlWith({ roles, targets })).roles.map(role => role.name)).toEqual([
    'admins',
    'deployers',
    'auditors',
  ])
})

test('the hours in the documentation can be read', () => {
  const expressions = [...policy.matchAll(/^\| `([^`]+)` \|/gm)].map(match => match[1] ?? '')
  expect(expressions.length).toBeGreaterThan(4)
  for (const hours of expressions)
    configOf(
      yamlWith({
        roles: `roles: { ops: { members: { groups: [x] }, allow: { targets: { name: web1 }, logins: [a], when: { hours: "${hours}" } } } }`,
      }),
    )
})

test('the rules of retention in the documentation can be read', () => {
  const retention = readFileSync(join(docs, 'retention.md'), 'utf8')
  const examples = [...retention.matchAll(/```yaml\n(recording:[\s\S]*?)```/g)].map(([, text = '']) => text)
  const rules = examples.map(text => configOf(yamlWith({ recording: text })).recording.retention.length)
  expect(rules).toEqual([1, 3])
})
