/**
 * The exchange against a server that is nothing but rules (postgres.c, as far as order goes): whatever a client sends, and however the two
 * directions interleave, each result must be that of the statement that really ran.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ExchangeProblem } from '../../../src/postgres/relay/exchange/problem.ts'
import { Exchange } from '../../../src/postgres/relay/exchange.ts'
import { nameEffects } from '../../../src/postgres/relay/name-effects.ts'
import type { StatementText } from '../../../src/postgres/relay/statement-text.ts'
import type { SqlEvent } from '../../../src/recorder/sql-event.ts'

type Sent =
  | { readonly kind: 'parse'; readonly name: string; readonly text: string }
  | { readonly kind: 'bind'; readonly portal: string; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly maxRows: number }
  | { readonly kind: 'describe' | 'close'; readonly what: 'statement' | 'portal'; readonly name: string }
  | { readonly kind: 'query'; readonly text: string }
  | { readonly kind: 'function' }
  | { readonly kind: 'sync' | 'flush' }
  | { readonly kind: 'data'; readonly text: string }
  | { readonly kind: 'copy-done' | 'copy-fail' }

/** What the server did, for comparison: texts that ran, in order. */
type Ran = { readonly text: string; readonly status: 'done' | 'error' | 'suspended' }

/** Texts are words: `ok…` succeeds, `bad…` fails when it runs, `rows…` gives three, `copy…` is COPY FROM STDIN, `syntax…` does not parse. */
class RuleServer {
  readonly ran: Ran[] = []
  readonly #waiting: Sent[] = []
  readonly #statements = new Map<string, string>()
  readonly #portals = new Map<string, { text: string; rows: number }>()
  readonly #exchange: Exchange
  #skipping = false
  #copy: { text: string; simple: boolean } | undefined

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  receive(sent: Sent): void {
    this.#waiting.push(sent)
  }

  /** Reads the next message, if there is one. */
  step(): boolean {
    const sent = this.#waiting.shift()
    if (sent === undefined) return false
    if (this.#copy !== undefined) this.#copyStep(this.#copy, sent)
    else this.#plainStep(sent)
    return true
  }

  #plainStep(sent: Sent): void {
    if (sent.kind === 'sync') {
      this.#skipping = false
      return this.#ready()
    }
    if (this.#skipping) return
    switch (sent.kind) {
      case 'parse':
        return this.#parse(sent.name, sent.text)
      case 'bind':
        return this.#bind(sent.portal, sent.name)
      case 'execute':
        return this.#execute(sent.portal, sent.maxRows)
      case 'describe':
        return this.#describe(sent.what, sent.name)
      case 'close':
        ;(sent.what === 'statement' ? this.#statements : this.#portals).delete(sent.name)
        return this.#exchange.closeComplete()
      case 'query':
        return this.#query(sent.text)
      case 'function':
        this.ran.push({ text: 'function', status: 'done' })
        this.#exchange.functionResult(4)
        return this.#ready()
      default: // COPY data outside of a COPY, and Flush
    }
  }

  #ready(): void {
    this.#portals.clear()
    this.#exchange.ready('I')
  }

  #fail(text: string): void {
    this.#exchange.error({ severity: 'ERROR', sqlstate: '22000', message: text })
    this.#skipping = true
  }

  #parse(name: string, text: string): void {
    if (name === '') this.#statements.delete('')
    if (text.startsWith('syntax') || this.#statements.has(name)) return this.#fail(`parse ${text}`)
    this.#statements.set(name, text)
    this.#exchange.parseComplete()
  }

  #bind(portal: string, name: string): void {
    if (portal === '') this.#portals.delete('')
    const text = this.#statements.get(name)
    if (text === undefined || this.#portals.has(portal)) return this.#fail('bind')
    this.#portals.set(portal, { text, rows: text.startsWith('rows') ? 3 : 0 })
    this.#exchange.bindComplete()
  }

