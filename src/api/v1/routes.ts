import { z } from 'zod'
import { connectRoutes } from './connect-routes.ts'
import type { ApiParts } from './deps.ts'
import { downloadRoutes } from './download-routes.ts'
import { entryRoutes } from './entry-routes.ts'
import { findingRoutes } from './finding-routes.ts'
import { integrityRoutes } from './integrity-routes.ts'
import { liveRoutes } from './live-routes.ts'
import { meRoutes } from './me-routes.ts'
import { openApiOf } from './open-api.ts'
import { ownRoutes } from './own-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import { replayRoutes } from './replay-routes.ts'
import { reportRoutes } from './report-routes.ts'
import { reviewRoutes } from './review-routes.ts'
import { route, type Route } from './route.ts'
import { searchRoutes } from './search-routes.ts'
import { sessionRoutes } from './session-routes.ts'

/** All of them. The first that matches answers. */
export function allRoutes(parts: ApiParts): readonly Route[] {
  const described: Route[] = [
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
  described.push(documentRoute(parts, described))
  return described
}

function documentRoute({ webUrl: url, version }: ApiParts, routes: readonly Route[]): Route {
  let made: object | undefined
  return route(
    'person',
    {
      method: 'GET',
      path: '/openapi.json',
      summary: 'This interface as an OpenAPI document',
      answer: z.looseObject({ openapi: z.string() }),
    },
    () => (made ??= openApiOf(routes, { url, version })),
  )
}
