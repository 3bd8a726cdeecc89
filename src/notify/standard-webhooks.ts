/** Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, time and body. */
import { createHmac } from 'node:crypto'

export type SignedHeaders = {
  readonly 'webhook-id': string
  /** Seconds since the epoch. */
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

/** One signature for each secret, so that a receiver may change over from one to the next. Secrets: base64, with or without `whsec_`. */
export function signedHeaders(
  message: { readonly id: string; readonly atSeconds: number; readonly body: string },
  secrets: readonly string[],
): SignedHeaders {
  const { id, atSeconds, body } = message
  const signed = `${id}.${atSeconds}.${body}`
  const signatures = secrets.map(
    secret => `v1,${createHmac('sha256', keyOf(secret)).update(signed).digest('base64')}`,
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': String(atSeconds),
    'webhook-signature': signatures.join(' '),
  }
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
}