  #describe(what: 'statement' | 'portal', name: string): void {
    const known = what === 'statement' ? this.#statements.has(name) : this.#portals.has(name)
    if (!known) return this.#fail('describe')
    if (what === 'statement') this.#exchange.parameterTypes([])
    this.#exchange.noData()
  }

  #execute(name: string, maxRows: number): void {
    const portal = this.#portals.get(name)
    if (portal === undefined) {
      this.ran.push({ text: 'unknown', status: 'error' })
      return this.#fail('execute')
    }
    const { text } = portal
    if (text.startsWith('bad')) {
      this.ran.push({ text, status: 'error' })
      return this.#fail(text)
    }
    if (text.startsWith('copy')) return this.#beginCopy(text, false)
    const rows = maxRows > 0 ? Math.min(maxRows, portal.rows) : portal.rows
    for (let row = 0; row < rows; row++) this.#exchange.row(10)
    portal.rows -= rows
    const suspended = maxRows > 0 && rows === maxRows
    this.ran.push({ text, status: suspended ? 'suspended' : 'done' })
    if (suspended) this.#exchange.portalSuspended()
    else this.#exchange.commandComplete('SELECT')
  }

  #query(text: string): void {
    this.#statements.delete('')
    this.#portals.delete('')
    if (text.startsWith('copy')) return this.#beginCopy(text, true)
    this.#runSimple(text)
    this.#ready()
  }

  #runSimple(text: string): void {
    const prepare = /^prepare (\w+) as (.*)$/.exec(text)
    const deallocate = /^deallocate (\w+)$/.exec(text)
    const isTaken = prepare?.[1] !== undefined && this.#statements.has(prepare[1])
    const isMissing = deallocate?.[1] !== undefined && !this.#statements.has(deallocate[1])
    if (text.startsWith('bad') || text.startsWith('syntax') || isTaken || isMissing) {
      this.ran.push({ text, status: 'error' })
      return void this.#exchange.error({ severity: 'ERROR', sqlstate: '22000', message: text })
    }
    if (prepare?.[1] !== undefined) this.#statements.set(prepare[1], text)
    if (deallocate?.[1] !== undefined) this.#statements.delete(deallocate[1])
    this.ran.push({ text, status: 'done' })
    const tag = prepare === null ? (deallocate === null ? 'SELECT 1' : 'DEALLOCATE') : 'PREPARE'
    this.#exchange.commandComplete(tag)
  }

  #beginCopy(text: string, simple: boolean): void {
    this.#copy = { text, simple }
    this.#exchange.copyIn()
  }

  #copyStep({ text, simple }: { text: string; simple: boolean }, sent: Sent): void {
    if (sent.kind === 'sync' || sent.kind === 'flush') return
    if (sent.kind === 'data' && !sent.text.startsWith('bad')) return
    this.#copy = undefined
    if (sent.kind === 'copy-done') {
      this.ran.push({ text, status: 'done' })
      this.#exchange.commandComplete('COPY 1')
    } else {
      this.ran.push({ text, status: 'error' })
      this.#exchange.error({ severity: 'ERROR', sqlstate: '57014', message: text })
      this.#skipping = !simple
    }
    if (simple) this.#ready()
  }
}

function textOf(text: string): StatementText {
  return { fields: { text }, rest: [], effects: nameEffects(text) }
}

class World {
  readonly events: SqlEvent[] = []
  readonly exchange = new Exchange({
    tell: event => void this.events.push(event),
    nowUs: () => 0,
    limits: { maxOutstandingRequests: 1000, maxStatements: 1000 },
  })
  readonly server = new RuleServer(this.exchange)

  send(sent: Sent): void {
    const { exchange } = this
    switch (sent.kind) {
      case 'parse':
        exchange.parse(
          sent.name,
          textOf(sent.text),
          { types: [], judged: undefined, said: () => {} },
          undefined,
        )
        break
      case 'bind':
        exchange.bind(sent.portal, sent.name, { first: [], rest: [] }, [], undefined)
        break
      case 'execute':
        exchange.execute(sent.portal, sent.maxRows, undefined)
        break
      case 'describe':
      case 'close':
        exchange[sent.kind](sent.what, sent.name)
        break
      case 'query':
        exchange.query(textOf(sent.text), undefined, undefined)
        break
      case 'function':
        exchange.functionCall(957, 'function', { first: [], rest: [] }, undefined)
        break
      case 'sync':
        exchange.sync()
        break
      case 'data':
        exchange.copyData().add(Buffer.from(sent.text), 0, sent.text.length)
        break
      case 'copy-done':
      case 'copy-fail':
        exchange.copyEnd()
        break
      case 'flush':
    }
    this.server.receive(sent)
  }

