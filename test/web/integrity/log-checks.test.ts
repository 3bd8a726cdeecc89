/** What the page claims of checkpoints: only what a believed key signed, of this log, and that it only grew. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { keyIdOf } from '../../../src/audit/signature.ts'
import { signCheckpoint } from '../../../src/audit/tree/checkpoint.ts'
import { consistencySpans, leafHash, rootOf } from '../../../src/audit/tree/merkle.ts'
import { parseCheckpoint } from '../../../web/app/pages/integrity/checkpoint.ts'
import { checkCheckpoint, checkGrowth } from '../../../web/app/pages/integrity/log-checks.ts'
import type { TrustedKey } from '../../../web/app/pages/integrity/trust.ts'

const origin = 'bastion.test'
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
const key: TrustedKey = {
  keyId: keyIdOf(pem),
  publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)),
  purpose: 'log-checkpoints',
  state: 'current',
  by: 'pinned',
}
const leaves = Array.from({ length: 9 }, (_, index) => leafHash(Buffer.from(`entry ${index}`)))
const noteOf = (size: number, of: readonly Buffer[] = leaves, name = origin) =>
  signCheckpoint(
    { origin: name, size, root: rootOf(of.slice(0, size)) },
    {
      keyId: key.keyId,
      algorithm: 'ed25519',
      publicKeyPem: pem,
      sign: async data => sign(null, data, privateKey),
    },
  )
const stateOf = async (note: string, keys: readonly TrustedKey[] = [key]) =>
  (await checkCheckpoint(note, { origin, keys })).check.state

test('what is no checkpoint, of another log, or changed under a key that it names, fails', async () => {
  const note = await noteOf(5)
  expect(await stateOf('no checkpoint')).toBe('failed')
  expect(await stateOf(await noteOf(5, leaves, 'elsewhere.test'))).toBe('failed')
  expect(await stateOf(note.replace('\n5\n', '\n6\n'))).toBe('failed')
})

test('a signature that nothing pinned vouches for, or of a revoked key, is not verified', async () => {
  const note = await noteOf(5)
  expect(await stateOf(note, [])).toBe('not-checked')
  expect(await stateOf(note, [{ ...key, state: 'revoked' }])).toBe('not-checked')
  expect(await stateOf(note)).toBe('verified')
})

test('a log that was written anew did not only grow, whatever proof is given', async () => {
  const [earlier, later] = [await opened(4), await opened(9)]
  const other = await opened(9, [leafHash(Buffer.from('another')), ...leaves.slice(1)])
  const proof = consistencySpans(4, 9).map(({ from, to }) =>
    rootOf(leaves.slice(from, to)).toString('base64'),
  )
  expect(await checkGrowth(earlier, other, proof)).toMatchObject({ state: 'failed' })
  expect(await checkGrowth(earlier, later, [])).toMatchObject({ state: 'failed' })
  expect(await checkGrowth(earlier, later, [...proof.slice(1), 'no base64!'])).toMatchObject({
    state: 'failed',
  })
  expect(await checkGrowth(later, earlier, proof)).toMatchObject({
    name: 'From 4 to 9 entries',
    state: 'verified',
  })
})

async function opened(size: number, of: readonly Buffer[] = leaves) {
  const checkpoint = parseCheckpoint(await noteOf(size, of))
  if (typeof checkpoint === 'string') throw new Error(checkpoint)
  return checkpoint
}
