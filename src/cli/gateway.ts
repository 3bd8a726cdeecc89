/** A running gateway, put together from its parts: `serve` and `demo` start the same one. */
import type { ReloadResult } from '../api/deps.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Authorities } from '../credentials/authority.ts'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync } from '../model.ts'
import { CancelKeys } from '../postgres/cancel-keys.ts'
import type { WorkerPool } from '../postgres/workers/worker-pool.ts'
import type { PurgeStep, RetentionTiming } from '../recorder/retention/retention.ts'
import { LiveSessions } from '../session/live.ts'
import type { Engine } from '../ssh/engine.ts'
import { unusablePath } from '../store/data-folder.ts'
import { openSessionCatalogue } from '../store/session-catalogue.ts'
import { openApi } from './gateway/api.ts'
import { auditorsOf, Configuration, type ConfigRead, readConfig } from './gateway/configuration.ts'
import { openAnalysis } from './gateway/analysis.ts'
import { openFindings, takeBatch, watchReviewers } from './gateway/findings.ts'
import { GatewayWatch } from './gateway/gateway-watch.ts'
import { type Closers, openGround, takeUp } from './gateway/ground.ts'
import { checkLogs } from './gateway/log-check.ts'
import { startNotifications } from './gateway/notifications.ts'
import { type PagesParts, startAdmin, startWeb } from './gateway/pages.ts'
import { recover, type Recovery } from './gateway/recovery.ts'
import { openSignIns } from './gateway/sign-ins.ts'
import { sshPartsOf, startSsh } from './gateway/ssh.ts'
import { openUpkeep } from './gateway/upkeep.ts'
import { openWorkerPool, postgresLimitsOf } from './gateway/workers.ts'
import { foldersOf } from './folders.ts'
import { Metrics } from './metrics.ts'
import { type PostgresParts, type RunningPostgres, startPostgres } from './postgres.ts'
import { startPostgresWorkers } from './postgres-workers.ts'
import { smallThreadHeaps } from './thread-heaps.ts'

export type Gateway = {
  readonly sshPort: number | undefined
  readonly webPort: number | undefined
  readonly postgresPort: number | undefined
  /** Where OAUTHBEARER alone is spoken. */
  readonly oauthPort: number | undefined
  readonly crypto: Engine['crypto']
  readonly authorities: Authorities
  readonly live: LiveSessions
  readonly reload: () => Promise<ReloadResult>
  readonly close: (reason: string) => Promise<void>
}

export type GatewayOptions = {
  readonly clock?: Clock
  /** How journal and audit log append; tests make it fail or hang. */
  readonly append?: AppendSync
  /** What is forked for each of `postgres.workers`; tests have one whose appends fail or hang. */
  readonly workerEntry?: URL
  /** Hears of each step of a purge; tests kill the gateway there. */
  readonly onPurgeStep?: (step: PurgeStep) => void
  /** When retention runs by itself; tests that ask for it want nobody else to. */
  readonly retentionTiming?: RetentionTiming
}

/** Starts everything, in the order in which it is needed; if a part fails, those before it are closed again. */
export async function startGateway(
  configFile: string,
  log: Log,
  options: GatewayOptions = {},
): Promise<Gateway> {
  smallThreadHeaps()
  const read = readConfig(configFile)
  const closers: Closers = []
  try {
    return await compose(read, log, options, closers)
  } catch (cause) {
    for (const close of closers.toReversed()) await close()
    throw unusablePath(cause) ?? cause
  }
}

/** One part that cannot be closed must not keep the others open. */
async function attempt(step: () => Promise<void> | void, log: Log): Promise<void> {
  try {
    await step()
  } catch (cause) {
    log.error({ cause: reasonOf(cause) }, 'closing failed')
  }
}