  /** What the recording says ran, in order. */
  recorded(): Ran[] {
    const texts = new Map<number, string>()
    const said = new Map<number, string | undefined>()
    const ran: Ran[] = []
    for (const event of this.events) {
      if (event.type === 'statement' || event.type === 'prepared' || event.type === 'bound') {
        if (event.text !== undefined) texts.set(event.statement, event.text)
        const text = event.text ?? texts.get(event.same ?? -1)
        said.set(event.statement, event.type === 'statement' && event.how === 'function' ? 'function' : text)
      }
      if (event.type !== 'result' || event.status === 'skipped') continue
      if (event.during !== undefined) continue // its Parse or Bind failed: nothing ran
      const { ran: other, statement, status } = event
      const text = other === undefined ? said.get(statement) : said.get(other ?? -1)
      if (status === 'done' || status === 'error' || status === 'suspended')
        ran.push({ text: text ?? 'unknown', status })
    }
    return ran
  }
}

const name = fc.constantFrom('', '', 'a', 'b')
const text = fc.constantFrom('ok 1', 'ok 2', 'bad 1', 'rows 1', 'syntax', 'ok 3', 'copy 1')
const simple = fc.constantFrom(
  'ok 4',
  'bad 2',
  'syntax 2',
  'copy 2',
  'prepare a as ok',
  'prepare b as ok',
  'deallocate a',
  'deallocate b',
)
const what = fc.constantFrom('statement' as const, 'portal' as const)
/** As a driver sends them, so that much of it succeeds. */
const batch = fc
  .record({ name, text, portal: name, maxRows: fc.constantFrom(0, 0, 2), sync: fc.boolean() })
  .map(({ name, text, portal, maxRows, sync }): Sent[] => [
    { kind: 'parse', name, text },
    { kind: 'bind', portal, name },
    { kind: 'execute', portal, maxRows },
    ...(sync ? [{ kind: 'sync' } as const] : []),
  ])
const single: fc.Arbitrary<Sent[]> = fc
  .oneof(
    fc.record({ kind: fc.constant('parse' as const), name, text }),
    fc.record({ kind: fc.constant('bind' as const), portal: name, name }),
    fc.record({ kind: fc.constant('execute' as const), portal: name, maxRows: fc.constantFrom(0, 1) }),
    fc.record({ kind: fc.constantFrom('describe' as const, 'close' as const), what, name }),
    fc.record({ kind: fc.constant('query' as const), text: simple }),
    fc.record({
      kind: fc.constantFrom('sync' as const, 'sync' as const, 'flush' as const, 'function' as const),
    }),
    fc.record({ kind: fc.constant('data' as const), text: fc.constantFrom('x', 'y', 'bad') }),
    fc.record({ kind: fc.constantFrom('copy-done' as const, 'copy-fail' as const) }),
  )
  .map(sent => [sent])
const turns = fc.array(
  fc.record({ sent: fc.oneof(batch, single, single), steps: fc.integer({ min: 0, max: 6 }) }),
  { maxLength: 25 },
)

/** Copying, the server ends a session that sends anything else than COPY messages. */
function isFatal(sent: Sent): boolean {
  return !['data', 'copy-done', 'copy-fail', 'sync', 'flush'].includes(sent.kind)
}

/** Clients wait for the answer to a COPY before they send other requests: behind one, only COPY messages. */
function legal(turns: readonly { sent: readonly Sent[]; steps: number }[]): Sent[][] {
  let copying = false
  return turns.map(({ sent }) =>
    sent.filter(each => {
      if (copying && isFatal(each)) return false
      if (each.kind === 'copy-done' || each.kind === 'copy-fail') copying = false
      const begins =
        (each.kind === 'query' && each.text.startsWith('copy')) ||
        (each.kind === 'parse' && each.text.startsWith('copy'))
      if (begins) copying = true
      return true
    }),
  )
}

