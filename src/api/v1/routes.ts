import type { ApiParts } from './deps.ts'
import { meRoutes } from './me-routes.ts'
import { replayRoutes } from './replay-routes.ts'
import type { Route } from './route.ts'
import { sessionRoutes } from './session-routes.ts'

/** All of them. The first that matches answers. */
export function allRoutes(parts: ApiParts): readonly Route[] {
  return [...meRoutes(parts), ...sessionRoutes(parts), ...replayRoutes(parts)]
}
