/** The reader that recordings/README.md gives, which knows nothing of this program, opens what was sealed to its auditor. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newBench, newFolder, newGrant, output, startRecorder, turn } from '../support.ts'
import { type Auditor, encryptedRecording, forged, newAuditor, piecesOf } from './support.ts'

const specification = readFileSync(join(import.meta.dirname, '../../../recordings/README.md'), 'utf8')
// The system's Python has what the system's packages bring, whatever stands before it on the PATH.
const needed = 'import cryptography\ntry:\n import compression.zstd\nexcept ImportError:\n import zstandard'
const python = ['python3', '/usr/bin/python3'].find(name => spawnSync(name, ['-c', needed]).status === 0)
const mustRun = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
const testPython = test.skipIf(python === undefined && !mustRun)

/** What the reader prints of a recording. Throws if it fails. */
function read(file: string, publicKeyPem: string, auditor: Auditor): string {
  const folder = newFolder()
  writeFileSync(join(folder, 'reader.py'), /```python\n([\s\S]*?)```/.exec(specification)?.[1] ?? '')
  writeFileSync(join(folder, 'key.pem'), publicKeyPem)
  writeFileSync(join(folder, 'auditor.jwk'), JSON.stringify(auditor.jwk))
  const args = [join(folder, 'reader.py'), file, join(folder, 'key.pem'), join(folder, 'auditor.jwk')]
  return execFileSync(python ?? 'python3', args, {
    encoding: 'utf8',
    stdio: 'pipe',
    maxBuffer: 64 * 1024 * 1024,
  })
}

const events = [
  output('the first words'),
  ...Array.from({ length: 5 }, (_, i) => output(Buffer.alloc(30_000, 65 + i))),
  output('the last words'),
]

testPython.each([['P-256'], ['X25519']] as const)(
  "it opens what was sealed to a key of %s, alone or among others (needs Python's cryptography and zstandard)",
  async curve => {
    const auditor = newAuditor(curve)
    for (const auditors of [[auditor], [newAuditor('P-256'), newAuditor('X25519'), auditor]]) {
      const { bench, file } = await encryptedRecording(auditors, events)
      const said = read(file, bench.signer.publicKeyPem, auditor)
      expect(said).toContain("b'the first words'")
      expect(said).toContain("b'the last words'")
      expect(() => read(file, bench.signer.publicKeyPem, newAuditor(curve))).toThrow(/encrypted to others/)
    }
  },
)

testPython(
  "it opens what a crash left in the journal (needs Python's cryptography and zstandard)",
  async () => {
    const bench = newBench()
    const auditor = newAuditor()
    const recorder = startRecorder(bench, { encryptTo: () => [auditor.publicKey] })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' }, await recorder.newKey())
    for (const event of events) recording.record(event)
    await turn()
    const to = newFolder()
    cpSync(join(bench.folder, '..'), to, { recursive: true })
    await recorder.close()
    const next = startRecorder({
      ...bench,
      folder: join(to, 'recordings'),
      journalFolder: join(to, 'journal'),
    })
    await next.recover()
    await next.close()
    const file = join(to, 'recordings', recording.path)
    expect(piecesOf(file).some(({ kind, body }) => kind === 'chunk' && body[5] === 2)).toBe(true)
    expect(read(file, bench.signer.publicKeyPem, auditor)).toContain("b'the last words'")
  },
)

testPython(
  "it fails where one bit of what is sealed is another (needs Python's cryptography and zstandard)",
  async () => {
    const auditor = newAuditor()
    const { bench, file } = await encryptedRecording([auditor], events)
    const pieces = piecesOf(file)
    const body = pieces.find(({ kind }) => kind === 'chunk')?.body ?? Buffer.alloc(0)
    body[50] = (body[50] ?? 0) ^ 1
    const changed = await forged(pieces, bench.signer)
    expect(() => read(changed, bench.signer.publicKeyPem, auditor)).toThrow(/InvalidTag/)
  },
)
