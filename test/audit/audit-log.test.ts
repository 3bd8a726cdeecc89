import {
  appendFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writevSync,
} from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AuditLogOptions, isProbe, openAuditLog } from '../../src/audit/audit-log.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import { Fault } from '../../src/errors.ts'
import { HeldClock, newFolder, newSigner, quiet } from '../recorder/support.ts'

function newOptions(more: Partial<AuditLogOptions> = {}): AuditLogOptions {
  return {
    folder: join(newFolder(), 'audit'),
    signer: newSigner(),
    clock: new HeldClock(),
    log: quiet,
    ...more,
  }
}

function filesOf(options: AuditLogOptions): string[] {
  return readdirSync(options.folder)
    .toSorted()
    .map(name => join(options.folder, name))
}

function linesOf(options: AuditLogOptions): Record<string, unknown>[] {
  return filesOf(options).flatMap(file =>
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>),
  )
}

async function smallLog(options: AuditLogOptions): Promise<string> {
  const audit = openAuditLog(options)
  audit.append({ kind: 'gateway-start' })
  for (let i = 0; i < 6; i++) audit.append({ kind: 'sign-in', subject: `u-${i}`, sourceAddress: '192.0.2.7' })
  await audit.close()
  return filesOf(options)[0] ?? ''
}

describe('what cannot be written is refused', () => {
  test('after an append that fails the log stays failed', () => {
    let isFull = false
    const options = newOptions({
      append: (fd, parts) => {
        if (isFull) throw new Error('ENOSPC')
        writevSync(fd, parts)
      },
    })
    const audit = openAuditLog(options)
    audit.append({ kind: 'gateway-start' })
    isFull = true
    expect(() => audit.append({ kind: 'refusal' })).toThrow(Fault)
    isFull = false
    expect(() => audit.append({ kind: 'refusal' })).toThrow(Fault)
    expect(() => audit.probe('web1', 'check')).toThrow(Fault)
    expect(audit.failure?.code).toBe('AUDIT_APPEND_FAILED')
    expect(linesOf(options)).toHaveLength(1)
  })

  test('a log whose end was changed is not continued', async () => {
    const options = newOptions()
    const file = await smallLog(options)
    appendFileSync(file, 'hello\n')
    expect(() => openAuditLog(options)).toThrow('sallyport verify')
  })

  test('a closed log takes nothing', async () => {
    const audit = openAuditLog(newOptions())
    await audit.close()
    expect(() => audit.append({ kind: 'sign-in' })).toThrow(Fault)
  })
})

describe('hostile texts', () => {
  test('one event is one line that is safe to print, whatever is in it', () => {
    const options = newOptions()
    const audit = openAuditLog(options)
    const texts = [
      'a\nb',
      '\x1b[31m',
      '\0',
      '\u202egnp',
      '\u009b2J',
      '\ud800',
      'x'.repeat(1_000_000),
      '"}{',
      '\u2028',
      '\u200b',
    ]
    for (const text of texts) audit.append({ kind: 'refusal', name: text, reasons: [text, text] })
    const stored = readFileSync(filesOf(options)[0] ?? '')
    expect(stored.toString().trimEnd().split('\n')).toHaveLength(texts.length)
    expect(stored.toString()).not.toMatch(
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e]/,
    )
    const read = linesOf(options)
    for (const [i, text] of texts.entries()) if (text.length < 5000) expect(read[i]?.['name']).toBe(text)
    expect(read[6]?.['name']).toHaveLength(4096 + '… (995904 more)'.length)
    expect(verifyAudit(options.folder).ok).toBe(true)
  })

  test('an event cannot pass for the log itself', () => {
    const options = newOptions()
    openAuditLog(options).append({ kind: 'refusal', sequence: 99, previous: 'x', at: 'y' })
    expect(linesOf(options)[0]).toMatchObject({
      sequence: 1,
      event_sequence: 99,
      event_previous: 'x',
      event_at: 'y',
    })
  })

  test('any event reads back, and its line is the only one that reads so', () => {
    const options = newOptions()
    const audit = openAuditLog(options)
    const fields = fc.dictionary(
      fc.string({ maxLength: 20 }),
      fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(undefined)),
    )
    fc.assert(fc.property(fields, more => audit.append({ ...more, kind: 'refusal' })))
    expect(verifyAudit(options.folder)).toMatchObject({ ok: true, records: linesOf(options).length })
  })
})

