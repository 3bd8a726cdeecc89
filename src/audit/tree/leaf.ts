/**
 * What the log of sessions says: hashes, and ids that name nobody, so that a recording can be purged and the log stays whole.
 * An entry is the JSON of one leaf.
 */
export type Leaf =
  /** SHA-256 over the recording's header frame, as it lies in the file. */
  | { readonly kind: 'session-open'; readonly session: string; readonly sha256: string }
  /** SHA-256 over the recording's seal frame, which fixes all frames before it. */
  | { readonly kind: 'session-seal'; readonly session: string; readonly sha256: string }
  /** The audit log up to a line; `sha256` is the link of that line, which fixes all lines before it. */
  | { readonly kind: 'audit-log'; readonly upTo: number; readonly sha256: string }
  /** A recording was removed by rule: `sha256` is over the text of the decision, which the audit log holds. */
  | { readonly kind: 'tombstone'; readonly session: string; readonly sha256: string }

export type StampedLeaf = Leaf & { readonly at: string }

export function encodeLeaf(leaf: Leaf, at: string): Buffer {
  return Buffer.from(JSON.stringify({ ...leaf, at }))
}

const sessionKinds = ['session-open', 'session-seal', 'tombstone']

/** Undefined for an entry that is no leaf of ours: a newer version may write kinds that this one does not know. */
export function decodeLeaf(entry: Buffer): StampedLeaf | undefined {
  const fields = parse(entry)
  if (fields === undefined || !/^[0-9a-f]{64}$/.test(String(fields['sha256']))) return undefined
  if (typeof fields['at'] !== 'string') return undefined
  const kind = String(fields['kind'])
  const isSession = sessionKinds.includes(kind) && typeof fields['session'] === 'string'
  const isAudit = kind === 'audit-log' && Number.isSafeInteger(fields['upTo'])
  return isSession || isAudit ? (fields as unknown as StampedLeaf) : undefined
}

function parse(entry: Buffer): Record<string, unknown> | undefined {
  try {
    const fields: unknown = JSON.parse(entry.toString())
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
