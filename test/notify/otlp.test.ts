import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { SinkPlan } from '../../src/notify/notify-messages.ts'
import { type Span, spanOf } from '../../src/notify/otlp.ts'
import { newSessionId } from '../../src/session/session.ts'
import { Ground, patiently } from './ground.ts'

/** A collector that reads OTLP as JSON, and answers as it is told. */
async function collector(answer: (response: ServerResponse) => void) {
  const spans: Span[] = []
  const tokens: unknown[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(scope => scope.spans)))
      tokens.push(request.headers.authorization)
      answer(response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, spans, tokens }
}

function plan(url: string): SinkPlan {
  const common = {
    name: 'traces',
    events: [],
    format: 'audit',
    content: false,
    authority: undefined,
  } as const
  return { kind: 'otlp', url, token: 'a token', attempts: 3, giveUpMs: 3_600_000, ...common }
}

test('what belongs to no session is no span', () => {
  expect(
    spanOf({ sequence: 1, uid: 'u', kind: 'sign-in', atMs: 1, fields: { subject: 's' } }),
  ).toBeUndefined()
})

test('whatever texts a session has, its spans are well formed', () => {
  const fields = {
    session: 's\ud800',
    principal: '\u0000'.repeat(9999),
    ['k'.repeat(9999)]: 'x',
    list: ['a'],
  }
  const span = spanOf({ sequence: 1, uid: 'u', kind: 'session-close', atMs: 5, fields })
  expect(span).toMatchObject({
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    spanId: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
  })
  expect(JSON.stringify(span).length).toBeLessThan(5000)
  expect(span?.startTimeUnixNano).toBe('5000000')
})

test('a session is one span from its opening to its close, what happened in it lies below, and a repeat is the same', async () => {
  let isDown = true
  const { url, spans, tokens } = await collector(response => response.writeHead(isDown ? 503 : 200).end('{}'))
  const ground = new Ground()
  const notifier = await ground.notify([plan(url)])
  const openedAtMs = Date.now() - 60_000
  const session = newSessionId(openedAtMs)
  ground.append({ kind: 'session-open', session, protocol: 'ssh', target: 'web1', principal: 'Ada' })
  ground.append({ kind: 'sign-in', subject: 'u1' })
  ground.append({
    kind: 'session-close',
    session,
    protocol: 'ssh',
    target: 'web1',
    principal: 'Ada',
    sealed: 'yes',
  })
  await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 0, patiently)
  isDown = false
  await vi.waitUntil(() => notifier.states()[0]?.taken === 3, patiently)
  const roots = spans.filter(({ name }) => name === 'session')
  const [root] = roots
  expect(root).toMatchObject({ startTimeUnixNano: `${openedAtMs}000000`, kind: 2, status: { code: 1 } })
  expect(Number(root?.endTimeUnixNano) / 1e6 - openedAtMs).toBeGreaterThanOrEqual(60_000)
  const below = spans.filter(({ name }) => name === 'session-open')
  expect(below[0]).toMatchObject({ traceId: root?.traceId, parentSpanId: root?.spanId })
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(2)
  expect(root?.attributes).toContainEqual({ key: 'sallyport.target', value: { stringValue: 'web1' } })
  expect(new Set(tokens)).toEqual(new Set(['Bearer a token']))
})
