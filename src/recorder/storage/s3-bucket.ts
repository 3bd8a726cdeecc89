/** A bucket by the S3 protocol. The SDK takes 33 MB and 150 ms to load, so only whoever has a bucket loads it. */
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type {
  CompleteMultipartUploadCommandInput,
  HeadObjectCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3StoreConfig } from '../../config/config.ts'
import { reasonOf } from '../../errors.ts'
import {
  type Bucket,
  BucketError,
  type BucketProblem,
  type LockMode,
  type ObjectFacts,
  type Part,
  type Protection,
  type Range,
  type Version,
} from './bucket.ts'

const connectMs = 5_000
/** How long a server may take: to begin an answer, and for so many bytes of a body. */
export type Patience = { readonly answerMs: number; readonly bytesPerMs: number }
/** A part of the usual size may take a minute and a half. */
const usualPatience: Patience = { answerMs: 30_000, bytesPerMs: 128 }
/** Parts of two uploads and somebody who reads. */
const maxSockets = 16

type Sdk = typeof import('@aws-sdk/client-s3')

/** Where credentials are as text: what a thread is given. */
export type S3Access = Omit<S3StoreConfig, 'credentials'> & {
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

export function accessOf({ credentials, ...store }: S3StoreConfig): S3Access {
  if (credentials === undefined) return store
  const [accessKeyId, secretAccessKey] = [credentials.accessKeyId, credentials.secretAccessKey]
  return {
    ...store,
    credentials: { accessKeyId: accessKeyId.reveal(), secretAccessKey: secretAccessKey.reveal() },
  }
}

/** Connects to nothing yet. */
export async function openS3Bucket(store: S3Access, patience = usualPatience): Promise<Bucket> {
  const sdk = await import('@aws-sdk/client-s3')
  const client = new sdk.S3Client({
    region: store.region,
    ...(store.endpoint === undefined ? {} : { endpoint: store.endpoint }),
    forcePathStyle: store.pathStyle,
    ...(store.credentials === undefined ? {} : { credentials: store.credentials }),
    maxAttempts: 1, // who tries again, and when, is decided by whoever knows what waits
    // Other servers do not know the checksums of 2024; each body has its MD5, which all of them check.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: connectMs, httpsAgent: { maxSockets }, httpAgent: { maxSockets } },
  })
  return new S3Bucket(sdk, client, store, patience)
}

class S3Bucket implements Bucket {
  readonly #sdk: Sdk
  readonly #client: S3Client
  readonly #store: S3Access
  readonly #patience: Patience
  /** Asked once: it is switched on when a bucket is made. */
  #hasLock: boolean | undefined

  constructor(sdk: Sdk, client: S3Client, store: S3Access, patience: Patience) {
    this.#sdk = sdk
    this.#client = client
    this.#store = store
    this.#patience = patience
  }

  async put(key: string, body: Buffer, protection: Protection): Promise<void> {
    const fields = { ...this.#at(key), ...this.#kept(protection), Body: body, ContentMD5: md5Of(body) }
    // A server that knows it replaces nothing then; the others are asked before.
    const command = new this.#sdk.PutObjectCommand({ ...fields, IfNoneMatch: '*' })
    await this.#try(options => this.#client.send(command, options), body.length)
  }

  async create(key: string, protection: Protection): Promise<string> {
    const command = new this.#sdk.CreateMultipartUploadCommand({
      ...this.#at(key),
      ...this.#kept(protection),
    })
    const { UploadId } = await this.#try(options => this.#client.send(command, options))
    if (UploadId === undefined) throw new BucketError('other', 'an upload without an id')
    return UploadId
  }

  async putPart(key: string, upload: string, number: number, body: Buffer): Promise<string> {
    const command = new this.#sdk.UploadPartCommand({
      ...this.#at(key),
      UploadId: upload,
      PartNumber: number,
      Body: body,
      ContentMD5: md5Of(body),
    })
    const { ETag } = await this.#try(options => this.#client.send(command, options), body.length)
    return unquoted(ETag)
  }

  async parts(key: string, upload: string): Promise<readonly Part[]> {
    const parts: Part[] = []
    for (let after: string | undefined; ; ) {
      const command = new this.#sdk.ListPartsCommand({
        ...this.#at(key),
        UploadId: upload,
        ...(after === undefined ? {} : { PartNumberMarker: after }),
      })
      const page = await this.#try(options => this.#client.send(command, options)).catch(noUpload)
      for (const { PartNumber = 0, Size = 0, ETag } of page.Parts ?? [])
        parts.push({ number: PartNumber, bytes: Size, etag: unquoted(ETag) })
      if (page.IsTruncated !== true || page.NextPartNumberMarker === undefined) return parts
      after = page.NextPartNumberMarker
    }
  }

  async uploads(key: string): Promise<readonly string[]> {
    const command = new this.#sdk.ListMultipartUploadsCommand({ Bucket: this.#store.bucket, Prefix: key })
    const { Uploads = [] } = await this.#try(options => this.#client.send(command, options))
    const own = Uploads.filter(upload => upload.Key === key && upload.UploadId !== undefined)
    return own
      .toSorted((a, b) => (a.Initiated?.getTime() ?? 0) - (b.Initiated?.getTime() ?? 0))
      .map(upload => upload.UploadId ?? '')
  }

  async complete(key: string, upload: string, parts: readonly Part[]): Promise<void> {
    const input: CompleteMultipartUploadCommandInput = {
      ...this.#at(key),
      UploadId: upload,
      MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
    }
    const command = new this.#sdk.CompleteMultipartUploadCommand(input)
    await this.#try(options => this.#client.send(command, options)).catch(noUpload)
  }

  async abort(key: string, upload: string): Promise<void> {
    const command = new this.#sdk.AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload })
    await this.#try(options => this.#client.send(command, options)).catch(unless('no-upload', 'no-object'))
  }

  async head(key: string, version?: string): Promise<ObjectFacts | undefined> {
    const command = new this.#sdk.HeadObjectCommand({ ...this.#at(key), ...versioned(version) })
    const head = await this.#try(options => this.#client.send(command, options)).catch(
      unless('no-object', 'no-upload'),
    )
    return head === undefined ? undefined : factsOf(head)
  }

  async read(key: string, range?: Range): Promise<Readable> {
    const part =
      range === undefined
        ? {}
        : {
            Range: `bytes=${range.from}-${range.from + range.bytes - 1}`,
            IfMatch: `"${range.etag}"`,
            ...versioned(range.version),
          }
    const command = new this.#sdk.GetObjectCommand({ ...this.#at(key), ...part })
    const { Body } = await this.#try(options => this.#client.send(command, options), range?.bytes)
    return Body as Readable
  }

  async versions(key: string): Promise<readonly Version[]> {
    const command = new this.#sdk.ListObjectVersionsCommand({ Bucket: this.#store.bucket, Prefix: key })
    const page = await this.#try(options => this.#client.send(command, options))
    const all = [
      ...(page.Versions ?? []).map(version => ({ ...version, isMarker: false })),
      ...(page.DeleteMarkers ?? []).map(version => ({ ...version, isMarker: true })),
    ]
    return all
      .filter(version => version.Key === key)
      .toSorted((a, b) => (b.LastModified?.getTime() ?? 0) - (a.LastModified?.getTime() ?? 0))
      .map(({ VersionId, isMarker }) => ({ version: VersionId ?? 'null', isMarker }))
  }

  async remove(key: string, version?: string): Promise<void> {
    const command = new this.#sdk.DeleteObjectCommand({ ...this.#at(key), ...versioned(version) })
    await this.#try(options => this.#client.send(command, options)).catch(unless('no-object'))
  }

  async lock(key: string, { mode, untilMs }: NonNullable<Protection['lock']>): Promise<void> {
    const Retention = { Mode: nameOf(mode), RetainUntilDate: new Date(untilMs) }
    const command = new this.#sdk.PutObjectRetentionCommand({ ...this.#at(key), Retention })
    await this.#try(options => this.#client.send(command, options))
  }

  async hold(key: string, on: boolean): Promise<void> {
    const LegalHold = { Status: on ? ('ON' as const) : ('OFF' as const) }
    const command = new this.#sdk.PutObjectLegalHoldCommand({ ...this.#at(key), LegalHold })
    await this.#try(options => this.#client.send(command, options))
  }

  async *list(prefix: string): AsyncGenerator<{ key: string; bytes: number }> {
    for (let after: string | undefined; ; ) {
      const command = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#store.bucket,
        Prefix: prefix,
        ...(after === undefined ? {} : { ContinuationToken: after }),
      })
      const page = await this.#try(options => this.#client.send(command, options))
      for (const { Key, Size } of page.Contents ?? [])
        if (Key !== undefined) yield { key: Key, bytes: Size ?? 0 }
      if (page.IsTruncated !== true || page.NextContinuationToken === undefined) return
      after = page.NextContinuationToken
    }
  }

  async hasObjectLock(): Promise<boolean | undefined> {
    const command = new this.#sdk.GetObjectLockConfigurationCommand({ Bucket: this.#store.bucket })
    if (this.#hasLock !== undefined) return this.#hasLock
    try {
      const { ObjectLockConfiguration } = await this.#try(options => this.#client.send(command, options))
      this.#hasLock = ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled'
      return this.#hasLock
    } catch (error) {
      if (error instanceof BucketError && error.problem === 'no-object') return (this.#hasLock = false)
      if (error instanceof BucketError && error.problem === 'refused') return undefined
      throw error
    }
  }

  close(): void {
    this.#client.destroy()
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#store.bucket, Key: key }
  }

  #kept({ lock, hold }: Protection) {
    const { encryption } = this.#store
    return {
      ContentType: 'application/octet-stream',
      ...(lock === undefined
        ? {}
        : { ObjectLockMode: nameOf(lock.mode), ObjectLockRetainUntilDate: new Date(lock.untilMs) }),
      ...(hold ? { ObjectLockLegalHoldStatus: 'ON' as const } : {}),
      ...(encryption === 'bucket' ? {} : encryptedBy(encryption)),
    }
  }

  /** A server that takes the connection and says nothing more must not hold anything for ever. */
  async #try<T>(send: (options: { abortSignal: AbortSignal }) => Promise<T>, bytes = 0): Promise<T> {
    const { answerMs, bytesPerMs } = this.#patience
    try {
      return await send({ abortSignal: AbortSignal.timeout(answerMs + Math.ceil(bytes / bytesPerMs)) })
    } catch (error) {
      throw bucketError(error)
    }
  }
}

