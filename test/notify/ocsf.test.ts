import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { auditKinds } from '../../src/audit/audit-log.ts'
import type { FeedEvent } from '../../src/notify/event.ts'
import { toOcsf } from '../../src/notify/ocsf/event.ts'
import { mappedKinds } from '../../src/notify/ocsf/mappings.ts'
import { render } from '../../src/notify/render.ts'
import { producer } from './ground.ts'

type Rule = { required?: string[]; atLeastOne?: string[] }
type Json = Record<string, unknown>
const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/ocsf/required.json'), 'utf8'),
) as {
  event: string[]
  metadata: string[]
  severities: number[]
  objects: Record<string, Rule>
  classes: Record<string, Rule & { category: number; activities: number[] }>
}

const who = {
  issuer: 'https://login.test',
  subject: 'u1',
  principal: 'ada@example.com',
  sourceAddress: '10.0.0.7',
}

function event(kind: string, fields: Json = {}): FeedEvent {
  return { sequence: 7, uid: 'ab'.repeat(32), atMs: 1_795_000_000_123, kind, fields }
}

function mapped(kind: string, fields: Json = {}): Json {
  return JSON.parse(render(event(kind, fields), 'ocsf', producer, 65_536)) as Json
}

/** What the schema objects to, in sentences. */
function objections(value: Json): string[] {
  const rule = schema.classes[String(value['class_uid'])]
  if (rule === undefined) return [`class ${String(value['class_uid'])} is not in the fixture`]
  const classUid = Number(value['class_uid'])
  const activity = Number(value['activity_id'])
  return [
    ...missing('event', value, { required: schema.event }),
    ...missing('metadata', value['metadata'] as Json, { required: schema.metadata }),
    ...missing('class', value, rule),
    ...Object.entries(schema.objects).flatMap(([name, object]) =>
      value[name] === undefined ? [] : missing(name, value[name] as Json, object),
    ),
    ...(value['category_uid'] === rule.category ? [] : ['the category is not that of the class']),
    ...(value['type_uid'] === classUid * 100 + activity
      ? []
      : ['type_uid is not made of class and activity']),
    ...(rule.activities.includes(activity) ? [] : [`activity ${activity} is none of the class`]),
    ...(schema.severities.includes(Number(value['severity_id'])) ? [] : ['no severity']),
    ...(Number.isSafeInteger(value['time']) ? [] : ['time is not in milliseconds']),
  ]
}

function missing(what: string, value: Json, { required = [], atLeastOne = [] }: Rule): string[] {
  const absent = required.filter(name => value[name] === undefined).map(name => `${what} lacks ${name}`)
  const isOne = atLeastOne.length === 0 || atLeastOne.some(name => value[name] !== undefined)
  return isOne ? absent : [...absent, `${what} has none of ${atLeastOne.join(', ')}`]
}

describe('every event', () => {
  test.each([
    ...auditKinds,
    'torn-line',
    'a-kind-of-later',
    'content-command',
    'content-statement',
    'content-file',
    'content-forward',
  ])('%s has what its class requires, with everything said and with nothing', kind => {
    expect(objections(mapped(kind))).toEqual([])
    const fields = {
      ...who,
      target: 'web1',
      login: 'root',
      session: 's1',
      protocol: 'postgres',
      by: 'local user 0',
      code: 'x',
      id: 'i',
      finding: 'f1',
    }
    expect(objections(mapped(kind, fields))).toEqual([])
    expect(objections(mapped(kind, { ...fields, protocol: 'ssh' }))).toEqual([])
  })

  test('every kind of the audit log has a class of its own choice', () => {
    const chosen = new Set(mappedKinds())
    expect(auditKinds.filter(kind => !chosen.has(kind) && !kind.startsWith('finding-'))).toEqual([])
  })

  test('this check notices what is missing', () => {
    const { user: _, ...without } = mapped('sign-in', who)
    expect(objections(without)).toEqual(['class lacks user'])
    expect(objections({ ...mapped('sign-in', who), type_uid: 1 })).toEqual([
      'type_uid is not made of class and activity',
    ])
    expect(objections({ ...mapped('recording-read', who), api: {} })).toEqual(['api lacks operation'])
  })

  test('whatever an entry holds, what comes of it has what its class requires and fits', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.boolean(),
      fc.array(fc.string()),
      fc.constant(null),
    )
    const names = fc.oneof(
      fc.constantFrom(
        'principal',
        'subject',
        'target',
        'protocol',
        'session',
        'sourceAddress',
        'by',
        'rules',
        'severity',
        'finding',
        'id',
        'method',
      ),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.constantFrom(...auditKinds), fc.dictionary(names, value), (kind, fields) => {
        const line = render(event(kind, fields), 'ocsf', producer, 65_536)
        expect(objections(JSON.parse(line) as Json)).toEqual([])
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/)
      }),
    )
  })
})

