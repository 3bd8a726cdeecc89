import type { ApiParts } from './deps.ts'
import { connectRoutes } from './connect-routes.ts'
import { downloadRoutes } from './download-routes.ts'
import { entryRoutes } from './entry-routes.ts'
import { searchRoutes } from './search-routes.ts'
import { findingRoutes } from './finding-routes.ts'
import { integrityRoutes } from './integrity-routes.ts'
import { ownRoutes } from './own-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import { reportRoutes } from './report-routes.ts'
import { reviewRoutes } from './review-routes.ts'
import { liveRoutes } from './live-routes.ts'
import { meRoutes } from './me-routes.ts'
import { replayRoutes } from './replay-routes.ts'
import type { Route } from './route.ts'
import { sessionRoutes } from './session-routes.ts'

/** All of them. The first that matches answers. */
export function allRoutes(parts: ApiParts): readonly Route[] {
  return [
    ...meRoutes(parts),
    ...sessionRoutes(parts),
    ...replayRoutes(parts),
    ...entryRoutes(parts),
    ...searchRoutes(parts),
    ...downloadRoutes(parts),
    ...reportRoutes(parts),
    ...liveRoutes(parts),
    ...reviewRoutes(parts),
    ...findingRoutes(parts),
    ...connectRoutes(parts),
    ...policyRoutes(parts),
    ...integrityRoutes(parts),
    ...ownRoutes(parts),
  ]
}
