import { expect, test } from 'vitest'
import { complaintsOf, configOf, yamlWith } from './yaml-file.ts'

const store = (text: string) => yamlWith({ recording: `recording: { store: ${text} }` })

test('a store is the local folder or a bucket, and nothing else', () => {
  expect(complaintsOf(store('tape'))).toEqual(['recording.store must be `local` or { s3: … }'])
  expect(complaintsOf(store('{ s3: {} }'))).toEqual(['recording.store.s3.bucket is missing'])
  expect(complaintsOf(store('{ gcs: { bucket: abc } }'))).toEqual([
    'recording.store.s3 is missing',
    'recording.store.gcs is not a known key',
  ])
})

test('secrets are references, and only https leads to a server elsewhere', () => {
  const text =
    '{ bucket: abc, endpoint: "http://s3.example.com", credentials: { accessKeyId: AKIA, secretAccessKey: x } }'
  expect(complaintsOf(store(`{ s3: ${text} }`))).toEqual([
    'recording.store.s3.endpoint must start with https:// (http:// only on loopback)',
    'recording.store.s3.credentials.accessKeyId must be a reference, never the value itself (write env:NAME or file:/path)',
    'recording.store.s3.credentials.secretAccessKey must be a reference, never the value itself (write env:NAME or file:/path)',
  ])
})

test('parts that S3 does not take, names that it does not know and limits the wrong way round are refused', () => {
  const text =
    '{ bucket: Abc_1, prefix: /x, partSize: 1MiB, objectLock: { mode: forever, days: 0 }, backlog: { size: 4GiB, spool: 1GiB } }'
  expect(complaintsOf(store(`{ s3: ${text} }`))).toEqual([
    'recording.store.s3.bucket must be the name of a bucket: 3 to 63 small letters, digits, dots and hyphens',
    'recording.store.s3.prefix must be folders, each with a slash behind it, such as `bastion1/`',
    'recording.store.s3.partSize must be at least 5MiB: S3 takes no smaller part',
    expect.stringContaining('recording.store.s3.objectLock.mode must be'),
    'recording.store.s3.objectLock.days must be at least 1',
    'recording.store.s3.backlog.spool must not be less than `size`: live sessions go on when new ones are refused',
  ])
})

test('what is left out has a value, and nothing of it is there without a bucket', () => {
  expect(configOf(yamlWith({})).recording.s3).toBeUndefined()
  expect(configOf(store('local')).recording.s3).toBeUndefined()
  expect(configOf(store('{ s3: { bucket: acme, keepLocal: none } }')).recording.s3).toEqual({
    bucket: 'acme',
    region: 'us-east-1',
    prefix: '',
    pathStyle: false,
    legalHold: false,
    encryption: 'bucket',
    partBytes: 8 * 1024 * 1024,
    keepLocalMs: 0,
    backlog: { bytes: 20 * 1024 ** 3, ageMs: 86_400_000, spoolBytes: 40 * 1024 ** 3 },
    cacheBytes: 2 * 1024 ** 3,
  })
})