describe('what is said of', () => {
  test('a sign-in: Authentication, Logon, with the person and how', () => {
    expect(mapped('sign-in', { ...who, method: 'browser-code', protocol: 'ssh' })).toMatchObject({
      class_uid: 3002,
      activity_id: 1,
      status_id: 1,
      severity_id: 1,
      time: 1_795_000_000_123,
      user: {
        name: 'ada@example.com',
        uid: 'u1',
        domain: 'https://login.test',
        email_addr: 'ada@example.com',
      },
      src_endpoint: { ip: '10.0.0.7' },
      auth_protocol_id: 4,
      metadata: { uid: 'ab'.repeat(32), sequence: 7, event_code: 'sign-in', version: '1.3.0' },
    })
  })

  test('a refused sign-in: a failed Logon with its code', () => {
    expect(
      mapped('refusal', { method: 'token-exchange', code: 'TOKEN_REFUSED', sourceAddress: '10.0.0.7' }),
    ).toMatchObject({
      class_uid: 3002,
      status_id: 2,
      status_code: 'TOKEN_REFUSED',
      severity_id: 2,
    })
  })

  test('a refused session: SSH Activity, Refuse; on PostgreSQL a Connect that failed', () => {
    const wish = { ...who, target: 'web1', code: 'no-rule', reasons: 'no rule allows it' }
    expect(mapped('refusal', { ...wish, protocol: 'ssh' })).toMatchObject({
      class_uid: 4007,
      activity_id: 5,
      status_id: 2,
    })
    expect(mapped('refusal', { ...wish, protocol: 'postgres' })).toMatchObject({
      class_uid: 6005,
      activity_id: 3,
      status_id: 2,
      status_detail: 'no rule allows it',
    })
  })

  test('sessions: SSH Activity Open and Close, Datastore Activity Connect and Disconnect, correlated by the session', () => {
    const session = { ...who, session: 's1', target: 'orders', login: 'app' }
    expect(mapped('session-open', { ...session, protocol: 'ssh' })).toMatchObject({
      class_uid: 4007,
      activity_id: 1,
    })
    expect(mapped('session-close', { ...session, protocol: 'ssh' })).toMatchObject({
      class_uid: 4007,
      activity_id: 2,
      metadata: { correlation_uid: 's1' },
    })
    expect(mapped('session-open', { ...session, protocol: 'postgres' })).toMatchObject({
      class_uid: 6005,
      activity_id: 3,
      dst_endpoint: { name: 'orders' },
      database: { name: 'orders', type_id: 1 },
    })
    expect(mapped('session-close', { ...session, protocol: 'postgres' })).toMatchObject({
      activity_id: 99,
      activity_name: 'Disconnect',
    })
  })

  test('a recording that was read: API Activity, Read, by whom', () => {
    expect(mapped('recording-read', { ...who, session: 's1', purpose: 'web transcript' })).toMatchObject({
      class_uid: 6003,
      activity_id: 2,
      actor: { user: { uid: 'u1' } },
      resources: [{ uid: 's1' }],
      unmapped: { purpose: 'web transcript' },
    })
  })

  test('a finding: Detection Finding with its rule and technique, under one uid from beginning to end', () => {
    const finding = {
      finding: 'f1',
      session: 's1',
      severity: 'high',
      rules: ['shell-history'],
      techniques: ['T1070.003'],
      sentence: 'History was cleared',
    }
    expect(mapped('finding-noticed', finding)).toMatchObject({
      class_uid: 2004,
      activity_id: 1,
      severity_id: 4,
      status_id: 1,
      is_alert: true,
      finding_info: {
        uid: 'f1',
        title: 'History was cleared',
        analytic: { uid: 'shell-history', type_id: 1 },
        attacks: [{ technique: { uid: 'T1070' }, sub_technique: { uid: 'T1070.003' } }],
      },
    })
    const ofNoSession = {
      finding: 'f2',
      group: 'integrity-audit-log-1',
      severity: 'high',
      rules: [],
      techniques: [],
    }
    expect(mapped('finding-noticed', ofNoSession)).toMatchObject({
      is_alert: true,
      finding_info: { uid: 'f2', title: 'integrity-audit-log-1' },
    })
    expect(mapped('finding-decided', { finding: 'f1', what: 'closed', by: 'Ben' })).toMatchObject({
      activity_id: 3,
      status_id: 4,
      finding_info: { uid: 'f1' },
    })
  })

  test('a credential: Entity Management, Create and Delete', () => {
    const credential = { id: 's1.role', session: 's1', target: 'orders', role: 'sp_gw_ada_s1' }
    expect(mapped('credential-minted', credential)).toMatchObject({
      class_uid: 3004,
      activity_id: 1,
      entity: { name: 'sp_gw_ada_s1' },
    })
    expect(mapped('credential-removed', { ...credential, by: 'sweep' })).toMatchObject({
      activity_id: 4,
      actor: { app_name: 'sallyport' },
    })
  })
})

