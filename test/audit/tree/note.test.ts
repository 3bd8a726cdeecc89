import { describe, expect, test } from 'vitest'
import { openCheckpoint, parseCheckpoint, signCheckpoint } from '../../../src/audit/tree/checkpoint.ts'
import {
  isSignedBy,
  parseNote,
  parseVerifier,
  signNote,
  verifierLine,
  verifierOf,
} from '../../../src/audit/tree/note.ts'
import { newSigner } from '../../recorder/support.ts'

/** The example of the package that the format comes from (golang.org/x/mod/sumdb/note). */
const knownKey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const knownNote =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n" +
  '\n' +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'

const signer = newSigner()
const name = 'bastion.example.com'

function parsed<T>(value: T | string): T {
  if (typeof value === 'string') throw new Error(value)
  return value
}

describe('a signed note', () => {
  test.each([
    ['no signatures', 'text\n'],
    ['a signature without its key', 'text\n\n— name QUJD\n'],
    ['a signature by nobody', 'text\n\n—  x08go/ZJkuBS9UG/\n'],
    ['control characters', `te\x1bxt\n\n— a x08go/ZJkuBS9UG/\n`],
    ['no end', 'text\n\n— a x08go/ZJkuBS9UG/'],
    ['too much text', `${'x'.repeat(70_000)}\n\n— a x08go/ZJkuBS9UG/\n`],
  ])('with %s is refused', (_, note) => {
    expect(typeof parseNote(note)).toBe('string')
  })

  test.each([
    ['an id of another key', knownKey.replace('c74f20a3', 'c74f20a4')],
    ['an unknown algorithm', 'a+00000000+CRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'],
    ['no key', 'a+00000000+AQ=='],
    ['another form', 'not a key'],
  ])('is not checked with a key of %s', (_, line) => {
    expect(typeof parseVerifier(line)).toBe('string')
  })

  test('of other software is verified with its key', () => {
    const verifier = parsed(parseVerifier(knownKey))
    expect(isSignedBy(parsed(parseNote(knownNote)), verifier)).toBe(true)
    expect(isSignedBy(parsed(parseNote(knownNote.replace('answer', 'problem'))), verifier)).toBe(false)
  })

  test('of ours is verified with the line that announces our key, and with no other', async () => {
    const note = parsed(parseNote(await signNote('said\n', name, signer)))
    expect(isSignedBy(note, parsed(parseVerifier(verifierLine(name, signer.publicKeyPem))))).toBe(true)
    expect(isSignedBy(note, verifierOf(name, newSigner().publicKeyPem))).toBe(false)
    expect(isSignedBy(note, verifierOf('another', signer.publicKeyPem))).toBe(false)
  })
})

describe('a checkpoint', () => {
  const head = { origin: name, size: 7, root: Buffer.alloc(32, 5) }

  test('is read back, if a trusted key signed it', async () => {
    const text = await signCheckpoint(head, signer)
    expect(openCheckpoint(text, [verifierOf(name, signer.publicKeyPem)])).toMatchObject(head)
    expect(openCheckpoint(text, [verifierOf(name, newSigner().publicKeyPem)])).toContain('not signed')
  })

  test.each([
    ['a size with a leading zero', '07'],
    ['a negative size', '-1'],
    ['a size beyond what can be counted', '99999999999999999'],
  ])('with %s is refused', async (_, size) => {
    const text = await signNote(`${name}\n${size}\n${head.root.toString('base64')}\n`, name, signer)
    expect(typeof parseCheckpoint(text)).toBe('string')
  })

  test('with a root of another length or spelling is refused', async () => {
    for (const root of ['', 'AAAA', head.root.toString('base64url')]) {
      expect(typeof parseCheckpoint(await signNote(`${name}\n7\n${root}\n`, name, signer))).toBe('string')
    }
  })
})
