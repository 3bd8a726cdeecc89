import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { hasPostgres, postgresVersions, startPostgres } from '../support/postgres.ts'

describe.each(postgresVersions.filter(hasPostgres))('PostgreSQL %i', version => {
  test('starts as nobody, speaks TLS, has a broker that cannot read data, logs statements, and stops', async () => {
    const postgres = await startPostgres(version)
    const { host, port, broker, tls } = postgres.target()
    const client = new pg.Client({
      host,
      port,
      user: broker?.user,
      password: broker?.password?.reveal(),
      database: 'app',
      ssl: { ca: tls.authority },
    })
    await client.connect()
    const { rows } = await client.query('SHOW server_version_num')
    expect(Math.floor(Number(rows[0].server_version_num) / 10_000)).toBe(version)
    await expect(client.query('SELECT * FROM customers')).rejects.toThrow('permission denied')
    await client.end()
    expect(postgres.log()).toContain('SELECT * FROM customers')
    expect(await postgres.query('SELECT count(*)::int AS n FROM customers', 'app')).toEqual([{ n: 100 }])
    await postgres.close()
    await expect(postgres.admin()).rejects.toThrow()
  }, 60_000)
})
