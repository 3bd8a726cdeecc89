import { expect, onTestFinished, test, vi } from 'vitest'
import { IndexWriter } from '../../src/analysis/index/index-writer.ts'
import { command, watched } from '../analysis/index/sessions.ts'
import { Ground, patiently, Receiver, webhookPlan } from './ground.ts'

function indexOf(ground: Ground): IndexWriter {
  const writer = new IndexWriter(ground.folder)
  onTestFinished(() => writer.close())
  return writer
}

/** A session that is over, with so many commands in the index. */
function indexed(writer: IndexWriter, id: string, commands: number): void {
  writer.know([{ session: watched(id), isOver: true }])
  writer.write(
    id,
    Array.from({ length: commands }, (_, number) => command(id, number, `cat /etc/file${number}`)),
    [],
  )
}

function close(ground: Ground, session: string): void {
  ground.append({
    kind: 'session-close',
    session,
    protocol: 'ssh',
    target: 'web1',
    login: 'root',
    principal: 'Ada',
    sealed: 'yes',
  })
}

function commandLines(receiver: Receiver): string[] {
  return receiver.heard.flatMap(({ body }) => {
    const { type, data } = JSON.parse(body) as { type: string; data: { process?: { cmd_line: string } } }
    return type === 'content-command' ? [data.process?.cmd_line ?? ''] : []
  })
}

const lines = (count: number): string[] => Array.from({ length: count }, (_, at) => `cat /etc/file${at}`)

test('nothing of what was done in sessions is sent unless that is asked for', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  const writer = indexOf(ground)
  await ground.notify([webhookPlan(receiver.url)])
  indexed(writer, 's1', 3)
  writer.setState('s1', 'done')
  close(ground, 's1')
  close(ground, 's2')
  await vi.waitUntil(() => receiver.heard.length >= 2, patiently)
  expect(receiver.heard.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
    'session-close',
    'session-close',
  ])
  expect(receiver.heard.map(({ body }) => body).join()).not.toContain('/etc/file')
})

test.each(['sealed', 'gone', 'failed'] as const)(
  'nothing is sent of a session whose recording is %s',
  async state => {
    const [ground, receiver] = [new Ground(), await Receiver.start()]
    const writer = indexOf(ground)
    await ground.notify([webhookPlan(receiver.url, { content: true })])
    indexed(writer, 's1', 3)
    writer.setState('s1', state)
    indexed(writer, 's2', 1)
    writer.setState('s2', 'done')
    close(ground, 's1')
    close(ground, 's2')
    await vi.waitUntil(() => commandLines(receiver).length > 0, patiently)
    expect(
      receiver.heard.filter(({ body }) => body.includes('content-')).map(({ session }) => session),
    ).toEqual(['s2'])
  },
)

test('what was done follows the end of the session, in order, once the index has read it; other news do not wait for that', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  const writer = indexOf(ground)
  await ground.notify([webhookPlan(receiver.url, { content: true })])
  indexed(writer, 's1', 450)
  close(ground, 's1')
  ground.open(2)
  await vi.waitUntil(() => receiver.heard.length >= 3, patiently)
  expect(commandLines(receiver)).toEqual([])
  writer.setState('s1', 'done')
  await vi.waitUntil(() => commandLines(receiver).length >= 450, patiently)
  expect(commandLines(receiver)).toEqual(lines(450))
  expect(JSON.parse(receiver.heard.at(-1)?.body ?? '{}')).toMatchObject({
    type: 'content-command',
    data: {
      class_uid: 1007,
      actor: { user: { name: 'Ada' }, session: { uid: 's1' } },
      device: { hostname: 'web1' },
      process: { user: { name: 'root' } },
    },
  })
})

test('after a restart in the middle nothing is missing, and what comes twice has the same id', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  const writer = indexOf(ground)
  indexed(writer, 's1', 60)
  receiver.answer((_, response) => void setTimeout(() => response.end(), 5))
  const first = await ground.notify([webhookPlan(receiver.url, { content: true })])
  close(ground, 's1')
  await vi.waitUntil(() => receiver.heard.length >= 1, patiently)
  writer.setState('s1', 'done')
  await vi.waitUntil(() => commandLines(receiver).length >= 10, patiently)
  await first.close()
  await ground.notify([webhookPlan(receiver.url, { content: true })])
  await vi.waitUntil(() => commandLines(receiver).includes('cat /etc/file59'), patiently)
  expect(new Set(commandLines(receiver))).toEqual(new Set(lines(60)))
  const ids = receiver.heard.map(({ headers, body }) => `${String(headers['webhook-id'])} ${body}`)
  expect(new Set(receiver.heard.map(({ headers }) => headers['webhook-id'])).size).toBe(61)
  expect(new Set(ids).size).toBe(61)
})

test('a receiver that does not take it loses the rest of that session, and gets the next one', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  const writer = indexOf(ground)
  for (const id of ['s1', 's2']) {
    indexed(writer, id, 5)
    writer.setState(id, 'done')
  }
  receiver.answer(({ session, body }, response) =>
    response.writeHead(session === 's1' && body.includes('file2') ? 413 : 200).end(),
  )
  await ground.notify([webhookPlan(receiver.url, { content: true, attempts: 2 })])
  close(ground, 's1')
  close(ground, 's2')
  await vi.waitUntil(
    () => commandLines(receiver).filter(line => line.includes('file4')).length === 1,
    patiently,
  )
  const of = (session: string) =>
    receiver.heard.filter(one => one.session === session && one.body.includes('content-')).length
  expect([of('s1'), of('s2')]).toEqual([4, 5])
  expect(ground.news).toContainEqual(expect.objectContaining({ kind: 'dead', letter: 'content of s1' }))
})
