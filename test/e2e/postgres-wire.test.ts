/** Real clients and raw frames against the real gateway as a process, with real servers behind it. Refusals first. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresVersion, hasPostgres, postgresVersions } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'

describe.each(postgresVersions)('PostgreSQL %d', (version: PostgresVersion) => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let company: PostgresWorld
  beforeAll(async () => void (company = await PostgresWorld.start({ version })))
  afterAll(async () => company.stop())

  test('psql -c "select 1" answers, and its role is gone afterwards', async () => {
    const run = await company.psql('select 1')
    expect(run).toMatchObject({ code: 0, stdout: '1\n', stderr: '' })
    await expect.poll(() => company.roles()).toEqual([])
  })
})
