/** Questions between two processes: what fails, comes late or is not understood is a refusal, never an answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import pino from 'pino'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Fault } from '../../../src/errors.ts'
import { type CallHandlers, Link, type Port } from '../../../src/postgres/workers/link.ts'

const log = pino({ level: 'silent' })

const asks = {
  double: { asked: z.object({ value: z.int() }), answer: z.int() },
  slow: { asked: z.void(), answer: z.int(), withinMs: 20 },
}
const tells = { note: z.object({ text: z.string() }) }
const asker = { ask: asks, tell: tells, answer: {}, hear: {} }
const answerer = { ask: {}, tell: {}, answer: asks, hear: tells }

type Wire = { readonly port: Port; readonly hear: (message: unknown) => void; readonly gone: () => void }

function wire(send: (message: object) => void): Wire {
  const listeners: ((message: unknown, socket: unknown) => void)[] = []
  const ends: (() => void)[] = []
  return {
    port: {
      send,
      onMessage: listener => void listeners.push(listener),
      onGone: listener => void ends.push(listener),
    },
    hear: message => {
      for (const listener of listeners) listener(structuredClone(message), undefined)
    },
    gone: () => {
      for (const listener of ends) listener()
    },
  }
}

type Pair = ReturnType<typeof pair>

function pair(calls: Partial<CallHandlers<typeof asks>> = {}, before: () => void = () => {}) {
  const violations: string[] = []
  const told: string[] = []
  const one: Wire = wire(message => queueMicrotask(() => other.hear(message)))
  const other: Wire = wire(message => queueMicrotask(() => one.hear(message)))
  const parts = { log, onViolation: (reason: string) => void violations.push(reason) }
  const asking = new Link(one.port, asker, { ...parts, calls: {}, tells: {} })
  const answering = new Link(other.port, answerer, {
    ...parts,
    calls: { double: ({ value }) => value * 2, slow: () => 1, ...calls },
    tells: { note: ({ text }) => void told.push(text) },
    before,
  })
  return { asking, answering, one, other, violations, told }
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (thrown instanceof Fault) return thrown
  throw new Error(`no Fault: ${String(thrown)}`)
}

test('an answer that is late is a refusal, and what it gave is given back', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const { asking } = pair({ slow: () => promise })
  const late: number[] = []
  const fault = await faultOf(asking.ask('slow', undefined, answer => late.push(answer)))
  expect(fault.code).toBe('STORE_UNAVAILABLE')
  resolve(7)
  await sleep(5)
  expect(late).toEqual([7])
})

test('nobody answers once the other process is gone, and nobody is asked', async () => {
  const { asking, one } = pair({ double: () => new Promise<number>(() => {}) })
  const waiting = faultOf(asking.ask('double', { value: 1 }))
  one.gone()
  expect((await waiting).code).toBe('STORE_UNAVAILABLE')
  expect((await faultOf(asking.ask('double', { value: 1 }))).code).toBe('STORE_UNAVAILABLE')
  expect(asking.tell('note', { text: 'a' })).toBe(false)
})

test('a port that fails refuses at once', async () => {
  const broken = wire(() => {
    throw new Error('EPIPE')
  })
  const asking = new Link(broken.port, asker, { calls: {}, tells: {}, log, onViolation: () => {} })
  expect((await faultOf(asking.ask('double', { value: 1 }))).code).toBe('STORE_UNAVAILABLE')
})

test('an answer of another form is none, and is told', async () => {
  const { asking, violations } = pair({ double: () => 'four' as unknown as number })
  expect((await faultOf(asking.ask('double', { value: 2 }))).code).toBe('STORE_UNAVAILABLE')
  expect(violations).toEqual(['an answer to double of no known form'])
})

test('what comes before a question can refuse it', async () => {
  const fault = new Fault('AUDIT_APPEND_FAILED', 'Nothing is allowed.')
  const { asking } = pair({}, () => {
    throw fault
  })
  expect(await faultOf(asking.ask('double', { value: 2 }))).toMatchObject({
    code: 'AUDIT_APPEND_FAILED',
    userText: 'Nothing is allowed.',
  })
})

test('only a Fault has a text for users', async () => {
  const { asking } = pair({
    double: () => {
      throw new TypeError('secret path')
    },
  })
  await expect(asking.ask('double', { value: 2 })).rejects.toThrow(new Error('secret path'))
  await expect(asking.ask('double', { value: 2 })).rejects.not.toBeInstanceOf(Fault)
})

test('questions that wait have a limit', async () => {
  const { asking } = pair({ double: () => new Promise<number>(() => {}) })
  const waiting = Array.from({ length: 5000 }, () => asking.ask('double', { value: 1 }).catch(() => 'over'))
  expect((await faultOf(asking.ask('double', { value: 1 }))).message).toContain('too many')
  asking.close()
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['over']))
})

test('what is no message of ours is told, and does nothing', () => {
  const violates = (message: unknown): Pair => {
    const both = pair({
      double: () => {
        throw new Error('it must not be asked')
      },
    })
    both.other.hear(message)
    expect(both.violations).toHaveLength(1)
    expect(both.told).toEqual([])
    return both
  }
  for (const message of [
    undefined,
    'text',
    { kind: 'call', id: 1, name: 'double', asked: { value: 'two' } },
    { kind: 'call', id: 1, name: 'toString', asked: undefined },
    { kind: 'call', id: 1, name: '__proto__', asked: undefined },
    { kind: 'tell', name: 'note', told: {} },
    { kind: 'tell', name: 'constructor', told: {} },
    { kind: 'else' },
  ])
    violates(message)
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: false }), message => {
      violates(message)
    }),
  )
})

test('questions are answered, and what is told is heard in order', async () => {
  const { asking, told } = pair()
  asking.tell('note', { text: 'first' })
  expect(await asking.ask('double', { value: 21 })).toBe(42)
  asking.tell('note', { text: 'second' })
  expect(await Promise.all([1, 2, 3].map(value => asking.ask('double', { value })))).toEqual([2, 4, 6])
  expect(told).toEqual(['first', 'second'])
})
