import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { auditKinds } from '../../src/audit/audit-log.ts'

test('every kind of line is explained to auditors, and no other', () => {
  const auditing = readFileSync(join(import.meta.dirname, '../../docs/auditing.md'), 'utf8')
  const table = auditing.slice(auditing.indexOf('| kind | when |'), auditing.indexOf('## Prove it'))
  const explained = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, kinds = '']) =>
    [...kinds.matchAll(/`([a-z-]+)`/g)].map(([, kind = '']) => kind),
  )
  const ofTheLogItself = ['checkpoint', 'torn-line']
  expect(explained.toSorted()).toEqual([...auditKinds, ...ofTheLogItself].toSorted())
})
