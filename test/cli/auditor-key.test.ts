/** The command that makes an auditor's keys, and the commands that read with one, as an auditor without a gateway uses them. */
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseAuditorKey } from '../../src/config/auditor-key.ts'
import { readAuditorKeyFile } from '../../src/recorder/encryption/auditor-key.ts'
import { encryptedRecording, newAuditor } from '../recorder/encryption/support.ts'
import { newFolder, output } from '../recorder/support.ts'

const folder = newFolder()

function sallyport(args: readonly string[], env: Record<string, string> = {}) {
  const run = spawnSync(process.execPath, ['src/main.ts', ...args], {
    encoding: 'utf8',
    env: { ...process.env, SALLYPORT_CONFIG: '/nowhere', ...env },
  })
  return { code: run.status, text: run.stdout + run.stderr, stdout: run.stdout }
}

const nothing = async (): Promise<string> => {
  throw new Error('nobody was to be asked')
}

describe('sallyport keys auditor', () => {
  test('never writes over a key: what was encrypted to it would be lost', () => {
    const out = join(folder, 'there.jwk')
    writeFileSync(out, 'a key')
    expect(sallyport(['keys', 'auditor', '--out', out])).toMatchObject({ code: 1 })
    expect(readFileSync(out, 'utf8')).toBe('a key')
  })

  test.each(['P-256', 'X25519'])(
    'makes a private key for its owner alone, and a public one to give away (%s)',
    async curve => {
      const out = join(folder, `${curve}.jwk`)
      expect(sallyport(['keys', 'auditor', '--out', out, '--curve', curve]).code).toBe(0)
      expect(statSync(out).mode & 0o777).toBe(0o600)
      const text = readFileSync(join(folder, `${curve}.pub.jwk`), 'utf8')
      expect(text).not.toContain('"d"')
      const parsed = parseAuditorKey(text)
      expect(parsed.ok && parsed.value.jwk.crv).toBe(curve)
      expect((await readAuditorKeyFile(out, nothing)).kid).toBe(parsed.ok ? parsed.value.kid : '')
    },
  )

  test('locks it with a passphrase that is long enough, and nothing opens it without', async () => {
    const out = join(folder, 'locked.jwk')
    const args = ['keys', 'auditor', '--out', out, '--passphrase']
    expect(sallyport(args, { SALLYPORT_PASSPHRASE: 'short' }).text).toContain('at least 12 characters')
    const passphrase = 'a passphrase of some length'
    expect(sallyport(args, { SALLYPORT_PASSPHRASE: passphrase }).code).toBe(0)
    expect(readFileSync(out, 'utf8')).not.toContain('{')
    expect((await readAuditorKeyFile(out, async () => passphrase)).jwk.d).toBeTypeOf('string')
    await expect(readAuditorKeyFile(out, async () => 'another one')).rejects.toMatchObject({
      code: 'KEY_UNUSABLE',
      userText: `This passphrase does not open ${out}.`,
    })
  })
})

describe('an auditor with a copy of a recording and no gateway', () => {
  const auditor = newAuditor()
  const key = join(folder, 'auditor.jwk')
  let file = ''
  let pem = ''
  beforeAll(async () => {
    writeFileSync(key, JSON.stringify(auditor.jwk))
    const made = await encryptedRecording(
      [auditor],
      [{ type: 'exec', channel: 0, command: Buffer.from('cat pelican') }, output('the pelican said\n')],
    )
    file = made.file
    pem = join(folder, 'key.pem')
    writeFileSync(pem, made.bench.signer.publicKeyPem)
  })

  test('exports, lists and plays it with the key', () => {
    expect(sallyport(['export', file, '--format', 'text', '--auditor-key', key]).stdout).toContain(
      'the pelican said',
    )
    expect(sallyport(['play', file, '--list', '--auditor-key', key]).stdout).toContain('cat pelican')
    expect(sallyport(['play', file, '--auditor-key', key]).stdout).toContain('the pelican said')
  })

  test('proves it, with the key and without', () => {
    expect(sallyport(['verify', file, '--key', pem]).stdout).toContain('what it holds was not looked at')
    expect(sallyport(['verify', file, '--key', pem, '--auditor-key', key]).stdout).toContain(
      'what it holds was checked',
    )
  })

  test('is told whose it is if the key is another, and that the public half opens nothing', () => {
    const other = join(folder, 'other.jwk')
    writeFileSync(other, JSON.stringify(newAuditor().jwk))
    const refused = sallyport(['export', file, '--format', 'text', '--auditor-key', other])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.text).toContain(auditor.publicKey.kid)
    writeFileSync(other, JSON.stringify(auditor.publicKey.jwk))
    expect(sallyport(['play', file, '--auditor-key', other]).text).toContain(
      'the public half, which opens nothing',
    )
  })
})
