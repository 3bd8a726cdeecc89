import { expect, test } from 'vitest'
import { entryOf } from '../../../src/analysis/analyst/drafted-entry.ts'
import type { Draft } from '../../../src/analysis/analyst/teller.ts'

const place = { session: 's1', openedAtMs: 1_000_000 }
const entry = (draft: Partial<Draft>) =>
  entryOf({ number: 1, draft: { us: 1500, kind: 'command', text: '', ...draft } }, place)

test('no secret is in what an entry says, whether the index has it or it is read from the recording', () => {
  const psql = entry({
    text: "alter role bob password 'Swordfish-1'",
    command: { channel: 0, found: 'prompt', sure: 0.9, program: 'psql' },
  })
  const decoded = entry({
    text: 'echo … | base64 -d | sh',
    command: { channel: 0, found: 'exec', sure: 1, decoded: ['mysql -pSwordfish-2 -h db'] },
  })
  const failed = entry({
    kind: 'statement',
    text: 'select 1',
    statement: { statement: 1, message: "syntax error in: alter role bob password 'Swordfish-3'" } as never,
  })
  expect(JSON.stringify([psql, decoded, failed])).not.toContain('Swordfish')
  expect(psql).toMatchObject({ session: 's1', number: 1, atMs: 1_000_001, offsetMs: 1 })
})
