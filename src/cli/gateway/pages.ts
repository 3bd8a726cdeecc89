/** The web pages and the admin socket: what they need of the rest. */
import { createAdmin } from '../../api/admin.ts'
import { serveAdmin } from '../../api/admin-socket.ts'
import type { AdminDeps, WebDeps } from '../../api/deps.ts'
import { placesOf } from '../../api/places.ts'
import { serveWeb, type WebServer } from '../../api/serve.ts'
import type { ApiDeps } from '../../api/v1/deps.ts'
import { reviewablePage } from '../../api/v1/visible-sessions.ts'
import { createWeb } from '../../api/web.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { changeKeys } from '../../credentials/key-changes.ts'
import { joinWaiting } from '../../identity/browser-half.ts'
import type { Log } from '../../log.ts'
import type { SessionRow } from '../../model.ts'
import { mayReview } from '../../policy/review.ts'
import type { SessionCatalogue } from '../../store/session-catalogue.ts'
import { screenText } from '../../recorder/export.ts'
import type { RecordingStore } from '../../recorder/storage/recording-store.ts'
import type { LiveSessions } from '../../session/live.ts'
import type { SshListenerParts } from '../../ssh/listener.ts'
import { endpointsOf } from '../endpoints.ts'
import { foldersOf } from '../folders.ts'
import type { Metrics } from '../metrics.ts'
import { probeTargets } from '../probe.ts'
import type { Analysis } from './analysis.ts'
import type { Findings } from './findings.ts'
import type { Ground } from './ground.ts'
import type { Notifications } from './notifications.ts'
import type { SignIns } from './sign-ins.ts'
import type { Upkeep } from './upkeep.ts'

export type PagesParts = {
  readonly ground: Ground
  readonly config: () => Config
  readonly signIns: SignIns
  readonly upkeep: Upkeep
  readonly catalogue: SessionCatalogue
  readonly live: LiveSessions
  readonly metrics: Metrics
  readonly notifications: Notifications
  readonly findings: Findings
  readonly analysis: Analysis
  readonly upstream: SshListenerParts['upstream']
  readonly reload: AdminDeps['reload']
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
}

/** The socket of the command line: whoever may open its file is an administrator. */
export function startAdmin(parts: PagesParts): Promise<{ readonly close: () => Promise<void> }> {
  return serveAdmin(createAdmin(adminDeps(parts)), foldersOf(parts.config()).adminSocket)
}

function adminDeps(parts: PagesParts): AdminDeps {
  const { ground, config, upkeep, live, metrics, reload, audit, clock, log } = parts
  const { store, storage, authorities } = ground
  const { ring } = authorities
  return {
    store,
    catalogue: parts.catalogue,
    audit,
    clock,
    log,
    live,
    recordings: storage,
    reload,
    appendSigned: event => ground.audit.appendSigned(event),
    retention: upkeep.retention,
    findings: parts.findings,
    analysis: { search: parts.analysis.search, reindex: () => parts.analysis.reindex() },
    notify: parts.notifications,
    sweep: async () => ({ removed: await upkeep.sweep.now(), left: upkeep.roles.pending.count }),
    changeKeys: async (ask, by) => {
      const changes = changeKeys(ask, by, { ring, audit, clock })
      await upkeep.keysChanged()
      return changes
    },
    metrics: () => metrics.text(),
    probe: () =>
      probeTargets(config(), {
        audit,
        upstream: parts.upstream,
        nextTargetsKey: ring.next('targets'),
        issuer: parts.signIns.issuer,
        postgres: upkeep.postgresCredentials,
      }),
  }
}

/** Undefined where the configuration has no `web`. Throws Fault PORT_IN_USE. */
export async function startWeb(parts: PagesParts, api: ApiDeps): Promise<WebServer | undefined> {
  const { web } = parts.config()
  return web === undefined ? undefined : await serveWeb(createWeb({ ...webDeps(parts, api), api }), web)
}

function webDeps(parts: PagesParts, api: ApiDeps): WebDeps {
  const { ground, config, signIns, upkeep, metrics, audit, clock, log } = parts
  const { store, storage, authorities } = ground
  const { gateway, web, identity, postgres } = config()
  return {
    store,
    audit,
    clock,
    log,
    webUrl: web?.url ?? '',
    behindProxy: web?.behindProxy ?? false,
    gatewayName: gateway.name,
    issuer: signIns.issuer,
    identity: { claims: identity.claims, sessionMs: identity.sessionMs },
    waiting: joinWaiting(signIns.waiting.ssh, signIns.waiting.postgres),
    keys: signIns.keys,
    passwords: signIns.passwords,
    onSignIn: principal => parts.findings.signedIn(principal),
    places: (principal, sourceAddress) => placesOf(config(), principal.fields, sourceAddress, clock.nowMs()),
    endpoints: () => endpointsOf(config()),
    machines: signIns.machines,
    signInAuthority: authorities['sign-in'],
    signInX509Authority: postgres === undefined ? undefined : authorities['sign-in-x509'],
    metrics: () => metrics.text(),
    metricsToken: () => config().web?.metrics?.token,
    mayReview: (principal, session) => mayReview(config(), principal, session).allowed,
    reviewable: (principal, wish) => reviewablePage(api, principal, wish),
    kept: sessions => upkeep.retention.viewsOf(sessions),
    transcript: session => transcriptOf(storage, session),
    stored: session => storage.fetch(session.recording),
  }
}

async function transcriptOf(recordings: RecordingStore, session: SessionRow): Promise<string> {
  const { path, release } = await recordings.fetch(session.recording)
  try {
    return await screenText(path)
  } finally {
    release()
  }
}
