/** The interface for the auditors' pages and for tools: what it needs of the rest. */
import { readFileSync } from 'node:fs'
import type { ApiDeps } from '../../api/v1/deps.ts'
import { openSessionCatalogue } from '../../store/session-catalogue.ts'
import type { Closers } from './ground.ts'
import type { PagesParts } from './pages.ts'

export function openApi({ ground, config, live, audit }: PagesParts, closers: Closers): ApiDeps {
  const catalogue = openSessionCatalogue(config().gateway.data)
  closers.push(() => catalogue.close())
  return {
    version,
    policy: config,
    catalogue,
    reviews: ground.store.reviews,
    audit,
    recordings: ground.storage,
    live,
    pseudonyms: () => config().analysis.pseudonyms !== undefined,
  }
}

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
}
