/** The thread that tells others: reading, mapping, signing, TLS and waiting stay off the loop that relays sessions. */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../clock.ts'
import { reasonOf } from '../errors.ts'
import { laneOf } from './lane-of-plan.ts'
import { Notifier } from './notifier.ts'
import type { FromNotify, NotifyAnswer, NotifyQuestion, NotifyStart, ToNotify } from './notify-messages.ts'

const { sinks, ...start } = workerData as NotifyStart
const port = parentPort
if (port === null) throw new Error('the notifying thread is a thread')
const say = (message: FromNotify) => port.postMessage(message)

const notifier = new Notifier(
  sinks.map(plan => laneOf(plan, systemClock, start.producer)),
  { ...start, clock: systemClock, heard: news => say({ kind: 'news', news }) },
)
port.on('message', ({ id, question }: ToNotify) => void reply(id, question))
await notifier.start()

async function reply(id: number, question: NotifyQuestion): Promise<void> {
  try {
    say({ kind: 'answer', id, answer: await answerTo(question) })
  } catch (error) {
    say({ kind: 'failed', id, reason: reasonOf(error) })
  }
}

async function answerTo(question: NotifyQuestion): Promise<NotifyAnswer> {
  switch (question.kind) {
    case 'overview':
      return { overview: await notifier.overview() }
    case 'retry':
      return { retried: await notifier.retry(question.letter) }
    case 'drop':
      return { done: await notifier.drop(question.letter) }
    case 'resume':
      return { done: await notifier.resume(question.sink) }
    case 'close':
      await notifier.close()
      setImmediate(() => port?.close())
      return {}
  }
}
