import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readCatalogue, type RuleHit } from '../../../src/analysis/rules/catalogue.ts'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import { severities } from '../../../src/analysis/rules/rule.ts'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'

const catalogue = readCatalogue()
const grammar = new Grammar()
afterAll(() => grammar.close())

async function hitsOf(protocol: string, text: string): Promise<readonly RuleHit[]> {
  return protocol === 'postgres'
    ? catalogue.ofStatement(text, await grammar.analyse(text))
    : catalogue.ofLine(text)
}

describe.each(catalogue.rules.map(rule => [rule.id, rule] as const))('%s', (id, rule) => {
  test.each(rule.examples.matches)('matches %s', async text => {
    expect((await hitsOf(rule.protocol, text)).map(hit => hit.id)).toContain(id)
  })

  test.each(rule.examples.passes)('passes %s', async text => {
    expect((await hitsOf(rule.protocol, text)).map(hit => hit.id)).not.toContain(id)
  })

  test('describes what happened and names no culprit', () => {
    for (const text of [rule.title, rule.says, ...rule.check]) expect(text).not.toMatch(forbiddenWords)
  })
})

describe('wrapping a command does not hide it', () => {
  const wraps = [
    (line: string): string => `sudo ${line}`,
    (line: string): string => `bash -c ${JSON.stringify(line)}`,
    (line: string): string => `true; ${line} &`,
    (line: string): string => `echo ${Buffer.from(line).toString('base64')} | base64 -d | sh`,
    (line: string): string => `x=$(${line})`,
    (line: string): string => `/usr/bin/env ${line}`,
    (line: string): string => `ssh web1 ${JSON.stringify(line)}`,
    (line: string): string => `bash <<EOF\n${line}\nEOF`,
    (line: string): string => `timeout 5 ${line}`,
  ]
  test.each([
    'rm -rf /var/log/nginx',
    'history -c',
    'cat /etc/shadow',
    'useradd -o -u 0 x',
    'iptables -F',
    'insmod x.ko',
    'auditctl -D',
  ])('%s', line => {
    const ids = catalogue.ofLine(line).map(({ id }) => id)
    expect(ids.length).toBeGreaterThan(0)
    for (const wrap of wraps)
      expect(
        catalogue.ofLine(wrap(line)).map(({ id }) => id),
        wrap(line),
      ).toEqual(expect.arrayContaining(ids))
  })
})

describe('a folder of rules is refused whole, with file and field,', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-rules-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const good = readFileSync(
    join(import.meta.dirname, '../../../rules/shell/SSH-20-service-stopped.yaml'),
    'utf8',
  )

  test.each([
    ['an unknown key', `${good}\nseverty: high\n`, 'severty'],
    ['an unknown severity', good.replace('severity: medium', 'severity: mild'), 'severity'],
    ['no technique', good.replace(/techniques: .*/, 'techniques: []'), 'techniques'],
    ['nothing to look for', good.replace(/any:[\s\S]*examples:/, 'examples:'), 'looks for something'],
    ['what is no YAML', 'a: [', 'bad.yaml'],
  ])('for %s', (_, content, message) => {
    writeFileSync(join(folder, 'bad.yaml'), content)
    expect(() => readCatalogue(folder)).toThrow(message)
  })

  test('for two rules of one name', () => {
    writeFileSync(join(folder, 'bad.yaml'), good)
    writeFileSync(join(folder, 'other.yaml'), good)
    expect(() => readCatalogue(folder)).toThrow('there is another rule SSH-20')
  })
})

const data = join(import.meta.dirname, '../../../../shared/data')
const hasData = existsSync(join(data, 'nl2bash-dev.txt'))
const isAtLeastMedium = (text: string): boolean =>
  catalogue.ofLine(text).some(({ severity }) => severities.indexOf(severity) >= severities.indexOf('medium'))

describe.skipIf(!hasData)(
  hasData ? 'on public lists of commands' : 'public lists of commands are missing (../shared/data)',
  () => {
    test('at least 85 of 100 lines of attack techniques are medium or above', () => {
      const lines = (
        JSON.parse(readFileSync(join(data, 'atomic-linux-dev.json'), 'utf8')) as { command: string }[]
      ).map(({ command }) => command)
      expect(lines.filter(isAtLeastMedium).length / lines.length).toBeGreaterThanOrEqual(0.85)
    })

    test('at most 2 of 100 everyday lines are', () => {
      const lines = readFileSync(join(data, 'nl2bash-dev.txt'), 'utf8').trimEnd().split('\n')
      expect(lines.filter(isAtLeastMedium).length / lines.length).toBeLessThanOrEqual(0.02)
    })
  },
)

test('no line makes the rules slow or fail', () => {
  for (const text of [
    '*'.repeat(200_000),
    'a '.repeat(100_000),
    '/etc/'.repeat(50_000),
    `${'x'.repeat(200_000)}/.bash_history`,
    '-'.repeat(1e5),
  ])
    expect(Array.isArray(catalogue.ofLine(text))).toBe(true)
})