async function compose(
  first: ConfigRead,
  log: Log,
  options: GatewayOptions,
  closers: Closers,
): Promise<Gateway> {
  const clock = options.clock ?? systemClock
  const configuration = new Configuration(first)
  const config = () => configuration.now
  const opened = await openGround({ config, clock, log, append: options.append }, closers)
  const watch = new GatewayWatch({ config, auditFolder: foldersOf(config()).audit, clock, log })
  const onUnread = (session: string, problem: string) => watch.unread(session, problem)
  const analysis = openAnalysis({ ground: opened, config, log, onUnread }, closers)
  const ground = { ...opened, store: watch.announced(analysis.announced(opened.store)) }
  const { engine, lock, authorities, storage } = ground
  const metrics = new Metrics()
  const audit = watch.observe(metrics.observe(ground.audit))
  const notifications = startNotifications({ config, audit, clock, log, metrics }, closers)
  audit.append({
    kind: 'gateway-start',
    gateway: config().gateway.name,
    owner: lock.ownerId,
    crypto: engine.crypto,
    encryptTo: auditorsOf(config()),
  })
  const recovery = await recover({
    ground,
    config: config(),
    audit,
    clock,
    log,
    onRecovered: recovered => watch.recovered(recovered),
  })
  metrics.watchStorage(() => storage.state())
  metrics.watchAnalysis(() => analysis.state)
  takeUp(storage, log)
  let pool: WorkerPool | undefined
  const isAlive = (owner: string): boolean => pool?.isAlive(owner) ?? false
  const common = { ground, config, audit, clock, log }
  const upkeep = await openUpkeep(
    {
      ...common,
      isAlive,
      retention: retentionOf(options),
      forget: session => analysis.forget(session),
    },
    closers,
  )
  const live = new LiveSessions(() => audit.failure)
  closers.push(() => live.close('the gateway stops'))
  metrics.watch({ live, pendingRoles: () => upkeep.roles.pending })
  notifications.actOn({ live, store: ground.store })
  const signIns = openSignIns({ config, store: ground.store, audit, clock })
  const ssh = sshPartsOf({ ...common, signIns, live, indexes: upkeep.indexes })
  const reload = (): Promise<ReloadResult> =>
    configuration.reload(
      audit,
      () => pool,
      () => {
        upkeep.postgresCredentials.targetsChanged()
        notifications.adopt()
        return live.decideAgain()
      },
    )
  const catalogue = openSessionCatalogue(config().gateway.data)
  closers.push(() => catalogue.close())
  const pages: PagesParts = {
    ...common,
    catalogue,
    signIns,
    upkeep,
    live,
    metrics,
    notifications,
    findings: openFindings({ ...common, live }),
    analysis,
    upstream: ssh.upstream,
    reload,
  }
  await watch.start(pages.findings.desk, ground.store)
  closers.push(checkLogs({ ground, config, log }, problem => watch.notWhole(problem)))
  analysis.start(batch => takeBatch(pages.findings, batch))
  closers.push(watchReviewers({ ...common, live }, pages.findings))
  const admin = await startAdmin(pages)
  closers.push(() => admin.close())
  const web = await startWeb(
    pages,
    openApi(pages, () => configuration.content.toString(), closers),
  )
  if (web !== undefined) closers.push(() => web.close())
  const listener = await startSsh(config(), ssh)
  if (listener !== undefined) closers.push(() => listener.close())
  const workers = config().postgres?.workers ?? 0
  if (workers > 0) {
    const { session } = ssh
    const parts = { ground, configuration, recovery, signIns, upkeep, live, session, audit, clock, log }
    pool = openWorkerPool(workers, { ...parts, entry: options.workerEntry })
    metrics.watchWorkers(pool)
  }
  const postgres = await listenForPostgres(pool, postgresParts(pages, recovery, ssh.session))
  if (postgres !== undefined) closers.push(() => postgres.close())
  return {
    sshPort: listener?.port,
    webPort: web?.port,
    postgresPort: postgres?.port,
    oauthPort: postgres?.oauthPort,
    crypto: engine.crypto,
    authorities,
    live,
    reload,
    close: async reason => {
      const steps = [() => audit.append({ kind: 'gateway-stop', reason }), ...closers.toReversed()]
      for (const step of steps) await attempt(step, log)
    },
  }
}

function retentionOf({ onPurgeStep: onStep, retentionTiming: timing }: GatewayOptions) {
  return {
    ...(onStep === undefined ? {} : { onStep }),
    ...(timing === undefined ? {} : { timing }),
  }
}

function postgresParts(
  { ground, config, signIns, upkeep, audit, clock, log }: PagesParts,
  { notes }: Recovery,
  session: PostgresParts['session'],
): PostgresParts {
  const { postgresCredentials, cleanups } = upkeep
  return {
    config,
    signInKeys: () => ground.authorities.ring.accepted('sign-in-x509', clock.nowMs()),
    session,
    mint: postgresCredentials.mint,
    brokerOf: target => postgresCredentials.brokers.of(target),
    cleanups,
    passwords: signIns.passwords,
    machines: signIns.machines,
    waiting: signIns.waiting.postgres,
    notes,
    cancels: new CancelKeys(),
    audit,
    clock,
    log,
  }
}

async function listenForPostgres(
  pool: WorkerPool | undefined,
  parts: PostgresParts,
): Promise<RunningPostgres | undefined> {
  const { postgres } = parts.config()
  if (pool === undefined || postgres === undefined) return await startPostgres(parts)
  return await startPostgresWorkers(postgres, pool, () => postgresLimitsOf(parts.config()))
}