describe('the chain', () => {
  test('flipping any bit of a closed log is noticed', async () => {
    const options = newOptions()
    const file = await smallLog(options)
    const whole = readFileSync(file)
    expect(verifyAudit(file, options.signer.publicKeyPem)).toMatchObject({
      ok: true,
      sealed: true,
      records: 8,
      notes: [],
    })
    for (const at of whole.keys()) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
      writeFileSync(file, bytes)
      const result = verifyAudit(file, options.signer.publicKeyPem)
      expect(result.ok && result.sealed, `byte ${at}`).toBe(false)
    }
  })

  test('lines taken out, doubled or moved are named', async () => {
    const options = newOptions()
    const file = await smallLog(options)
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    const check = (changed: string[]) => {
      writeFileSync(file, `${changed.join('\n')}\n`)
      return verifyAudit(file, options.signer.publicKeyPem)
    }
    for (let i = 0; i < lines.length - 1; i++) {
      expect(check(lines.toSpliced(i, 1)), `without ${i}`).toMatchObject({ ok: false, record: i })
      expect(check(lines.toSpliced(i, 0, lines[i] ?? '')), `${i} twice`).toMatchObject({
        ok: false,
        record: i + 1,
      })
      expect(
        check(lines.with(i, lines[i + 1] ?? '').with(i + 1, lines[i] ?? '')),
        `${i} moved`,
      ).toMatchObject({ ok: false, record: i })
    }
    expect(check(lines)).toMatchObject({ ok: true })
    expect(check(lines.slice(0, -1))).toMatchObject({
      ok: true,
      sealed: false,
      notes: [expect.stringContaining('no signature covers')],
    })
  })

  test('another key has not signed it', async () => {
    const options = newOptions()
    await smallLog(options)
    expect(verifyAudit(options.folder, newSigner().publicKeyPem)).toMatchObject({
      ok: false,
      record: 7,
      reason: `it says that it is signed with another key than those given, ${options.signer.keyId}; nothing else is wrong`,
    })
    expect(
      verifyAudit(options.folder, [newSigner().publicKeyPem, options.signer.publicKeyPem]),
    ).toMatchObject({ ok: true })
    expect(verifyAudit(options.folder)).toMatchObject({
      ok: true,
      signedBy: [],
      notes: [expect.stringContaining('not checked')],
    })
  })

  test('goes on after a restart and across files, of which none may be missing', async () => {
    const options = newOptions({ segmentBytes: 1500 })
    for (let start = 0; start < 3; start++) await smallLog(options)
    const files = filesOf(options)
    expect(files.length).toBeGreaterThan(2)
    expect(verifyAudit(options.folder, options.signer.publicKeyPem)).toMatchObject({
      ok: true,
      sealed: true,
      signedBy: [options.signer.keyId],
    })
    expect(verifyAudit(files[1] ?? '', options.signer.publicKeyPem)).toMatchObject({
      ok: true,
      notes: expect.arrayContaining([expect.stringContaining('begins with line')]),
    })
    const sequences = linesOf(options).map(line => line['sequence'])
    expect(sequences).toEqual(sequences.map((_, i) => i + 1))
    const [first = '', second = ''] = files
    writeFileSync(second, '')
    expect(verifyAudit(options.folder)).toMatchObject({ ok: false })
    expect(statSync(first).mode & 0o777).toBe(0o600)
  })

  test('a line that a crash has torn is moved into a note, wherever it was cut', async () => {
    const options = newOptions()
    const file = await smallLog(options)
    const whole = readFileSync(file)
    const lastLine = whole.lastIndexOf(0x0a, whole.length - 2) + 1
    for (let length = lastLine; length < whole.length; length += 17) {
      writeFileSync(file, whole)
      truncateSync(file, length)
      const audit = openAuditLog(options)
      audit.append({ kind: 'gateway-start' })
      await audit.close()
      expect(verifyAudit(file, options.signer.publicKeyPem), `cut at ${length}`).toMatchObject({
        ok: true,
        sealed: true,
      })
      const note = linesOf(options).find(line => line['kind'] === 'torn-line')
      if (length === lastLine) expect(note).toBeUndefined()
      else expect(Buffer.from(String(note?.['base64']), 'base64')).toEqual(whole.subarray(lastLine, length))
    }
  })

  test('a checkpoint is signed after so many lines, while others are written', async () => {
    const options = newOptions()
    const audit = openAuditLog(options)
    for (let i = 0; i < 250; i++) audit.append({ kind: 'sign-in', subject: String(i) })
    await new Promise(resolve => setImmediate(resolve))
    audit.append({ kind: 'sign-in', subject: 'last' })
    await audit.close()
    expect(linesOf(options).filter(line => line['kind'] === 'checkpoint').length).toBeGreaterThanOrEqual(2)
    expect(verifyAudit(options.folder, options.signer.publicKeyPem)).toMatchObject({ ok: true, sealed: true })
  })

  test('a signer that is away does not stop the log', async () => {
    const options = newOptions()
    const audit = openAuditLog({
      ...options,
      signer: { ...options.signer, sign: () => Promise.reject(new Error('agent is away')) },
    })
    audit.append({ kind: 'gateway-start' })
    await audit.close()
    expect(verifyAudit(options.folder, options.signer.publicKeyPem)).toMatchObject({
      ok: true,
      sealed: false,
    })
  })
})

test('a probe is evidence that its line was written', () => {
  const options = newOptions()
  const probe = openAuditLog(options).probe('web1', 'check of login root')
  expect(probe).toMatchObject({ target: 'web1', why: 'check of login root' })
  expect(linesOf(options)).toMatchObject([{ kind: 'probe', target: 'web1', why: 'check of login root' }])
  expect(isProbe(probe)).toBe(true)
  expect(isProbe({ target: 'web1', why: 'x' })).toBe(false)
})
