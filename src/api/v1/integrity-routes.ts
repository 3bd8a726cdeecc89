/** What a browser needs to prove recordings by itself: checkpoints, keys, proofs that the log only grew. */
import { z } from 'zod'
import type { ApiParts } from './deps.ts'
import { whole } from './fields.ts'
import { notThere } from './refusals.ts'
import { route, type Route } from './route.ts'
import { consistencyView, integrityView } from './shapes.ts'

const size = whole(0, Number.MAX_SAFE_INTEGER)
const sizesQuery = z.strictObject({ from: size, to: size })

export function integrityRoutes(parts: ApiParts): readonly Route[] {
  const { integrity } = parts
  if (integrity === undefined) return []
  return [
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/integrity',
        summary: 'The log of sessions: its newest checkpoints, the keys, where checkpoints are published',
        answer: integrityView,
      },
      () => integrity.view(),
    ),
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/integrity/keys',
        summary: 'The signed list of keys, as "sallyport keys export" prints it',
        answer: { contentType: 'application/json', what: 'The key list' },
      },
      ({ c }) => c.body(integrity.keyList(), 200, { 'Content-Type': 'application/json' }),
    ),
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/integrity/consistency',
        summary: 'That the log of one size begins with the log of a smaller one (RFC 6962, 2.1.2)',
        query: sizesQuery,
        answer: consistencyView,
      },
      ({ query: { from, to } }) => {
        const proof = integrity.consistency(from, to)
        return proof === undefined
          ? notThere
          : { from, to, proof: proof.map(hash => hash.toString('base64')) }
      },
    ),
  ]
}
