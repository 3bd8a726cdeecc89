/** Recordings that released versions have written: each must read as it did then, and verify. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readAuditorKeyFile } from '../../src/recorder/encryption/auditor-key.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { readFixture } from '../fixtures/read-recording.ts'
import { newFolder } from './support.ts'

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

// The system's Python has what the system's packages bring, whatever stands before it on the PATH.
const needed = 'import cryptography\ntry:\n import compression.zstd\nexcept ImportError:\n import zstandard'
const python = ['python3', '/usr/bin/python3'].find(name => spawnSync(name, ['-c', needed]).status === 0)
const mustRun = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'

test.skipIf(python === undefined && !mustRun).each(names)(
  "%s is read by the reader that the specification gives (needs Python's cryptography and zstandard)",
  name => {
    const specification = readFileSync(join(import.meta.dirname, '../../recordings/README.md'), 'utf8')
    const reader = join(newFolder(), 'reader.py')
    writeFileSync(reader, /```python\n([\s\S]*?)```/.exec(specification)?.[1] ?? '')
    const auditor = name.includes('encrypted') ? [join(folder, 'auditor.jwk')] : []
    const args = [reader, join(folder, name), join(folder, 'keys.pem'), ...auditor]
    const printed = execFileSync(python ?? 'python3', args, { encoding: 'utf8', stdio: 'pipe' })
    const expected = JSON.parse(readFileSync(join(folder, name.replace('.sallyport', '.json')), 'utf8'))
    expect(printed.trim().split('\n')).toHaveLength(expected.events.length)
  },
)

test('what is encrypted is not read without its key', () => {
  const reader = readRecording(join(folder, 'v1-encrypted.sallyport'))
  expect(() => [...reader.events()]).toThrow()
  reader.close()
})
