/** What `sallyport check` asks of a bucket: everything that storing, reading and removing recordings needs, with an object of its own. */
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { reasonOf } from '../../errors.ts'
import { type Bucket, BucketError } from './bucket.ts'

export type BucketFinding = { readonly ok: boolean; readonly text: string }

/** What the configuration wants of the bucket. */
export type BucketWish = {
  readonly bucket: string
  readonly prefix: string
  readonly objectLock?: object
  readonly legalHold: boolean
}

/** Whatever lies there afterwards is told from recordings by its name. */
const checkName = 'sallyport-check-'

/** One finding if all is well, else one for each thing that fails, with the permission that is missing. Never rejects. */
export async function probeBucket(bucket: Bucket, wish: BucketWish): Promise<readonly BucketFinding[]> {
  const key = `${wish.prefix}${checkName}${randomBytes(8).toString('hex')}`
  const content = randomBytes(64)
  const failed: BucketFinding[] = []
  const attempt = async (what: string, permission: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (error) {
      failed.push({ ok: false, text: failureText(what, permission, error) })
      return false
    }
  }
  const isWritten = await attempt('writing', 's3:PutObject', () => bucket.put(key, content, { hold: false }))
  if (isWritten) {
    await attempt('reading', 's3:GetObject', async () => {
      if (!content.equals(await buffer(await bucket.read(key)))) throw new Error('something else came back')
    })
  }
  await attempt('listing', 's3:ListBucket', async () => {
    for await (const _ of bucket.list(key)) break
  })
  await attempt('an upload in parts', 's3:ListBucketMultipartUploads, s3:AbortMultipartUpload', async () => {
    const upload = await bucket.create(key, { hold: false })
    await bucket.parts(key, upload)
    await bucket.uploads(key)
    await bucket.abort(key, upload)
  })
  await attempt('object lock', 's3:GetBucketObjectLockConfiguration', () => probeLock(bucket, wish))
  if (isWritten)
    await attempt('removing', 's3:ListBucketVersions, s3:DeleteObject, s3:DeleteObjectVersion', async () => {
      for (const { version } of await bucket.versions(key))
        await bucket.remove(key, version === 'null' ? undefined : version)
    })
  return failed.length > 0 ? failed : [{ ok: true, text: wellText(wish) }]
}

async function probeLock(bucket: Bucket, { objectLock, legalHold }: BucketWish): Promise<void> {
  if (objectLock === undefined && !legalHold) return
  const has = await bucket.hasObjectLock()
  if (has === undefined) throw new BucketError('refused', 'it may not be asked whether the bucket has it')
  if (!has) throw new Error('the bucket has none, and gets it only when it is made, or by its owner')
}

function wellText({ objectLock, legalHold }: BucketWish): string {
  const kept = objectLock === undefined && !legalHold ? 'objects can be deleted' : 'objects are kept by it'
  return `can be written, read, listed and tidied; ${kept}`
}

function failureText(what: string, permission: string, error: unknown): string {
  const isRefused = error instanceof BucketError && error.problem === 'refused'
  return `${what} fails: ${reasonOf(error)}${isRefused ? `; the account may need ${permission} (docs/storage.md has the whole policy)` : ''}`
}
