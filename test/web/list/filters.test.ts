import { expect, test } from 'vitest'
import type { SessionSummary } from '../../../src/api/schema.ts'
import { csvOf } from '../../../web/app/list/csv.ts'
import { queryOf, withoutValue, withValue } from '../../../web/app/list/filters.ts'

const nowMs = Date.parse('2026-11-22T10:00:30Z')
const of = (text: string) => queryOf(new URLSearchParams(text), nowMs)

test('times that are none filter nothing', () => {
  expect(of('from=yesterday&to=%3Cb%3E&last=forever')).toMatchObject({ from: undefined, to: undefined })
})

test('a preset ends now, by the minute', () => {
  expect(of('last=1h')).toMatchObject({ from: Date.parse('2026-11-22T09:01:00Z'), to: undefined })
})

test('how long is asked for in milliseconds, and not if it is none', () => {
  expect(of('longer=10m&shorter=8h')).toMatchObject({ longer: 600_000, shorter: 28_800_000 })
  expect(of('longer=ten&shorter=-1m')).toMatchObject({ longer: undefined, shorter: undefined })
})

test('a severity asks for itself and all above it', () => {
  expect(of('severity=high')['severity']).toEqual(['high', 'critical'])
  expect(of('severity=none')['severity']).toEqual([])
})

test('a value and its opposite are never asked for at once', () => {
  const address = new URLSearchParams('target=web1&target=-db1')
  expect(withValue(address, 'target', 'db1')).toEqual(['web1', 'db1'])
  expect(withValue(address, 'target', '-web1')).toEqual(['-db1', '-web1'])
  expect(withoutValue(address, 'target', 'web1')).toEqual(['-db1'])
})

test('no cell of the exported list is a formula, and none breaks its line', () => {
  const session = {
    id: 's-1',
    principal: '=HYPERLINK("http://evil.example")',
    login: '@SUM(1)',
    target: 'a,"b"\r\nc',
    protocol: ' =1+1',
    state: '\uff1d1+1',
    sourceAddress: '-1',
    openedAtMs: 0,
    reviewedBy: ['+x'],
    findings: 0,
  } as unknown as SessionSummary
  const csv = csvOf([session])
  expect(csv).toContain(`"'=HYPERLINK(""http://evil.example"")"`)
  expect(csv).toContain(`,'@SUM(1),`)
  expect(csv).toContain(`,'-1,`)
  expect(csv).toContain(`"a,""b""\r\nc"`)
  expect(csv).toContain(`,'+x,`)
  expect(csv).toContain(`,' =1+1,'\uff1d1+1,`)
})
