/** Where recordings are kept: `recording.store`. */
import { z } from 'zod'
import { parseHttpsUrl } from './values.ts'
import { duration, reading, size, text } from './schema-values.ts'
import { readSecret, type SecretSources } from './secret-reference.ts'
import { unreadable } from './reading.ts'
import type { S3StoreConfig } from './config.ts'

/** S3 takes no smaller part but the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024
/** Two parts at a time are held in memory. */
const MAX_PART_BYTES = 256 * 1024 * 1024
/** A hundred years, as for retention. */
const MAX_LOCK_DAYS = 36_525
/** A local copy is for those who look at once; the bucket is where recordings are kept. */
const MAX_KEEP_MS = 365 * 86_400_000

/** Names as S3 takes them: they become host names. */
const bucketName = reading(value =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value)
    ? { ok: true, value }
    : unreadable('must be the name of a bucket: 3 to 63 small letters, digits, dots and hyphens'),
)

/** Begins every key: no slash before it, one behind it. */
const prefix = reading(value =>
  typeof value === 'string' && /^([A-Za-z0-9._-]+\/){1,10}$/.test(value) && value.length <= 200
    ? { ok: true, value }
    : unreadable('must be folders, each with a slash behind it, such as `bastion1/`'),
)

const partSize = reading(value => {
  const parsed = size(MAX_PART_BYTES).safeParse(value)
  if (!parsed.success) return unreadable('must be a size from 5MiB to 256MiB')
  return parsed.data < MIN_PART_BYTES
    ? unreadable('must be at least 5MiB: S3 takes no smaller part')
    : { ok: true, value: parsed.data }
})

const s3 = (sources: SecretSources) => {
  const secret = reading(value => readSecret(value, sources))
  return z.strictObject({
    bucket: bucketName,
    region: text().default('us-east-1'),
    endpoint: reading(parseHttpsUrl).optional(),
    prefix: prefix.optional(),
    pathStyle: z.boolean().default(false),
    credentials: z.strictObject({ accessKeyId: secret, secretAccessKey: secret }).optional(),
    objectLock: z
      .strictObject({
        mode: z.enum(['compliance', 'governance']),
        days: z.int().min(1).max(MAX_LOCK_DAYS),
      })
      .optional(),
    legalHold: z.boolean().default(false),
    encryption: z
      .union([z.literal('bucket'), z.literal('AES256'), z.strictObject({ kmsKey: text() })])
      .default('bucket'),
    partSize: partSize.prefault('8MiB'),
    keepLocal: z.union([z.literal('none'), duration(MAX_KEEP_MS)]).prefault('1h'),
    backlog: z
      .strictObject({
        size: size().prefault('20GiB'),
        age: duration(MAX_KEEP_MS).prefault('24h'),
        spool: size().prefault('40GiB'),
      })
      .refine(backlog => backlog.spool >= backlog.size, {
        path: ['spool'],
        message: 'must not be less than `size`: live sessions go on when new ones are refused',
      })
      .prefault({}),
    cache: size().prefault('2GiB'),
  })
}

export const storeSchema = (sources: SecretSources) =>
  z.union([z.literal('local'), z.strictObject({ s3: s3(sources) })]).default('local')

type FileStore = z.output<ReturnType<typeof storeSchema>>

/** Undefined: the local folder. */
export function storeOf(store: FileStore): S3StoreConfig | undefined {
  if (store === 'local') return undefined
  const { bucket, region, endpoint, prefix: before, pathStyle, credentials, objectLock, ...rest } = store.s3
  return {
    bucket,
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    prefix: before ?? '',
    pathStyle,
    ...(credentials === undefined ? {} : { credentials }),
    ...(objectLock === undefined ? {} : { objectLock }),
    legalHold: rest.legalHold,
    encryption: rest.encryption,
    partBytes: rest.partSize,
    keepLocalMs: rest.keepLocal === 'none' ? 0 : rest.keepLocal,
    backlog: { bytes: rest.backlog.size, ageMs: rest.backlog.age, spoolBytes: rest.backlog.spool },
    cacheBytes: rest.cache,
  }
}
