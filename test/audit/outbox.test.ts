/** The outbox of a worker process: nothing that was said is lost, twice, or out of order, whoever dies when. */
import { generateKeyPairSync } from 'node:crypto'
import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import pino from 'pino'
import { expect, test } from 'vitest'
import { appendAll } from '../../src/audit/append.ts'
import { isProbe, openAuditLog } from '../../src/audit/audit-log.ts'
import type { OutboxEntry } from '../../src/audit/outbox/entry.ts'
import { Outbox, maxUntaken } from '../../src/audit/outbox/outbox.ts'
import { outboxAudit } from '../../src/audit/outbox/outbox-logs.ts'
import { leftOutboxes, OutboxReader } from '../../src/audit/outbox/outbox-reader.ts'
import { entriesTakenOver, takenFrom, takenFromValue } from '../../src/audit/outbox/taken-over.ts'
import { systemClock } from '../../src/clock.ts'
import { fileSigner } from '../../src/credentials/authority.ts'
import { Fault } from '../../src/errors.ts'
import type { AppendSync } from '../../src/model.ts'
import { newFolder } from '../support/scratch.ts'

const owner = '0123456789abcdef'
const log = pino({ level: 'silent' })

function openOutbox(folder: string, fileBytes = 1000, append: AppendSync = appendAll): Outbox {
  return new Outbox({ folder, owner, clock: systemClock, log, append, onEntry: () => {}, fileBytes })
}

function scratch(): string {
  return newFolder('outbox')
}

function say(outbox: Outbox, text: string): number {
  return outbox.say({ audit: { kind: 'refusal', text } })
}

function textOf(entry: OutboxEntry): unknown {
  return 'audit' in entry ? entry.audit['text'] : undefined
}

test('a full disk refuses the entry, and everything after it', () => {
  const folder = scratch()
  let isFull = false
  const outbox = openOutbox(folder, 1000, (fd, parts) => {
    if (isFull) throw new Error('ENOSPC')
    appendAll(fd, parts)
  })
  say(outbox, 'a')
  isFull = true
  expect(() => say(outbox, 'b')).toThrow(Fault)
  isFull = false
  expect(() => say(outbox, 'c')).toThrow(Fault)
  const read: unknown[] = []
  new OutboxReader(folder, owner, entry => read.push(textOf(entry))).take()
  expect(read).toEqual(['a'])
})

test('entries that nobody takes over have a limit', () => {
  const outbox = openOutbox(scratch(), 1024 * 1024)
  for (let n = 0; n < maxUntaken; n++) say(outbox, '')
  expect(() => say(outbox, '')).toThrow(Fault)
  expect(outbox.failure?.code).toBe('AUDIT_APPEND_FAILED')
})

test('what cannot be taken over stays, and is taken over later', () => {
  const folder = scratch()
  const outbox = openOutbox(folder)
  for (const text of ['a', 'b', 'c']) say(outbox, text)
  const read: unknown[] = []
  let refuse = true
  const reader = new OutboxReader(folder, owner, entry => {
    if (refuse && textOf(entry) === 'b') throw new Error('the audit log cannot be written')
    read.push(textOf(entry))
  })
  expect(() => reader.take()).toThrow('cannot be written')
  expect(() => reader.take()).toThrow('cannot be written')
  expect(read).toEqual(['a'])
  refuse = false
  reader.take()
  expect(read).toEqual(['a', 'b', 'c'])
})

test('a line that a crash has torn is none', () => {
  const folder = scratch()
  say(openOutbox(folder), 'a')
  appendFileSync(join(folder, readdirSync(folder)[0] ?? ''), '{"n":2,"atMs":1,"aud')
  const read: unknown[] = []
  const reader = new OutboxReader(folder, owner, entry => read.push(textOf(entry)))
  reader.take()
  reader.take()
  expect(read).toEqual(['a'])
  reader.discard()
  expect(leftOutboxes(folder)).toEqual([])
})

test('whatever is said between whichever looks is taken over once and in order', () => {
  const steps = fc.array(fc.oneof(fc.constant('look' as const), fc.string({ maxLength: 300 })), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 2000 }), (sequence, fileBytes) => {
      const folder = scratch()
      const outbox = openOutbox(folder, fileBytes)
      const read: unknown[] = []
      const reader = new OutboxReader(folder, owner, entry => read.push(textOf(entry)))
      for (const step of sequence) {
        if (step === 'look') reader.take()
        else say(outbox, step)
      }
      reader.take()
      expect(read).toEqual(sequence.filter(step => step !== 'look'))
      expect(readdirSync(folder)).toHaveLength(1)
    }),
    { numRuns: 100 },
  )
})

test('after a crash of the process that has the log, it shows what was taken over', async () => {
  const folder = scratch()
  const auditFolder = scratch()
  const signer = fileSigner(generateKeyPairSync('ed25519').privateKey)
  const audit = openAuditLog({ folder: auditFolder, signer, clock: systemClock, log })
  const outbox = openOutbox(folder)
  const sinceMs = Date.now()
  for (const text of ['a', 'b']) say(outbox, text)
  const take = (entry: OutboxEntry): void => {
    if ('audit' in entry) audit.append({ ...entry.audit, [takenFrom]: takenFromValue(owner, entry.n) })
  }
  new OutboxReader(folder, owner, take).take()
  say(outbox, 'c')
  expect([...entriesTakenOver(auditFolder, owner, sinceMs)]).toEqual([1, 2])
  expect([...entriesTakenOver(auditFolder, 'f'.repeat(16), sinceMs)]).toEqual([])
  await audit.close()
})

test('evidence of a probe is as good as that of the log, and only after it was said', () => {
  const outbox = openOutbox(scratch())
  const audit = outboxAudit(outbox)
  expect(isProbe(audit.probe('orders', 'broker'))).toBe(true)
  outbox.fail(new Error('the gateway says so'))
  expect(() => audit.probe('orders', 'broker')).toThrow(Fault)
})
