import { describe, expect, test } from 'vitest'
import { type AuditEvent, openAuditLog } from '../../src/audit/audit-log.ts'
import { systemClock } from '../../src/clock.ts'
import { Metrics } from '../../src/cli/metrics.ts'
import type { LiveSessions } from '../../src/session/live.ts'
import { newFolder, newSigner, quiet } from '../recorder/support.ts'

function watched() {
  const metrics = new Metrics()
  const folder = newFolder()
  const log = openAuditLog({ folder, signer: newSigner(), clock: systemClock, log: quiet })
  const rows = [{ protocol: 'ssh' }, { protocol: 'postgres' }, { protocol: 'postgres' }]
  const live = { rows: () => rows } as unknown as LiveSessions
  metrics.watch({ live, pendingRoles: () => ({ count: 2, oldestMs: 90_500 }) })
  return { metrics, audit: metrics.observe(log) }
}

describe('what Prometheus is told', () => {
  test('an event that the log did not take is not counted', async () => {
    const { metrics, audit } = watched()
    await audit.close()
    expect(() => audit.append({ kind: 'credential-minted' })).toThrow('the audit log failed')
    expect(audit.failure).toBeDefined()
    expect(await metrics.text()).toMatch(/^sallyport_credentials_minted_total 0$/m)
  })

  test('whatever codes there are, they make no more series than their limit', async () => {
    const { metrics, audit } = watched()
    for (let n = 0; n < 1000; n++) {
      const letters = `x${n}`.replace(/\d/g, digit => 'abcdefghij'[Number(digit)] ?? '')
      audit.append({ kind: 'refusal', protocol: 'ssh', code: letters })
    }
    audit.append({ kind: 'refusal', protocol: 'ssh', code: 'a name of somebody\n' } satisfies AuditEvent)
    const series = (await metrics.text())
      .split('\n')
      .filter(line => line.startsWith('sallyport_refusals_total{'))
    expect(series.length).toBeLessThanOrEqual(62)
    expect(series.join()).not.toContain('somebody')
    expect(series.join()).toContain('code="other"')
  })

  test('sessions by protocol, what waits for the sweep, and what was counted', async () => {
    const { metrics, audit } = watched()
    audit.append({ kind: 'session-open', protocol: 'postgres' })
    audit.append({ kind: 'refusal', protocol: 'telnet', code: 'no-role' })
    audit.append({ kind: 'credential-removed', by: 'sweep' })
    audit.append({ kind: 'credential-stuck' })
    const text = await metrics.text()
    for (const line of [
      'sallyport_sessions{protocol="ssh"} 1',
      'sallyport_sessions{protocol="postgres"} 2',
      'sallyport_orphaned_roles 2',
      'sallyport_oldest_pending_drop_seconds 90.5',
      'sallyport_sessions_opened_total{protocol="postgres"} 1',
      'sallyport_refusals_total{protocol="none",code="no-role"} 1',
      'sallyport_credentials_removed_total{by="sweep"} 1',
      'sallyport_credentials_stuck_total 1',
    ])
      expect(text.split('\n')).toContain(line)
    await audit.close()
  })
})
