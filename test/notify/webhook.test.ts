import { createHmac } from 'node:crypto'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { HttpPoster } from '../../src/notify/http-post.ts'
import type { Message } from '../../src/notify/sinks/sink.ts'
import { WebhookSink } from '../../src/notify/sinks/webhook-sink.ts'
import { Ground, type Heard, names, patiently, Receiver, secret, webhookPlan } from './ground.ts'

const message: Message = {
  uid: 'a1',
  kind: 'session-open',
  atMs: 1_795_000_000_000,
  body: '{"x":1}',
  isUrgent: false,
  event: { sequence: 1, uid: 'a1', kind: 'session-open', atMs: 1_795_000_000_000, fields: {} },
}

function sinkTo(url: string, timeoutMs?: number): WebhookSink {
  const sink = new WebhookSink({
    url,
    secrets: [secret],
    clock: systemClock,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
  onTestFinished(() => sink.close())
  return sink
}

/** A server that does with a connection whatever the test says. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

describe('a receiver', () => {
  test('that refuses connections is away', async () => {
    const receiver = await Receiver.start()
    const { url } = receiver
    receiver.stop()
    expect(await sinkTo(url).deliver([message])).toMatchObject({ taken: 0, problem: { kind: 'away' } })
  })

  test('that hangs is given up in time', async () => {
    const url = await rawServer(() => {})
    const { problem } = await sinkTo(url, 100).deliver([message])
    expect(problem).toEqual({ kind: 'away', reason: 'it did not answer in time' })
  })

  test('that trickles its status line is given up in time', async () => {
    const url = await rawServer(socket => {
      const timer = setInterval(() => socket.write('H'), 20)
      socket.once('close', () => clearInterval(timer))
    })
    expect(await sinkTo(url, 200).deliver([message])).toMatchObject({ taken: 0, problem: { kind: 'away' } })
  })

  test('whose answer trickles without end has the message, and is asked nothing more', async () => {
    const url = await rawServer(socket => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{"ask":"end"'))
      const timer = setInterval(() => socket.write(' '), 20)
      socket.once('close', () => clearInterval(timer))
    })
    expect(await sinkTo(url, 300).deliver([message])).toEqual({ taken: 1 })
  })

  test('whose answer is endless is not read to its end', async () => {
    const receiver = await Receiver.start()
    let written = 0
    receiver.answer((_, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && written < 50_000_000 && response.write(' '.repeat(65_536)))
          written += 65_536
        if (!response.destroyed && written < 50_000_000) response.once('drain', more)
      }
      more()
    })
    expect(await sinkTo(receiver.url).deliver([message])).toEqual({ taken: 1 })
    expect(written).toBeLessThan(50_000_000)
  })

  test.each([301, 302, 303, 307, 308])('that answers %d is not followed, wherever it leads', async status => {
    const [receiver, other] = [await Receiver.start(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(status, { location: other.url }).end())
    const { problem } = await sinkTo(receiver.url).deliver([message])
    expect(problem?.kind).toBe('refused')
    expect(problem?.reason).toContain('redirect')
    expect(other.heard).toEqual([])
  })

  test.each([
    [400, 'refused'],
    [401, 'refused'],
    [404, 'refused'],
    [413, 'refused'],
    [500, 'refused'],
    [408, 'away'],
    [429, 'away'],
    [502, 'away'],
    [503, 'away'],
    [504, 'away'],
    [410, 'gone'],
  ])('that answers %d: %s', async (status, kind) => {
    const receiver = await Receiver.start()
    receiver.answer((_, response) => response.writeHead(status).end())
    expect(await sinkTo(receiver.url).deliver([message])).toMatchObject({ taken: 0, problem: { kind } })
  })

  test.each([
    ['120', 120_000],
    ['99999999', 3_600_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ])('says when it wants to be asked again (%s), within an hour', async (retryAfter, waitMs) => {
    const receiver = await Receiver.start()
    receiver.answer((_, response) => response.writeHead(503, { 'retry-after': retryAfter }).end())
    expect((await sinkTo(receiver.url).deliver([message])).problem?.waitMs).toBe(waitMs)
  })

  test.each(['soon', '-1', '1e9', ''])('that says "%s" says nothing about when', async retryAfter => {
    const receiver = await Receiver.start()
    receiver.answer((_, response) => response.writeHead(503, { 'retry-after': retryAfter }).end())
    expect((await sinkTo(receiver.url).deliver([message])).problem?.waitMs).toBeUndefined()
  })

  test('that closes a connection it kept gets the next message on a new one, and is not away', async () => {
    let connections = 0
    const url = await rawServer(socket => {
      connections++
      socket.once('data', () => {
        socket.write('HTTP/1.1 204 Nothing\r\n\r\n')
        socket.once('data', () => socket.destroy())
      })
    })
    const sink = sinkTo(url)
    for (let at = 0; at < 3; at++) expect(await sink.deliver([message])).toEqual({ taken: 1 })
    expect(connections).toBe(3)
  })

  test('that closes every connection without an answer is away', async () => {
    const url = await rawServer(socket => socket.once('data', () => socket.destroy()))
    expect((await sinkTo(url).deliver([message])).problem?.kind).toBe('away')
  })

  test('that breaks HTTP is away, and its bytes are in no message of ours', async () => {
    const url = await rawServer(socket =>
      socket.once('data', () => socket.end('\u001b]0;owned\u0007 HTTP/9.9 yes\r\n\r\n')),
    )
    const { problem } = await sinkTo(url).deliver([message])
    expect(problem?.kind).toBe('away')
    expect(problem?.reason).not.toMatch(/[\u0000-\u001f\u007f]/)
  })

  test('gets a signature for each secret, over what it got', async () => {
    const receiver = await Receiver.start()
    const second = Buffer.alloc(32, 9).toString('base64')
    const sink = new WebhookSink({ url: receiver.url, secrets: [secret, second], clock: systemClock })
    onTestFinished(() => sink.close())
    expect(await sink.deliver([message])).toEqual({ taken: 1 })
    const { headers, body } = receiver.heard[0] as Heard
    const signed = `a1.${String(headers['webhook-timestamp'])}.${body}`
    const expected = [Buffer.alloc(32, 7), Buffer.alloc(32, 9)].map(
      key => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
    )
    expect(headers['webhook-signature']).toBe(expected.join(' '))
    expect(headers['webhook-id']).toBe('a1')
    expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
    expect(JSON.parse(body)).toEqual({
      type: 'session-open',
      timestamp: new Date(message.atMs).toISOString(),
      data: { x: 1 },
    })
  })

  test.each([
    [
      '{"ask":"end","session":"abc","reason":"ticket 7"}',
      [{ ask: 'end', session: 'abc', reason: 'ticket 7' }],
    ],
    ['{"ask":"pause","session":"abc"}', [{ ask: 'pause', session: 'abc', reason: 'no reason was given' }]],
    ['{"ask":"open","session":"abc"}', undefined],
    ['{"ask":"end","session":"../x"}', undefined],
    ['{"ask":"end","session":"abc","reason":"\\u001b[2J"}', undefined],
    ['{"ask":"end"}', undefined],
    ['ok', undefined],
    ['', undefined],
  ])('asks by its answer %s', async (body, asks) => {
    const receiver = await Receiver.start()
    receiver.answer((_, response) => response.writeHead(200).end(body))
    expect((await sinkTo(receiver.url).deliver([message])).asks).toEqual(asks)
  })

  test('cannot ask by its answer to what followed from an ask', async () => {
    const receiver = await Receiver.start()
    receiver.answer((_, response) => response.end('{"ask":"end","session":"abc"}'))
    expect(await sinkTo(receiver.url).deliver([{ ...message, kind: 'ask-refused' }])).toEqual({ taken: 1 })
  })
})

describe('where messages may go', () => {
  test.each([
    'http://169.254.169.254/',
    'https://[fe80::1]/',
    'https://0.0.0.0/',
    'https://224.0.0.1/',
    'https://[::ffff:169.254.169.254]/',
  ])('not to %s', async url => {
    const poster = new HttpPoster({ url })
    await expect(poster.post({}, 'x')).rejects.toThrow('no address of a receiver')
  })

  test('to this machine itself only by a name that says so', async () => {
    const receiver = await Receiver.start()
    const local = new HttpPoster({ url: receiver.url.replace('127.0.0.1', 'localhost') })
    onTestFinished(() => local.close())
    expect((await local.post({}, JSON.stringify({ data: {} }))).status).toBe(204)
  })
})

describe('a lane', () => {
  test('sends each event once and in order, and goes on where it was after a restart', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    const first = await ground.notify([webhookPlan(receiver.url)])
    ground.open(20)
    await vi.waitUntil(() => receiver.heard.length >= 20, patiently)
    await first.close()
    ground.open(5, 21)
    await ground.notify([webhookPlan(receiver.url)])
    await vi.waitUntil(() => receiver.heard.length >= 25, patiently)
    expect(receiver.sessions).toEqual(names(25))
    expect(new Set(receiver.heard.map(({ headers }) => headers['webhook-id'])).size).toBe(25)
  })

  test('a new one is not told what happened before it', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    ground.open(3)
    await ground.notify([webhookPlan(receiver.url)])
    ground.open(2, 4)
    await vi.waitUntil(() => receiver.heard.length >= 2, patiently)
    expect(receiver.sessions).toEqual(['s4', 's5'])
  })

  test('a receiver that answers 500 and then 200 gets the message again under the same id', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(receiver.heard.length < 3 ? 500 : 200).end())
    await ground.notify([webhookPlan(receiver.url, { attempts: 10 })])
    ground.open(2)
    await vi.waitUntil(() => receiver.heard.length >= 4, patiently)
    expect(receiver.sessions).toEqual(['s1', 's1', 's1', 's2'])
    expect(new Set(receiver.heard.slice(0, 3).map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(ground.news.map(({ kind }) => kind)).toEqual(['failing', 'recovered'])
  })

  test('a receiver that says when it wants to be asked again is not asked before', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    const askedAtMs: number[] = []
    receiver.answer((_, response) => {
      askedAtMs.push(performance.now())
      response.writeHead(askedAtMs.length === 1 ? 429 : 200, { 'retry-after': '1' }).end()
    })
    await ground.notify([webhookPlan(receiver.url)])
    ground.open(1)
    await vi.waitUntil(() => askedAtMs.length === 2, patiently)
    expect((askedAtMs[1] ?? 0) - (askedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(990)
  })

  test('a receiver that hangs holds up only itself', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    const url = await rawServer(() => {})
    await ground.notify([webhookPlan(url, { name: 'hangs' }), webhookPlan(receiver.url)])
    ground.open(50)
    await vi.waitUntil(() => receiver.heard.length >= 50, patiently)
    expect(receiver.sessions).toEqual(names(50))
  })

  test('only what was asked for is sent', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    await ground.notify([webhookPlan(receiver.url, { events: ['session-close'] })])
    ground.open(5)
    ground.append({ kind: 'session-close', session: 's1', reason: 'over' })
    await vi.waitUntil(() => receiver.heard.length >= 1, patiently)
    expect(JSON.parse(receiver.heard[0]?.body ?? '{}')).toMatchObject({ type: 'session-close' })
  })

  test('a message that is refused too often becomes a dead letter, and the next ones go on', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer(({ session }, response) => response.writeHead(session === 's2' ? 422 : 200).end())
    const notifier = await ground.notify([webhookPlan(receiver.url)])
    ground.open(3)
    await vi.waitUntil(() => receiver.sessions.includes('s3'), patiently)
    expect(receiver.sessions).toEqual(['s1', 's2', 's2', 's2', 's3'])
    const [letter] = await notifier.letters()
    expect(letter).toMatchObject({
      sink: 'soc',
      kind: 'session-open',
      attempts: 3,
      reason: 'it answered with status 422',
    })
    expect(
      readFileSync(join(ground.notifyFolder, 'dead', 'soc', `${letter?.sequence}.json`), 'utf8'),
    ).not.toContain('Ada')
  })

  test('a dead letter is there after a restart, can be sent again under its old id, and is gone then', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(400).end())
    const first = await ground.notify([webhookPlan(receiver.url, { attempts: 1 })])
    ground.open(1)
    await vi.waitUntil(async () => (await first.letters()).length === 1, patiently)
    await first.close()
    const notifier = await ground.notify([webhookPlan(receiver.url, { attempts: 1 })])
    const [letter] = await notifier.letters()
    expect(await notifier.retry(letter?.id ?? '')).toEqual({
      kind: 'not-sent',
      reason: 'it answered with status 400',
    })
    receiver.answer((_, response) => response.writeHead(200).end())
    expect(await notifier.retry(letter?.id ?? '')).toEqual({ kind: 'sent' })
    expect(await notifier.letters()).toEqual([])
    expect(await notifier.retry(letter?.id ?? '')).toEqual({ kind: 'no-letter' })
    expect(new Set(receiver.heard.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([letter?.uid]),
    )
  })

  test('a dead letter can be dropped, once', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(400).end())
    const notifier = await ground.notify([webhookPlan(receiver.url, { attempts: 1 })])
    ground.open(1)
    await vi.waitUntil(async () => (await notifier.letters()).length === 1, patiently)
    const [letter] = await notifier.letters()
    expect(await notifier.drop('soc.999')).toBe(false)
    expect(await notifier.drop('../../etc.1')).toBe(false)
    expect(await notifier.drop(letter?.id ?? '')).toBe(true)
    expect(await notifier.drop(letter?.id ?? '')).toBe(false)
  })

  test('a receiver that is away for too long loses what happened, and gets what happens then', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(503).end())
    const notifier = await ground.notify([webhookPlan(receiver.url, { giveUpMs: 300 })])
    ground.open(2)
    await vi.waitUntil(async () => (await notifier.letters()).length === 2, patiently)
    receiver.answer((_, response) => response.writeHead(200).end())
    ground.open(1, 3)
    await vi.waitUntil(() => notifier.states()[0]?.taken === 1, patiently)
    expect(receiver.sessions.at(-1)).toBe('s3')
  })

  test('a receiver that answers 410 gets nothing more, also after a restart, until somebody says so; then nothing is missing', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(410).end())
    const first = await ground.notify([webhookPlan(receiver.url)])
    ground.open(2)
    await vi.waitUntil(() => ground.news.length > 0, patiently)
    expect(ground.news).toEqual([
      { kind: 'disabled', sink: 'soc', reason: expect.stringContaining('410') as string },
    ])
    await first.close()
    receiver.answer((_, response) => response.writeHead(200).end())
    const notifier = await ground.notify([webhookPlan(receiver.url)])
    ground.open(1, 3)
    expect(notifier.states()[0]?.isDisabled).toBe(true)
    expect(await notifier.resume('other')).toBe(false)
    expect(await notifier.resume('soc')).toBe(true)
    await vi.waitUntil(() => receiver.sessions.includes('s3'), patiently)
    expect(receiver.sessions).toEqual(['s1', 's1', 's2', 's3'])
    expect(await notifier.resume('soc')).toBe(false)
  })

  test('a cursor that is torn or strange counts as none: the lane begins where the log ends', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    const first = await ground.notify([webhookPlan(receiver.url)])
    await first.close()
    ground.open(2)
    writeFileSync(join(ground.notifyFolder, 'soc.cursor'), '{"version":1,"position":{"segment":"x"')
    await ground.notify([webhookPlan(receiver.url)])
    ground.open(1, 3)
    await vi.waitUntil(() => receiver.heard.length > 0, patiently)
    expect(receiver.sessions).toEqual(['s3'])
    expect(ground.news.map(({ kind }) => kind)).toEqual(['lost-place'])
  })

  test('what waits is counted', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.writeHead(503).end())
    const notifier = await ground.notify([webhookPlan(receiver.url)])
    ground.open(7)
    await vi.waitUntil(() => (notifier.states()[0]?.away ?? 0) > 2, patiently)
    const [state] = notifier.states()
    expect(state).toMatchObject({ sink: 'soc', taken: 0, backlog: 7, deadLetters: 0, isDisabled: false })
    expect(Math.abs(Date.now() - (state?.oldestAtMs ?? 0))).toBeLessThan(60_000)
  })

  test('an ask is told with the line that it answers', async () => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    receiver.answer((_, response) => response.end('{"ask":"end","session":"s1","reason":"case 9"}'))
    await ground.notify([webhookPlan(receiver.url)])
    ground.open(1)
    await vi.waitUntil(() => ground.news.length > 0, patiently)
    expect(ground.news[0]).toEqual({
      kind: 'ask',
      sink: 'soc',
      sequence: 1,
      ask: { ask: 'end', session: 's1', reason: 'case 9' },
    })
    expect(existsSync(join(ground.notifyFolder, 'soc.cursor'))).toBe(true)
  })
})
