/**
 * Real clients do the same things straight to sshd, through the gateway as LOGIN@TARGET, and by `ssh -J`: nobody can tell one from the
 * other by output, errors or status. What differs on purpose is in docs/differences.md, and in the last tests here.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missingOf } from '../conformance/peers.ts'
import { runBy } from '../conformance/run.ts'
import type { Scenario } from '../conformance/scenario.ts'
import { files } from '../conformance/scenarios/files.ts'
import { forwards } from '../conformance/scenarios/forwards.ts'
import { others } from '../conformance/scenarios/others.ts'
import { streams } from '../conformance/scenarios/streams.ts'
import { terminals } from '../conformance/scenarios/terminals.ts'
import { startWays, type Ways } from '../conformance/ways.ts'
import { findPrograms } from '../support/openssh.ts'

const needed = ['ssh', 'sshd', 'sftp', 'scp'] as const
const found = findPrograms(...needed)
const mustRun = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'

describe.skipIf(!mustRun && needed.some(name => found[name] === undefined))('by every way the same:', () => {
  let ways: Ways
  beforeAll(async () => {
    ways = await startWays()
  })
  afterAll(() => ways?.stop())

  async function same(scenario: Scenario, over: AbortSignal): Promise<void> {
    const [direct, named, jump] = await Promise.all(ways.all.map(way => runBy(way, scenario, over)))
    expect(direct?.stdout).toMatch(scenario.says)
    expect(direct?.status).toBe(scenario.status ?? 0)
    expect(named, 'as LOGIN@TARGET').toEqual(direct)
    expect(jump, 'by ssh -J').toEqual(direct)
  }

  for (const scenario of [...streams, ...terminals, ...files, ...forwards, ...others]) {
    test(scenario.name, async context => {
      const missing = missingOf(scenario.needs)
      if (missing.length > 0 && mustRun) throw new Error(`missing: ${missing.join(', ')}`)
      if (missing.length > 0) return context.skip(`needs ${missing.join(', ')}`)
      await same(scenario, context.signal)
    })
  }
})
