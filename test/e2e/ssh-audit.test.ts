/** What ssh-audit says of the door, and what docs/algorithms.md says to that. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { programPath, run, testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh-audit')
let world: World
beforeAll(async () => {
  world = await World.start({ withoutSshd: true })
})
afterAll(() => world?.stop())

/**
 * The warnings that stay. Release 2.5.0 knows neither the post-quantum exchange nor the announcement of strict key exchange;
 * 3.x knows both, and warns of whatever is not post-quantum, which the OpenSSH of Debian 12 cannot do without.
 */
const known = [
  'mlkem768x25519-sha256: unknown algorithm',
  'kex-strict-s-v00@openssh.com: unknown algorithm',
  'curve25519-sha256: does not provide protection against post-quantum attacks',
  'curve25519-sha256@libssh.org: does not provide protection against post-quantum attacks',
]

type Finding = { level: string; text: string }

/** Lines like `(kex) NAME -- [warn] WHY`, where further reasons stand below without the name. */
function findings(report: string): Finding[] {
  let name = ''
  return report.split('\n').flatMap(line => {
    const found = /^(?:\((\w+)\) (\S+).*?-- |\s+`- )\[(\w+)\] (.*)$/.exec(line)
    if (found === null) return []
    name = found[2] ?? name
    return [{ level: found[3] ?? '', text: `${name}: ${found[4] ?? ''}` }]
  })
}

const only = (all: readonly Finding[], level: string): string[] =>
  all.filter(finding => finding.level === level).map(finding => finding.text)

describe('ssh-audit', () => {
  test('finds nothing to fail, and warns of nothing that we have not answered', async () => {
    const { stdout } = await run(programPath('ssh-audit'), ['-n', '-p', `${world.sshPort}`, '127.0.0.1'])
    const found = findings(stdout.toString())
    expect(found.length, stdout.toString()).toBeGreaterThan(10)
    expect(only(found, 'fail')).toEqual([])
    expect(only(found, 'warn').filter(text => !known.includes(text))).toEqual([])
    expect(stdout.toString()).toMatch(/compression: disabled/)
  })

  test('sees both host keys, Ed25519 first', async () => {
    const { stdout } = await run(programPath('ssh-audit'), ['-jn', '-p', `${world.sshPort}`, '127.0.0.1'])
    const report = JSON.parse(stdout.toString()) as { key: { algorithm: string; keysize?: number }[] }
    expect(report.key.map(key => key.algorithm)).toEqual(['ssh-ed25519', 'rsa-sha2-512', 'rsa-sha2-256'])
    expect(report.key.at(1)?.keysize).toBe(3072)
  })

  test('has its warnings answered in the documentation', () => {
    const text = readFileSync(new URL('../../docs/algorithms.md', import.meta.url), 'utf8')
    for (const warning of known) expect(text).toContain(warning.split(':')[0])
  })
})
