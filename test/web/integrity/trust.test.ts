/** Whom an auditor's browser believes: what was pinned, its heirs, and what a believed signer lists. Nothing else. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { verifierLine } from '../../../src/audit/tree/note.ts'
import { signCheckpoint } from '../../../src/audit/tree/checkpoint.ts'
import { endorse, type ListedKey, printKeyList, signKeyList } from '../../../src/credentials/key-list.ts'
import { keyIdOf as ownKeyIdOf } from '../../../src/audit/signature.ts'
import { believe, readPins } from '../../../web/app/pages/integrity/trust.ts'
import { parseCheckpoint, signerOf } from '../../../web/app/pages/integrity/checkpoint.ts'

const [first, second, heads, stranger] = [makeKey(), makeKey(), makeKey(), makeKey()]

test('nothing is believed without a pin, however well the list is signed', async () => {
  expect((await believe(listOf(), [])).keys).toEqual([])
})

test('a pin that is not in the list vouches for nothing in it', async () => {
  const { keys, strangers } = await believe(listOf(), [{ keyId: stranger.keyId }])
  expect(keys).toEqual([])
  expect(strangers).toHaveLength(3)
})

test('a changed list is not believed, and says so', async () => {
  const changed = listOf().replace('"former"', '"current"')
  expect(await believe(changed, [{ keyId: first.keyId }])).toEqual({
    keys: [],
    strangers: [],
    problem: 'The key list is not signed by its own key of log checkpoints.',
  })
})

test('a key under the id of another is refused', async () => {
  const swapped = JSON.parse(listOf()) as { keys: { publicKey: string }[] }
  if (swapped.keys[0] !== undefined) swapped.keys[0].publicKey = stranger.pem
  const { problem } = await believe(JSON.stringify(swapped), [{ keyId: first.keyId }])
  expect(problem).toMatch(/another id than it has/)
})

test('the heir of a pinned key is believed, and with it what it lists', async () => {
  const { keys, strangers } = await believe(listOf(), [{ keyId: first.keyId }])
  expect(keys.map(({ keyId, by }) => [keyId, by])).toEqual([
    [first.keyId, 'pinned'],
    [second.keyId, 'heir'],
    [heads.keyId, 'listed'],
  ])
  expect(strangers).toEqual([])
})

test('a key of another purpose brings no heirs and no list', async () => {
  const { keys } = await believe(listOf(), [{ keyId: heads.keyId }])
  expect(keys.map(({ keyId }) => keyId)).toEqual([heads.keyId])
})

test('what is no key is refused in words', async () => {
  expect(await readPins('SHA256:short')).toBe('“SHA256:short” is no fingerprint and no Ed25519 key.')
  expect(await readPins(`${verifierLine('log', first.pem)}x`)).toMatch(/is no fingerprint/)
  expect(await readPins(Array.from({ length: 30 }, () => first.keyId).join(' '))).toMatch(/At most/)
})

test('a fingerprint, a PEM, a verifier key and a line of ssh name the same key', async () => {
  const blob = Buffer.concat([
    Buffer.from([0, 0, 0, 11]),
    Buffer.from('ssh-ed25519'),
    Buffer.from([0, 0, 0, 32]),
    first.raw,
  ])
  const line = `ssh-ed25519 ${blob.toString('base64')} somebody`
  for (const text of [first.keyId, first.pem, verifierLine('bastion', first.pem), line])
    expect(((await readPins(text)) as { keyId: string }[]).map(({ keyId }) => keyId)).toEqual([first.keyId])
  expect(await readPins(`# mine\n${first.keyId}, ${second.keyId}\n${first.pem}`)).toHaveLength(2)
})

test('a checkpoint is signed by who signed it, under the name of its log', async () => {
  const head = { origin: 'bastion.test/log', size: 3, root: Buffer.alloc(32, 5) }
  const signer = {
    keyId: first.keyId,
    algorithm: 'ed25519' as const,
    publicKeyPem: first.pem,
    sign: async (data: Uint8Array) => sign(null, data, first.privateKey),
  }
  const note = await signCheckpoint(head, signer)
  const checkpoint = parseCheckpoint(note)
  if (typeof checkpoint === 'string') throw new Error(checkpoint)
  expect(checkpoint).toMatchObject({ origin: head.origin, size: 3 })
  expect(await signerOf(checkpoint, [{ publicKey: second.raw }, { publicKey: first.raw }])).toEqual({
    publicKey: first.raw,
  })
  expect(await signerOf(checkpoint, [{ publicKey: second.raw }])).toBeUndefined()
  const changed = parseCheckpoint(note.replace('\n3\n', '\n4\n'))
  if (typeof changed === 'string') throw new Error(changed)
  expect(await signerOf(changed, [{ publicKey: first.raw }])).toBeUndefined()
})

test.each(['', 'a\n\n', 'log\n3\nAAAA\n\n— log AAAAAAAA\n', 'log\nthree\n\n— log AAAAAAAA\n'])(
  'what is no checkpoint is said to be none (%j)',
  text => {
    expect(typeof parseCheckpoint(text)).toBe('string')
  },
)

function makeKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const raw = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32))
  return { privateKey, pem, raw, keyId: ownKeyIdOf(pem) }
}

/** The first key of checkpoints was followed by a second, which signs the list; a key of heads stands beside. */
function listOf(): string {
  const made = '2026-01-01T00:00:00.000Z'
  const listed = (
    key: typeof first,
    purpose: ListedKey['purpose'],
    state: ListedKey['state'],
  ): ListedKey => ({
    purpose,
    keyId: key.keyId,
    publicKey: key.pem,
    state,
    made,
    from: made,
  })
  const heir = listed(second, 'log-checkpoints', 'current')
  const keys = [
    listed(first, 'log-checkpoints', 'former'),
    { ...heir, endorsedBy: endorse(heir, { keyId: first.keyId, key: first.privateKey }) },
    listed(heads, 'recording-heads', 'current'),
  ]
  const body = { format: 'sallyport key list', version: 1, number: 2, at: made, keys } as const
  return printKeyList(signKeyList(body, { keyId: second.keyId, key: second.privateKey }))
}
