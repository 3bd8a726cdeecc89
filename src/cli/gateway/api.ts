/** The interface for the auditors' pages and for tools: what it needs of the rest. */
import { severityOrder } from '../../analysis/findings/finding.ts'
import type { ApiDeps } from '../../api/v1/deps.ts'
import { integrityOf, proofsOf, trustOf } from '../../api/v1/integrity.ts'
import type { Config } from '../../config/config.ts'
import { policyTextOf } from '../../config/policy-text.ts'
import { reasonOf } from '../../errors.ts'
import { AccessTokens } from '../../identity/access-token.ts'
import { discoverTokenIssuer } from '../../identity/issuer.ts'
import { principalOfAccessToken } from '../../identity/principal.ts'
import type { Severity } from '../../model.ts'
import { foldersOf } from '../folders.ts'
import { productVersion } from '../product-version.ts'
import type { Closers } from './ground.ts'
import type { PagesParts } from './pages.ts'

/** `configText`: the file that is in force. */
export function openApi(pages: PagesParts, configText: () => string, closers: Closers): ApiDeps {
  const { ground, config, live, audit, findings, catalogue } = pages
  const { store, storage, sessionLog, authorities } = ground
  closers.push(forgetReadings(pages))
  const log = {
    folder: foldersOf(config()).sessionLog,
    sessionLog,
    keys: () => authorities.ring.list,
  }
  return {
    version: productVersion,
    policy: config,
    policyText: () => policyTextOf(configText()),
    catalogue,
    reviews: store.reviews,
    audit,
    recordings: storage,
    recordingsFolder: config().recording.folder,
    live,
    findings: findings.desk,
    ...(config().analysis.index ? { index: pages.analysis.search } : {}),
    integrity: integrityOf(log),
    proofs: () => proofsOf(log),
    appendSigned: event => ground.audit.appendSigned(event),
    trust: () => trustOf(authorities.ring.list),
    pseudonyms: () => config().analysis.pseudonyms !== undefined,
    fourEyes: () => fourEyesOf(config()),
    ...bearerOf(pages),
  }
}

function fourEyesOf({ analysis: { fourEyes } }: Config): readonly Severity[] {
  return fourEyes === undefined ? [] : severityOrder.slice(severityOrder.indexOf(fourEyes))
}

/** Tools bring access tokens of the issuer that people sign in with. */
function bearerOf({ config, clock }: PagesParts): Pick<ApiDeps, 'bearer'> {
  const { web, identity } = config()
  if (web?.bearer === undefined) return {}
  const { issuer, allowHttpIssuer, claims } = identity
  const rules = { ...web.bearer, issuer, allowHttpIssuer, claims }
  const tokens = new AccessTokens({ clock, rules, discover: discoverTokenIssuer })
  return {
    bearer: async text => {
      const token = await tokens.verify(text)
      const nowMs = clock.nowMs()
      const { claims: names, sessionMs } = config().identity
      // What goes on for long, such as watching, ends with the token.
      const { exp } = token.fields.claims
      const leftMs = typeof exp === 'number' ? exp * 1000 - nowMs : sessionMs
      return principalOfAccessToken(token, { claims: names, sessionMs: Math.min(sessionMs, leftMs) }, nowMs)
    },
  }
}

/** Who read what is shown to the persons concerned for so long; the audit log keeps it besides. */
const readingsKeptMs = 400 * 86_400_000
const forgetEveryMs = 86_400_000

/** Gives what ends it. */
function forgetReadings({ ground, clock, log }: PagesParts): () => void {
  const forget = (): void => {
    ground.store.reviews.removeReadingsBefore(clock.nowMs() - readingsKeptMs).catch((cause: unknown) => {
      log.error({ cause: reasonOf(cause) }, 'old notes of readings were not removed')
    })
  }
  forget()
  const timer = setInterval(forget, forgetEveryMs).unref()
  return () => clearInterval(timer)
}