function encryptedBy(encryption: 'AES256' | { readonly kmsKey: string }) {
  return encryption === 'AES256'
    ? { ServerSideEncryption: 'AES256' as const }
    : { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: encryption.kmsKey }
}

function nameOf(mode: LockMode): 'COMPLIANCE' | 'GOVERNANCE' {
  return mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE'
}

function versioned(version: string | undefined): { VersionId?: string } {
  return version === undefined ? {} : { VersionId: version }
}

function factsOf(head: HeadObjectCommandOutput): ObjectFacts {
  const { ContentLength = 0, ETag, VersionId, ObjectLockMode, ObjectLockRetainUntilDate } = head
  const isLocked = ObjectLockMode !== undefined && ObjectLockRetainUntilDate !== undefined
  const mode = ObjectLockMode === 'GOVERNANCE' ? 'governance' : 'compliance'
  return {
    bytes: ContentLength,
    etag: unquoted(ETag),
    version: VersionId,
    protection: {
      ...(isLocked ? { lock: { mode, untilMs: ObjectLockRetainUntilDate.getTime() } } : {}),
      hold: head.ObjectLockLegalHoldStatus === 'ON',
    },
  }
}

function md5Of(body: Buffer): string {
  return createHash('md5').update(body).digest('base64')
}

function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '')
}

