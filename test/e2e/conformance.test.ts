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

  test('but a signature that is none opens nothing at the end of a jump', async ({ signal, skip }) => {
    if (missingOf(['paramiko']).length > 0) {
      if (mustRun) throw new Error('missing: paramiko')
      return skip('needs paramiko')
    }
    const script = 'PYTHONWARNINGS=ignore /usr/bin/python3 "$CLIENTS/with_bad_signature.py"'
    const { stdout } = await runBy(ways.all[2], { name: '', says: /^/, script }, signal)
    expect(stdout).toMatch(/^refused \w+\nin b'ran\\n'\n$/)
  })

  describe('but, as docs/differences.md says,', () => {
    /** Each way on its own; nothing is compared. */
    async function each(script: string, over: AbortSignal) {
      const scenario = { name: '', says: /^/, script }
      return Promise.all(ways.all.map(way => runBy(way, scenario, over)))
    }

    test('the gateway says before sign-in that it records, and which key signed in', async ({ signal }) => {
      const [direct, named] = await each('ssh -oLogLevel=INFO target true', signal)
      expect(direct?.stderr).not.toContain('recorded')
      expect(named?.stderr).toContain('Sessions through this gateway are recorded')
      expect(named?.stderr).toContain('Signed in with your enrolled key')
      expect(named?.status).toBe(0)
    })

    test('variables that change what runs stay behind', async ({ signal }) => {
      const outcomes = await each("ssh -oSetEnv='OTHER=x TZ=UTC' target 'echo $OTHER.$TZ'", signal)
      expect(outcomes.map(({ stdout }) => stdout)).toEqual(['x.UTC\n', '.UTC\n', '.UTC\n'])
    })

    test('subsystems other than sftp are refused, with a sentence and status 126', async ({ signal }) => {
      const [, ...through] = await each('ssh -s target other </dev/null', signal)
      for (const { stderr, status } of through) {
        expect(stderr).toContain('sallyport: The gateway passes on the subsystem sftp and no other.')
        expect(status).toBe(126)
      }
    })

    test('X11 is not forwarded, and the command runs without', async ({ signal }) => {
      const outcomes = await each('DISPLAY=:9 ssh -Y target \'echo "[$DISPLAY]"\'', signal)
      for (const { stdout, status } of outcomes.slice(1)) expect([stdout, status]).toEqual(['[]\n', 0])
    })

    test('forwards are recorded, also those behind a jump', async ({ signal }) => {
      const { world } = ways
      await each('ssh -W "127.0.0.1:$(python3 "$CLIENTS/stream.py" free)" target </dev/null', signal)
      const openings = async (): Promise<readonly unknown[]> => {
        const [one, other] = (await world.sessions()).filter(row => row.state !== 'open')
        return [one, other].flatMap(row =>
          (row === undefined ? [] : world.eventsOf(row)).filter(({ event }) => event.type === 'forward-open'),
        )
      }
      await world.until(async () => (await openings()).length === 2)
    })

    test('forwards that policy does not cover fail with its reason', async ({ signal }) => {
      const [direct, ...through] = await each(
        'timeout 5 env ssh -F "$CONFIG" -oLogLevel=INFO -W 127.0.0.2:1 target </dev/null',
        signal,
      )
      expect(direct?.stderr).not.toContain('sallyport')
      for (const { stderr } of through)
        expect(stderr).toContain('sallyport: Policy does not allow forwards to 127.0.0.2:1 here')
    })
  })
})