describe('hostile texts', () => {
  const hostile = '\r\nforged: yes\u0000\u001b[2J\u009b31m\u202egnp.exe\u2028\ufeff\ud800'

  test.each(['ocsf', 'audit'] as const)(
    '%s: one line that shows nothing it should not, and says what was said',
    format => {
      const line = render(
        event('session-open', {
          ...who,
          principal: hostile,
          target: hostile,
          protocol: 'ssh',
          [hostile]: hostile,
        }),
        format,
        producer,
        65_536,
      )
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/)
      expect(line.isWellFormed()).toBe(true)
      expect(line).toContain('\\r\\nforged')
      expect(() => JSON.parse(line) as unknown).not.toThrow()
    },
  )

  test.each(['ocsf', 'audit'] as const)('%s: whatever the size of its texts, an event fits', format => {
    const huge = Object.fromEntries(
      Array.from({ length: 64 }, (_, at) => [`field${at}`, '\u001b'.repeat(4097)]),
    )
    const lists = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => [`list${at}`, Array(64).fill('\u001b'.repeat(4097)) as string[]]),
    )
    for (const maxBytes of [65_536, 7168]) {
      const all = {
        ...who,
        ...huge,
        ...lists,
        principal: '\u001b'.repeat(4097),
        rules: lists['list1'],
        techniques: lists['list2'],
        session: 's1',
      }
      for (const kind of ['session-open', 'finding-noticed', 'refusal']) {
        const line = render(event(kind, all), format, producer, maxBytes)
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(maxBytes)
        expect(line).toContain(kind)
        expect(line).toContain('ab'.repeat(32))
        if (format === 'ocsf') expect(objections(JSON.parse(line) as Json)).toEqual([])
      }
    }
  })

  test('what an entry calls "kind", "uid" or "__proto__" changes nothing of ours', () => {
    const fields = JSON.parse(
      '{"kind":"x","uid":"y","sequence":1,"__proto__":{"class_uid":1},"class_uid":"z"}',
    ) as Json
    expect(toOcsf(event('session-open', { ...who, ...fields, protocol: 'ssh' }), producer)).toMatchObject({
      class_uid: 4007,
    })
    expect(JSON.parse(render(event('probe', fields), 'audit', producer, 65_536))).toMatchObject({
      kind: 'probe',
      uid: 'ab'.repeat(32),
      sequence: 7,
    })
  })
})
