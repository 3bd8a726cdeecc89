/** The soak in small: `npm run soak -- postgres` does the same with 2,000 sessions. */
import { expect, test } from 'vitest'
import { runSoak } from '../soak/postgres.ts'
import { hasPostgres } from '../support/postgres.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
const missing = !hasPostgres(15) && !needsPeers // its psql is among the clients

test.skipIf(missing)(
  'a hundred sessions that end in every way, the gateway killed −9 among them, leave no role, and all are on record',
  { timeout: 400_000 },
  async () => {
    const report = await runSoak({ sessions: 100, gatewayKills: 2, seed: 1, version: 15 })
    expect(report).toMatchObject({
      gatewayKills: 2,
      rolesLeft: 0,
      leasesLeft: 0,
      sessionsLeftOpen: 0,
      withoutRecording: 0,
      answeredButNotRecorded: 0,
      verifies: true,
      problems: [],
    })
    expect(report.answered).toBeGreaterThanOrEqual(100)
    expect(report.opened).toBeGreaterThanOrEqual(report.answered)
  },
)