/** Some servers answer for an upload that is over as if the object were missing. */
function noUpload(error: unknown): never {
  if (error instanceof BucketError && error.problem === 'no-object')
    throw new BucketError('no-upload', error.message, error)
  throw error
}

function unless(...problems: readonly BucketProblem[]): (error: unknown) => undefined {
  return error => {
    if (error instanceof BucketError && problems.includes(error.problem)) return undefined
    throw error
  }
}

const problemsByName: Readonly<Record<string, BucketProblem>> = {
  NoSuchBucket: 'no-bucket',
  NoSuchKey: 'no-object',
  NoSuchVersion: 'no-object',
  NotFound: 'no-object',
  ObjectLockConfigurationNotFoundError: 'no-object',
  NoSuchUpload: 'no-upload',
  PreconditionFailed: 'exists',
  ConditionalRequestConflict: 'away',
  SlowDown: 'away',
  RequestTimeout: 'away',
  RequestTimeTooSkewed: 'refused',
}

/** Names are S3's error codes; what has no status never came to an answer. */
function bucketError(error: unknown): BucketError {
  const name = error instanceof Error ? error.name : ''
  const status = statusOf(error)
  const text = reasonOf(error)
  const said = status === undefined ? `no answer (${name}: ${text})` : `${name} (HTTP ${status}): ${text}`
  const known = problemsByName[name]
  if (known !== undefined) return new BucketError(known, said, error)
  if (/object lock|legal hold|WORM/i.test(text)) return new BucketError('locked', said, error)
  if (name === 'CredentialsProviderError') return new BucketError('refused', `no credentials: ${text}`, error)
  if (status === undefined || status >= 500 || status === 429 || status === 408)
    return new BucketError('away', said, error)
  return new BucketError(status === 401 || status === 403 ? 'refused' : 'other', said, error)
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined
  const status = (error.$metadata as { httpStatusCode?: unknown }).httpStatusCode
  return typeof status === 'number' ? status : undefined
}