describe('whatever is sent and however the directions interleave', () => {
  test('each result is that of the statement that really ran', () => {
    fc.assert(
      fc.property(turns, turns => {
        const world = new World()
        const sent = turns.map(({ sent }) => sent.filter(each => !mentionsCopy(each)))
        run(world, sent, turns)
        expect(world.recorded()).toEqual(world.server.ran)
      }),
      { numRuns: 3000 },
    )
  })

  test('with COPY too: it is right, or the session ends because nobody could tell', () => {
    fc.assert(
      fc.property(turns, turns => {
        const world = new World()
        try {
          run(world, legal(turns), turns)
        } catch (cause) {
          if (cause instanceof ExchangeProblem && cause.userText.includes('COPY')) return
          throw cause
        }
        expect(world.recorded()).toEqual(world.server.ran)
      }),
      { numRuns: 3000 },
    )
  })
})

function mentionsCopy(sent: Sent): boolean {
  return 'text' in sent && sent.kind !== 'data' && sent.text.startsWith('copy')
}

function run(
  world: World,
  sent: readonly (readonly Sent[])[],
  turns: readonly { readonly steps: number }[],
): void {
  for (const [index, group] of sent.entries()) {
    for (const each of group) world.send(each)
    world.exchange.flushClient()
    for (let step = 0; step < (turns[index]?.steps ?? 0); step++) world.server.step()
    world.exchange.flushTarget()
  }
  while (world.server.step()) {
    // until everything that was sent is answered
  }
}

describe('what the target may not do', () => {
  const replies: readonly (readonly [string, (exchange: Exchange) => void])[] = [
    ['ParseComplete', exchange => exchange.parseComplete()],
    ['BindComplete', exchange => exchange.bindComplete()],
    ['CommandComplete', exchange => exchange.commandComplete('SELECT 1')],
    ['a row', exchange => void exchange.row(1)],
    ['ReadyForQuery', exchange => exchange.ready('I')],
    ['a COPY', exchange => exchange.copyIn()],
    ['COPY data', exchange => void exchange.copyDataOut()],
    ['a function result', exchange => exchange.functionResult(1)],
    ['NoData', exchange => exchange.noData()],
  ]
  test.each(replies)('answer with %s when nothing was asked', (_name, reply) => {
    expect(() => reply(new World().exchange)).toThrow(ExchangeProblem)
  })

  test('end a simple query without a result, or within one', () => {
    const world = new World()
    world.exchange.query(textOf('ok 1'), undefined, undefined)
    expect(() => world.exchange.ready('I')).toThrow(ExchangeProblem)
    world.exchange.copyOut()
    expect(() => world.exchange.ready('I')).toThrow(ExchangeProblem)
  })
})

test('COPY both ways, as replication does, is counted each way', () => {
  const world = new World()
  const { exchange } = world
  exchange.query(textOf('START_REPLICATION'), undefined, undefined)
  exchange.copyBoth()
  exchange.copyDataOut().add(Buffer.from('from the target'), 0, 15)
  exchange.copyData().add(Buffer.from('status'), 0, 6)
  exchange.flushClient()
  exchange.flushTarget()
  exchange.copyEnd()
  exchange.copyDoneOut()
  exchange.commandComplete('COPY 0')
  exchange.ready('I')
  expect(world.events).toMatchObject([
    { type: 'statement' },
    { type: 'copy-progress', direction: 'in', bytes: 6 },
    { type: 'copy-progress', direction: 'out', bytes: 15 },
    { type: 'result', copy: { direction: 'both', bytes: 15, inBytes: 6 } },
  ])
})

test('what was asked and never answered is told as unfinished, once', () => {
  const world = new World()
  world.exchange.query(textOf('ok 1'), undefined, undefined)
  world.exchange.execute('', 0, undefined)
  world.exchange.end()
  world.exchange.end()
  const results = world.events.filter(({ type }) => type === 'result')
  expect(results).toMatchObject([
    { statement: 1, status: 'unfinished' },
    { statement: 2, status: 'unfinished' },
  ])
})
