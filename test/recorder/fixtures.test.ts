/** Recordings that released versions have written: each must read as it did then, and verify. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readAuditorKeyFile } from '../../src/recorder/encryption/auditor-key.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { readFixture } from '../fixtures/read-recording.ts'

const folder = join(import.meta.dirname, '../fixtures/recordings')
const names = readdirSync(folder).filter(name => name.endsWith('.sallyport'))
const keys =
  readFileSync(join(folder, 'keys.pem'), 'utf8').match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []

test('there is one of each kind', () => {
  expect(names.map(name => name.replace('.sallyport', '')).toSorted()).toEqual(
    ['crashed', 'encrypted', 'live', 'plain', 'rotated', 'sql'].map(kind => `v1-${kind}`),
  )
})

describe.each(names)('%s', name => {
  const file = join(folder, name)
  const expected = JSON.parse(readFileSync(file.replace('.sallyport', '.json'), 'utf8')) as {
    sealed: boolean
  }

  test('reads as it did when it was written', async () => {
    expect(
      await readFixture(file, await readAuditorKeyFile(join(folder, 'auditor.jwk'), async () => '')),
    ).toEqual(expected)
  })

  test('verifies with the keys of then, and not with others', () => {
    expect(verifyRecording(file, keys)).toMatchObject({ ok: true, sealed: expected.sealed })
    expect(verifyRecording(file, keys.slice(0, 1)).ok).toBe(false)
  })
})

test('what is encrypted is not read without its key', () => {
  const reader = readRecording(join(folder, 'v1-encrypted.sallyport'))
  expect(() => [...reader.events()]).toThrow()
  reader.close()
})
