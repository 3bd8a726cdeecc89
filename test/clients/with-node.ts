/** What the two clients of Node are made to do; each gives what it saw, to be compared with what it sees without a gateway. */
import pg from 'pg'
import postgresJs from 'postgres'

export type Connection = {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly password: string
  readonly ssl: { readonly ca: string }
}

type Said = unknown[]

/** node-postgres: simple, parameters, named statements, errors, notices, many at once, and cut off in the middle. */
export async function withNodePostgres(connection: Connection): Promise<Said> {
  const said: Said = []
  const client = new pg.Client(connection)
  client.on('notice', ({ severity, code, message }) => said.push({ severity, code, message }))
  client.on('notification', ({ channel, payload }) => said.push({ channel, payload }))
  await client.connect()
  const ask = async (query: string | pg.QueryConfig | pg.QueryArrayConfig): Promise<void> => {
    try {
      const answers = [await client.query(query as pg.QueryConfig)].flat()
      for (const { command, rowCount, rows, fields } of answers)
        said.push({ command, rowCount, rows: rows.slice(0, 3) as unknown[], fields: fields.map(shownField) })
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error
      const { severity, code, message, detail, hint, position, constraint } = error
      said.push({ severity, code, message, detail, hint, position, constraint })
    }
  }
  await ask('select 1 as one, null as nothing, $$ünïcode$$ as text')
  await ask(
    'select 1; select 2, 3; update customers set name = name where id < 3; select generate_series(1, 5)',
  )
  await ask('select 1; select 1/0; select 2')
  await ask({
    text: 'select $1::int[], $2::text, $3::jsonb, $4::bytea',
    values: [[1, 2], null, { a: [1, null] }, Buffer.of(0, 255)],
  })
  for (const id of [1, 2, 3])
    await ask({
      name: 'by-id',
      text: 'select name from customers where id = $1',
      values: [id],
      rowMode: 'array',
    })
  await ask({ text: 'select $1::int / 0', values: [1] })
  await ask('selec')
  await ask('')
  await ask("do $$ begin raise notice 'a notice' using errcode = '01ABC'; end $$")
  await ask({ text: 'insert into customers values ($1, $2, null)', values: [1, 'twice'] })
  for (let n = 0; n < 30; n++) await ask({ text: 'select $1::int + 1 as n', values: [n] })
  await ask('begin')
  await ask('select 1/0')
  await ask('select 2')
  await ask('commit')
  await ask('select generate_series(1, 20000) as n')
  await ask({ text: 'select length($1)', values: ['x'.repeat(2_000_000)] })
  await ask('listen here')
  await ask("notify here, 'to myself'")
  await ask('select 1')
  await client.end()
  return said
}

function shownField({ name, dataTypeID, format }: pg.FieldDef): unknown {
  return [name, dataTypeID, format]
}

/** postgres.js: everything in pipelines, cursors, COPY as streams. */
export async function withPostgresJs(connection: Connection): Promise<Said> {
  const said: Said = []
  const sql = postgresJs({
    ...connection,
    max: 1,
    fetch_types: false,
    onnotice: ({ severity, code, message }) => said.push({ severity, code, message }),
  })
  const settled = await Promise.allSettled(
    Array.from({ length: 60 }, async (_, n) =>
      n % 10 === 9 ? sql`select 1 / ${n - n}::int` : sql`select ${n}::int + 1 as n, ${`text ${n}`} as text`,
    ),
  )
  for (const each of settled)
    said.push(each.status === 'fulfilled' ? [...each.value] : (each.reason as { code: string }).code)
  said.push([...(await sql`select id, name from customers where id in ${sql([1, 2, 3])} order by id`)])
  await sql
    .begin(async sql => {
      await sql`insert into customers values (2000, 'y', null)`
      await sql
        .savepoint(async sql => void (await sql`select 1 / ${0}::int`))
        .catch(() => said.push('rolled back'))
      said.push([...(await sql`delete from customers where id = 2000 returning *`)])
      throw new Error('changed its mind')
    })
    .catch((error: unknown) => said.push(String(error)))
  for await (const rows of sql`select id from orders order by id limit 95`.cursor(20)) said.push(rows.length)
  await sql`create temp table copied (id int, name text)`
  const into = await sql`copy copied from stdin`.writable()
  for (let n = 0; n < 2000; n++) into.write(`${n}\tname ${n}\n`)
  await new Promise<void>((resolve, reject) => into.on('error', reject).end(() => resolve()))
  let bytes = 0
  for await (const chunk of await sql`copy copied to stdout`.readable()) bytes += (chunk as Buffer).length
  said.push(bytes)
  said.push([...(await sql.unsafe('select 1 as a; select count(*) as b from copied'))])
  await sql.unsafe("do $$ begin raise warning 'a warning'; end $$")
  await sql.end()
  return said
}
