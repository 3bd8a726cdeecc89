import { rmSync, writeFileSync } from 'node:fs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { endOfLog } from '../../src/notify/audit-feed.ts'
import { type HeardNews, NotifyThread } from '../../src/notify/notify-thread.ts'
import { Ground, names, patiently, producer, Receiver, webhookPlan } from './ground.ts'

function startThread(ground: Ground, url: string): { thread: NotifyThread; news: HeardNews[] } {
  const news: HeardNews[] = []
  const { auditFolder, notifyFolder: folder } = ground
  const start = {
    auditFolder,
    indexFolder: ground.folder,
    folder,
    begin: endOfLog(auditFolder),
    producer,
    sinks: [webhookPlan(url)],
  }
  const thread = new NotifyThread(start, one => void (one.kind === 'state' || news.push(one)))
  onTestFinished(() => thread.close())
  return { thread, news }
}

test('what was written last before the gateway stops is still told', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  const { thread } = startThread(ground, receiver.url)
  await thread.overview()
  ground.open(30)
  await thread.close()
  expect(receiver.sessions).toEqual(names(30))
  await expect(thread.overview()).rejects.toMatchObject({ code: 'NOTIFY_FAILED' })
})

test('a receiver that hangs does not hold up the end of the gateway', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  receiver.answer(() => {})
  const { thread } = startThread(ground, receiver.url)
  await thread.overview()
  ground.open(1)
  await vi.waitUntil(() => receiver.heard.length === 1, patiently)
  await thread.close()
  expect(receiver.heard).toHaveLength(1)
})

test('a thread that fails is told of, and started again; then nothing is missing', async () => {
  const [ground, receiver] = [new Ground(), await Receiver.start()]
  writeFileSync(ground.notifyFolder, 'no folder: the thread cannot start')
  const { thread, news } = startThread(ground, receiver.url)
  ground.open(3)
  await vi.waitUntil(() => news.some(({ kind }) => kind === 'broken'), patiently)
  await expect(thread.overview()).rejects.toMatchObject({ code: 'NOTIFY_FAILED' })
  rmSync(ground.notifyFolder)
  await vi.waitUntil(() => receiver.heard.length === 3, patiently)
  expect(receiver.sessions).toEqual(names(3))
})
