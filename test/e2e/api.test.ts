/** The interface of a running gateway, over sessions of real clients: ssh in its own process, psql in a worker process. */
import { WebSocket } from 'ws'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import type {
  EntryView,
  IntegrityView,
  Me,
  OwnData,
  Page,
  Replay,
  SearchPage,
  SessionDetail,
  SessionPage,
  StatementText,
} from '../../src/api/schema.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { testWith } from '../support/openssh.ts'
import { hasPostgres } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import type { Person, World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
const suite = describe.skipIf(!hasPostgres(18) && process.env['SALLYPORT_REQUIRE_PEERS'] !== '1')

let database: PostgresWorld
let world: World

class Tool {
  readonly #browser = new Browser()
  #token = ''

  async signIn(person: Person): Promise<this> {
    await this.#browser.signInAt(await this.#browser.open(`${world.webUrl}/sign-in`), person)
    this.#token = (await this.get<Me>('/me')).formToken
    return this
  }

  get headers(): Record<string, string> {
    return { Cookie: `sallyport=${this.#browser.cookie('sallyport') ?? ''}` }
  }

  ask(path: string, body?: unknown): Promise<Response> {
    return fetch(`${world.webUrl}/api/v1${path}`, {
      headers: {
        ...this.headers,
        ...(body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'X-Sallyport-Token': this.#token }),
      },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
  }

  async get<T>(path: string): Promise<T> {
    const answer = await this.ask(path)
    expect(answer.status, path).toBe(200)
    return (await answer.json()) as T
  }

  watch(id: string): { readonly lines: string[]; readonly socket: WebSocket } {
    const address = `${world.webUrl.replace('http', 'ws')}/api/v1/sessions/${id}/live`
    const socket = new WebSocket(address, { headers: { ...this.headers, Origin: world.webUrl } })
    const lines: string[] = []
    socket.on('message', data => lines.push(...(data as Buffer).toString().split('\n')))
    return { lines, socket }
  }
}

suite('the interface of a running gateway', () => {
  let auditor: Tool
  let owner: Tool
  let shell: string
  let statements: string

  beforeAll(async () => {
    database = await PostgresWorld.start({
      sshd: true,
      configure: config => {
        config['postgres'] = { ...config['postgres'], workers: 1 }
      },
    })
    ;({ world } = database)
    auditor = await new Tool().signIn(people.ben)
    owner = await new Tool().signIn(people.ada)
    await world.ssh(`${world.login}@web1`, {
      arguments: ['-tt'],
      command: ['sh -c "echo marmalade; sleep 0.3"'],
    })
    shell = (await world.lastEnded()).id
    await database.psql("select 'marmalade' as jam, 7 as jars")
    statements = (await world.lastEnded()).id
  })
  afterAll(() => database.stop())

  test('lists what happened, to whom may review it', async () => {
    const { items, total } = await auditor.get<SessionPage>('/sessions')
    expect(items.map(({ id }) => id)).toEqual([statements, shell])
    expect(total).toBe(2)
    expect((await auditor.get<SessionPage>('/sessions?target=web*')).items.map(({ id }) => id)).toEqual([
      shell,
    ])
    expect((await owner.ask('/sessions')).status).toBe(403)
    expect((await owner.ask(`/sessions/${shell}`)).status).toBe(404)
    expect((await owner.get<SessionPage>('/me/sessions')).total).toBe(2)
  })

  test('plays what the terminal showed', async () => {
    const replay = await auditor.get<Replay>(`/sessions/${shell}/replay`)
    expect(replay.channels).toMatchObject([{ kind: 'exec' }])
    const events = await Promise.all(
      replay.chunks.map(async ({ number }) =>
        (await auditor.ask(`/sessions/${shell}/events/${number}`)).text(),
      ),
    )
    const shown = events
      .join('')
      .split('\n')
      .filter(line => line.includes('"output"'))
      .map(line => Buffer.from((JSON.parse(line) as { base64: string }).base64, 'base64').toString())
      .join('')
    expect(shown).toContain('marmalade')
    expect(replay.keyframes.length).toBeGreaterThan(0)
  })

  test('has statements with their rows, and finds words of both protocols once they are indexed', async () => {
    const { items } = await auditor.get<Page<EntryView>>(`/sessions/${statements}/statements`)
    const [first] = items
    expect(first).toMatchObject({ kind: 'statement', detail: { rows: 1 } })
    const text = await auditor.get<StatementText>(`/sessions/${statements}/statements/${first?.number}`)
    expect(text.text).toBe("select 'marmalade' as jam, 7 as jars")
    expect(text.normalised).toBe('select $1 as jam, $2 as jars')
    await expect
      .poll(async () => {
        const found = await auditor.get<SearchPage>('/search?q=marmalade')
        return [...new Set(found.items.map(({ session }) => session))].toSorted()
      })
      .toEqual([shell, statements].toSorted())
    expect((await owner.ask('/search?q=marmalade')).status).toBe(403)
  })

  test('proves the recordings, and gives what it takes to prove them elsewhere', async () => {
    await expect
      .poll(async () => (await auditor.get<SessionDetail>(`/sessions/${shell}`)).integrity)
      .toBe('verified')
    const view = await auditor.get<IntegrityView>('/integrity')
    expect(view.checkpoints.length).toBeGreaterThan(0)
    const bundle = await auditor.ask(`/sessions/${statements}/exports/bundle`)
    expect(bundle.status).toBe(200)
    expect(
      Buffer.from(await bundle.arrayBuffer())
        .subarray(257, 262)
        .toString(),
    ).toBe('ustar')
    const report = await (await auditor.ask(`/sessions/${statements}/report`)).text()
    expect(report).toContain('marmalade')
  })

  test('shows a session of a worker process live, whose user does not notice, and ends it with a reason', async () => {
    const client = database.start('psql', ['-X', '-A', '-t'], await database.environment())
    let said = ''
    client.stdout?.on('data', (part: Buffer) => (said += part.toString()))
    client.stderr?.on('data', (part: Buffer) => (said += part.toString()))
    client.stdin?.write('select 1;\n')
    await expect.poll(() => said).toContain('1')
    const [open] = (await auditor.get<SessionPage>('/sessions?state=open')).items
    const id = open?.id ?? ''
    const { lines, socket } = auditor.watch(id)
    await expect.poll(() => lines.length).toBeGreaterThan(0)
    client.stdin?.write("select 'apricot';\n")
    await expect.poll(() => lines.join('\n')).toContain('apricot')
    expect(said).not.toMatch(/watch/i)
    expect((await owner.ask(`/sessions/${id}/end`, { reason: 'no' })).status).toBe(404)
    expect((await auditor.ask(`/sessions/${id}/end`, { reason: 'enough jam' })).status).toBe(204)
    await expect.poll(() => lines.at(-1)).toContain('"reason":"ended"')
    client.stdin?.write('select 2;\n')
    await expect.poll(() => said).toContain('enough jam')
    client.kill()
    socket.terminate()
  })

  test('tells the person who read their sessions', async () => {
    const { views } = await owner.get<OwnData>('/me/data')
    expect(new Set(views.map(({ by }) => by))).toEqual(new Set(['ben@example.com']))
    expect(views.map(({ purpose }) => purpose)).toContain('watched live')
  })
})
