import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkBroker, checkLogin } from '../../../src/credentials/postgres/check.ts'
import { quoteName, quoteText } from '../../../src/credentials/postgres/role-name.ts'
import { setupSql } from '../../../src/credentials/postgres/setup.ts'
import { tryLogin } from '../../../src/credentials/postgres/try-login.ts'
import { hasPostgres, postgresVersions, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { type Door, openDoor, rolesLeft } from './door.ts'

const logins = ['app_readonly', 'app_owner']

describe.each(postgresVersions.filter(hasPostgres))('the broker on PostgreSQL %i', version => {
  let postgres: TestPostgres
  let door: Door

  beforeAll(async () => {
    postgres = await startPostgres(version)
    door = await openDoor(postgres)
  }, 60_000)
  afterAll(async () => {
    await door.close()
    await postgres.close()
  })

  async function complaints(): Promise<readonly string[]> {
    const remarks = await checkBroker(door.parts.brokers.of(door.target), door.target, logins)
    return remarks.flatMap(({ ok, text }) => (ok ? [] : [text]))
  }

  test.each([
    ['ALTER ROLE sallyport_broker SUPERUSER', 'ALTER ROLE sallyport_broker NOSUPERUSER', 'SUPERUSER'],
    ['ALTER ROLE sallyport_broker CREATEDB', 'ALTER ROLE sallyport_broker NOCREATEDB', 'CREATEDB'],
    ['ALTER ROLE sallyport_broker BYPASSRLS', 'ALTER ROLE sallyport_broker NOBYPASSRLS', 'BYPASSRLS'],
    [
      'ALTER ROLE sallyport_broker NOCREATEROLE',
      'ALTER ROLE sallyport_broker CREATEROLE',
      'lacks CREATEROLE',
    ],
    // pg_read_all_data, which is worse, came with PostgreSQL 14
    [
      'GRANT pg_read_server_files TO sallyport_broker',
      'REVOKE pg_read_server_files FROM sallyport_broker',
      'a member of pg_read_server_files',
    ],
    [
      'GRANT CREATE ON DATABASE app TO sallyport_broker',
      'REVOKE CREATE ON DATABASE app FROM sallyport_broker',
      'all databases',
    ],
  ])('has too much or too little after %s', async (before, after, complaint) => {
    await postgres.query(before)
    expect((await complaints()).join('\n')).toContain(complaint)
    await postgres.query(after)
    expect(await complaints()).toEqual([])
  })

  test('has too much with a grant on a table of another database', async () => {
    await postgres.query('GRANT SELECT ON customers TO sallyport_broker', 'app')
    expect(await complaints()).toEqual(['it owns or was granted 1 objects in app; it needs none'])
    await postgres.query('REVOKE SELECT ON customers FROM sallyport_broker', 'app')
  })

  // Before, a broker can give whatever it likes: there is nothing to check.
  if (version >= 16)
    test('has too much if it has the rights of a privilege role, too little if it cannot give it', async () => {
      await postgres.query('GRANT app_owner TO sallyport_broker WITH INHERIT TRUE, SET TRUE')
      expect((await complaints()).join()).toContain(
        'a member of app_owner and has its rights and can become it',
      )
      await postgres.query('REVOKE app_owner FROM sallyport_broker')
      expect((await complaints()).join()).toContain('it cannot give app_owner to anybody')
      await postgres.query(setupSql({ target: door.target, logins, version, gateway: 'bastion.example.com' }))
      expect(await complaints()).toEqual([])
    })

  test('is enough and no more as the setup makes it, twice, and is told what its version means', async () => {
    await postgres.query(setupSql({ target: door.target, logins, version, gateway: 'bastion.example.com' }))
    const remarks = await checkBroker(door.parts.brokers.of(door.target), door.target, logins)
    expect(remarks).toHaveLength(1)
    expect(remarks[0]?.text).toContain(
      version >= 16 ? 'cannot give itself more' : 'could give itself any role',
    )
  })

  test('a login works as a session would, and nothing of the trial is left', async () => {
    for (const login of logins) {
      expect(await checkLogin(door.parts.brokers.of(door.target), login)).toEqual([])
      const probe = door.audit.probe(door.target.name, 'test')
      expect(await tryLogin(probe, door.target, login, door.parts)).toContain(postgres.fingerprint)
    }
    expect(await rolesLeft(postgres)).toEqual([])
    expect(await door.leases()).toEqual([])
  })

  test('a login that is not there, is a superuser, or reaches files and programs is told', async () => {
    const broker = door.parts.brokers.of(door.target)
    await postgres.query('CREATE ROLE app_files NOLOGIN; GRANT pg_read_server_files TO app_files')
    expect(await checkLogin(broker, 'app_nobody')).toMatchObject([{ ok: false }])
    expect((await checkLogin(broker, 'postgres'))[0]?.text).toContain('superuser')
    expect((await checkLogin(broker, 'app_files'))[0]?.text).toContain('pg_read_server_files')
    await postgres.query('DROP ROLE app_files')
  })

  test('a login that pg_hba.conf does not let in is told as the server says it', async () => {
    const target = postgres.target({ databases: ['no_such_database'] })
    const probe = door.audit.probe(target.name, 'test')
    await expect(tryLogin(probe, target, 'app_owner', door.parts)).rejects.toThrow('no_such_database')
    expect(await rolesLeft(postgres)).toEqual([])
  })

  test('hostile names of roles are names and nothing else', async () => {
    const names = ['a"b', "it's", 'x; DROP ROLE app_owner', '$sallyport', 'back\\slash', 'Ümläut']
    const target = postgres.target({ broker: { user: 'br"oker', database: 'postgres' } })
    await postgres.query(setupSql({ target, logins: names, version, gateway: 'bastion.example.com' }))
    for (const name of [...names, 'br"oker']) {
      const rows = await postgres.query(`SELECT rolname FROM pg_roles WHERE rolname = ${quoteText(name)}`)
      expect(rows).toEqual([{ rolname: name }])
    }
    for (const name of ['br"oker', ...names])
      await postgres.query(`DROP OWNED BY ${quoteName(name)}; DROP ROLE ${quoteName(name)}`)
  })
})
