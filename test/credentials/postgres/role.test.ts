import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hasPostgres, postgresVersions, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { backendsLeft, connectAs, type Door, dyingParts, openDoor, rolesLeft, signIn, until } from './door.ts'

describe.each(postgresVersions.filter(hasPostgres))('on PostgreSQL %i', version => {
  let postgres: TestPostgres
  let door: Door

  beforeAll(async () => {
    postgres = await startPostgres(version)
    await postgres.query('CREATE DATABASE other')
    await postgres.query('CREATE SCHEMA open; GRANT ALL ON SCHEMA open TO PUBLIC', 'app')
    await postgres.query('CREATE SCHEMA open; GRANT ALL ON SCHEMA open TO PUBLIC', 'other')
  }, 60_000)
  afterAll(() => postgres.close())
  beforeEach(async () => {
    door = await openDoor(postgres)
  })
  afterEach(() => door.close())

  /** What each test ends with: nothing is left of anybody. */
  async function nothingIsLeft(): Promise<void> {
    expect(await rolesLeft(postgres)).toEqual([])
    expect(await door.leases()).toEqual([])
    expect(await backendsLeft(postgres)).toBe(0)
    const rows =
      await postgres.query(`SELECT g.rolname AS "group" FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
      JOIN pg_roles g ON g.oid = m.roleid WHERE r.rolname = 'sallyport_broker' AND g.rolname NOT LIKE 'app\\_%'`)
    expect(rows).toEqual([])
  }

  describe('refuses', () => {
    test('a second use of the secret', async () => {
      const credential = await door.mint()
      credential.useSecretOnce()
      expect(() => credential.useSecretOnce()).toThrow('was used already')
      await credential.remove()
      expect(() => credential.useSecretOnce()).toThrow('was used already')
      await nothingIsLeft()
    })

    test('a second sign-in beside the first, and any after the first is through', async () => {
      const credential = await door.mint()
      const secret = credential.useSecretOnce()
      const password = secret.kind === 'password' ? secret.password : ''
      const client = await connectAs(postgres, credential.user, password)
      await expect(connectAs(postgres, credential.user, password)).rejects.toThrow('too many connections')
      await credential.signedIn()
      await client.end()
      await until(async () => (await backendsLeft(postgres)) === 0)
      await expect(connectAs(postgres, credential.user, password)).rejects.toThrow('authentication failed')
      await credential.remove()
      await nothingIsLeft()
    })

    test('a login that is no role there, and leaves nothing', async () => {
      await expect(door.mint({ login: 'app_unknown' })).rejects.toThrow('must be roles that exist there')
      await nothingIsLeft()
    })

    if (version >= 16)
      test('a role that the broker does not administer', async () => {
        await postgres.query('CREATE ROLE app_secret NOLOGIN')
        await expect(door.mint({ login: 'app_secret' })).rejects.toThrow('targets setup orders')
        await postgres.query('DROP ROLE app_secret')
        await nothingIsLeft()
      })

    test('to be a superuser, whatever policy says', async () => {
      await expect(door.mint({ login: 'postgres' })).rejects.toThrow('could not be made')
      await nothingIsLeft()
    })
  })

  test('the session acts as the privilege role and nothing else, readable by name, and what it makes belongs to that role', async () => {
    const credential = await door.mint({ person: 'Alice@example.com' })
    expect(credential.user).toMatch(/^sp_bastion_alice_[0-9a-z]{11}$/)
    const client = await signIn(postgres, credential)
    await credential.signedIn()
    const who = 'SELECT session_user::text AS session, current_user::text AS current'
    expect((await client.query(who)).rows).toEqual([{ session: credential.user, current: 'app_owner' }])
    await client.query('CREATE TABLE made (id int)')
    await client.query('SET ROLE NONE')
    await expect(client.query('SELECT * FROM customers')).rejects.toThrow('permission denied')
    await client.query('RESET ROLE')
    expect((await client.query(who)).rows[0].current).toBe('app_owner')
    expect(await door.leases()).toEqual([expect.stringMatching(/^live /)])
    await client.end()
    await credential.remove()
    expect(await postgres.query(`SELECT tableowner FROM pg_tables WHERE tablename = 'made'`, 'app')).toEqual([
      { tableowner: 'app_owner' },
    ])
    await postgres.query('DROP TABLE made', 'app')
    await nothingIsLeft()
  })

  test('the end kills a running query and an open cursor', async () => {
    const credentials = await Promise.all([door.mint(), door.mint({ login: 'app_readonly' })])
    const [running, reading] = await Promise.all(credentials.map(credential => signIn(postgres, credential)))
    await Promise.all(credentials.map(credential => credential.signedIn()))
    const sleeping = running?.query('SELECT pg_sleep(600)')
    sleeping?.catch(() => {})
    await reading?.query('BEGIN; DECLARE c CURSOR FOR SELECT * FROM customers; FETCH 1 FROM c')
    await until(async () => {
      const rows = await postgres.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)
      return rows.length === 1
    })
    await Promise.all(credentials.map(credential => credential.remove()))
    await expect(sleeping).rejects.toThrow()
    await expect(reading?.query('FETCH ALL FROM c')).rejects.toThrow()
    await nothingIsLeft()
  })

  test('what a session left as itself goes to the privilege role: tables, functions, large objects, in two databases', async () => {
    const credential = await door.mint()
    const client = await signIn(postgres, credential)
    await client.query('SET ROLE NONE')
    await client.query('CREATE TEMP TABLE mine (id int)')
    await client.query('CREATE TABLE open.owned (id serial PRIMARY KEY)')
    await client.query("CREATE TYPE open.kind AS ENUM ('a')")
    await client.query('SELECT lo_create(4711)')
    await client.query('ALTER DEFAULT PRIVILEGES IN SCHEMA open GRANT SELECT ON TABLES TO PUBLIC')
    await client.query('GRANT SELECT ON open.owned TO app_readonly')
    await client.end()
    await until(async () => (await backendsLeft(postgres)) === 0)
    const role = `"${credential.user}"`
    await postgres.query(
      `CREATE TABLE open.theirs (id int); ALTER TABLE open.theirs OWNER TO ${role}`,
      'other',
    )
    await credential.remove()
    await nothingIsLeft()
    const owner = `SELECT tableowner FROM pg_tables WHERE schemaname = 'open'`
    expect(await postgres.query(owner, 'app')).toEqual([{ tableowner: 'app_owner' }])
    expect(await postgres.query(owner, 'other')).toEqual([{ tableowner: 'app_owner' }])
    await postgres.query('DROP TABLE open.owned; DROP TYPE open.kind; SELECT lo_unlink(4711)', 'app')
    await postgres.query('DROP TABLE open.theirs', 'other')
  })

  test('a transaction that it prepared as itself is rolled back', async () => {
    const credential = await door.mint()
    const client = await signIn(postgres, credential)
    await client.query('SET ROLE NONE')
    await client.query('BEGIN; CREATE TABLE open.later (id int)')
    await client.query(`PREPARE TRANSACTION 'a "gid" with '' and \\'`)
    await client.end()
    await credential.remove()
    expect(await postgres.query('SELECT * FROM pg_prepared_xacts')).toEqual([])
    await nothingIsLeft()
  })

  test('a transaction that it prepared as the privilege role stays, since it could be anybody’s, and is counted in the audit log', async () => {
    const credential = await door.mint()
    const client = await signIn(postgres, credential)
    await client.query('BEGIN; CREATE TABLE later (id int)')
    await client.query(`PREPARE TRANSACTION 'theirs'`)
    await client.end()
    await credential.remove()
    const removed = door.auditLines().filter(line => line['kind'] === 'credential-removed')
    expect(removed).toMatchObject([{ preparedAsGroup: 1, rolledBack: 0, by: 'session' }])
    await postgres.query(`ROLLBACK PREPARED 'theirs'`, 'app')
    await nothingIsLeft()
  })

  test('its secret is nowhere in the log, and no name that a person has breaks out of it', async () => {
    const people = [
      '"; DROP ROLE app_owner; --',
      "o'hara\\' ; SELECT 1",
      '\u0000\n\u202e',
      '',
      'Ω'.repeat(100),
      '$$ $1 %I',
    ]
    for (const person of people) {
      const credential = await door.mint({ person })
      expect(credential.user).toMatch(/^sp_bastion_[0-9a-z]{1,22}_[0-9a-z]{11}$/)
      expect(credential.applicationName).toMatch(/^[\x20-\x7e]{1,63}$/)
      const secret = credential.useSecretOnce()
      if (secret.kind === 'password') expect(postgres.log()).not.toContain(secret.password)
      const [row] = await postgres.query(
        `SELECT shobj_description(oid, 'pg_authid') AS text FROM pg_roles WHERE rolname = '${credential.user}'`,
      )
      expect(row?.['text']).toMatch(
        /^sallyport installation=\w+ owner=\w+ gateway=bastion\.example\.com session=\w+ person=\S* from=192\.0\.2\.7 database=app$/,
      )
      await credential.remove()
    }
    await nothingIsLeft()
  })

  test('sixteen at a time, three hundred and twenty in all, none in the way of another', async () => {
    let made = 0
    const worker = async (): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        const credential = await door.mint({ login: made % 2 === 0 ? 'app_owner' : 'app_readonly' })
        made++
        await credential.signedIn()
        await credential.remove()
      }
    }
    await Promise.all(Array.from({ length: 16 }, worker))
    expect(made).toBe(320)
    await nothingIsLeft()
  }, 120_000)

  test('a process that dies between any two steps leaves nothing that the next one does not remove', async () => {
    const life = async (diesAfter: number): Promise<number> => {
      const dying = dyingParts(door.parts, diesAfter)
      const lived = (async () => {
        const credential = await door.mint({ parts: dying.parts })
        await credential.signedIn()
        await credential.remove()
        return true
      })()
      await Promise.race([lived, until(() => dying.done() >= diesAfter)])
      await new Promise(settled => setTimeout(settled, 50)) // what was sent is answered, and nobody hears it
      return dying.done()
    }
    const steps = await life(Infinity)
    expect(steps).toBeGreaterThan(8)
    await nothingIsLeft()
    let leftRole = 0
    for (let diesAfter = 0; diesAfter < steps; diesAfter++) {
      await life(diesAfter)
      if ((await rolesLeft(postgres)).length > 0) leftRole++
      await door.parts.brokers.close(0) // its connections die with it
      await door.sweepAsNextProcess()
      await nothingIsLeft()
    }
    expect(leftRole).toBeGreaterThan(5) // most points are after the role and before its end
  }, 120_000)

  test('a role that was asked for just before a kill comes into being after it, and goes all the same', async () => {
    const blocker = await postgres.admin()
    await blocker.query('BEGIN; LOCK TABLE pg_catalog.pg_authid IN SHARE MODE')
    const minting = door.mint()
    minting.catch(() => {})
    await until(async () => {
      const rows = await postgres.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE ROLE "sp%' AND wait_event_type = 'Lock'`,
      )
      return rows.length === 1
    })
    // The process is gone as far as anybody can tell; its statement still waits on the server.
    const swept = door.sweepAsNextProcess()
    await expect(minting).rejects.toThrow()
    await blocker.query('ROLLBACK')
    await swept
    await door.sweepAsNextProcess()
    await nothingIsLeft()
  })

  test('what cannot be removed stays without a way in, is said, and goes when it can', async () => {
    const credential = await door.mint()
    const client = await signIn(postgres, credential, 'other')
    await client.query('SET ROLE NONE; CREATE TABLE open.kept (id int)')
    await client.end()
    await postgres.query('REVOKE CONNECT ON DATABASE other FROM PUBLIC')
    await credential.remove()
    expect(await rolesLeft(postgres)).toEqual([credential.user])
    const [row] = await postgres.query(
      `SELECT rolcanlogin FROM pg_roles WHERE rolname = '${credential.user}'`,
    )
    expect(row).toEqual({ rolcanlogin: false })
    const stuck = await door.sweep()
    expect(stuck.pending.count).toBe(1)
    expect(await stuck.sweep()).toBe(0) // not due again yet
    await postgres.query('GRANT CONNECT ON DATABASE other TO PUBLIC')
    expect(await stuck.sweep({ everything: true })).toBe(1)
    expect(stuck.pending).toEqual({ count: 0, oldestMs: 0 })
    await postgres.query('DROP TABLE open.kept', 'other')
    await nothingIsLeft()
  })

  test('a server that is away is waited for once, whatever waits for it, and everything goes when it is back', async () => {
    const credentials = await Promise.all([door.mint(), door.mint(), door.mint()])
    const blocker = await postgres.admin()
    // Nobody but the superuser gets in any more.
    await blocker.query('ALTER ROLE sallyport_broker NOLOGIN')
    await blocker.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sallyport_broker'`,
    )
    await Promise.all(credentials.map(credential => credential.remove()))
    const sweep = await door.sweep()
    expect(sweep.pending.count).toBe(3)
    expect(door.auditLines().filter(line => line['kind'] === 'credential-stuck')).toHaveLength(3)
    await blocker.query('ALTER ROLE sallyport_broker LOGIN')
    expect(await sweep.sweep({ everything: true })).toBe(3)
    await nothingIsLeft()
  })

  test('roles without a lease are found by their comment; those of other installations, processes that live, and people are not touched', async () => {
    const credential = await door.mint()
    const other = await openDoor(postgres)
    const theirs = await other.mint()
    await postgres.query(`CREATE ROLE sp_bastion_somebody LOGIN; GRANT app_owner TO sp_bastion_somebody`)
    for (const { id } of await door.store.leases.list()) await door.store.leases.remove(id)
    await door.sweep()
    expect(await rolesLeft(postgres)).toContain(credential.user) // its process lives
    await door.sweepAsNextProcess()
    expect(await rolesLeft(postgres)).toEqual(['sp_bastion_somebody', theirs.user].toSorted())
    await theirs.remove()
    await other.close()
    await postgres.query('DROP ROLE sp_bastion_somebody')
    await nothingIsLeft()
  })
})
