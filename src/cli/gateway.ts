/** A running gateway, put together from its parts: `serve` and `demo` start the same one. */
import type { KeyObject } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createAdmin } from '../api/admin.ts'
import { serveAdmin } from '../api/admin-socket.ts'
import type { ReloadResult } from '../api/deps.ts'
import { placesOf } from '../api/places.ts'
import { serveWeb, type WebServer } from '../api/serve.ts'
import { createWeb } from '../api/web.ts'
import { type AuditLog, openAuditLog, type SigningAuditLog } from '../audit/audit-log.ts'
import { openSessionLog, type SessionLog } from '../audit/tree/session-log.ts'
import { appendAsking } from '../audit/append.ts'
import { flushSegments } from '../audit/segments.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Config, PostgresLimits, SshLimits } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { defaultPostgresLimits } from '../config/postgres-limits.ts'
import { printProblems } from '../config/problem.ts'
import { diffNeedsRestart } from '../config/restart.ts'
import { defaultSshLimits } from '../config/ssh-limits.ts'
import { type Authorities, openAuthorities } from '../credentials/authority.ts'
import { changeKeys, tellChanges, watchKeys } from '../credentials/key-changes.ts'
import { openSshPrivateKey } from '../credentials/ssh-key.ts'
import { startSweep } from '../credentials/sweep.ts'
import { TargetHostKeys } from '../credentials/target-host-keys.ts'
import { Fault, reasonOf } from '../errors.ts'
import { joinWaiting } from '../identity/browser-half.ts'
import { ConnectionPasswords } from '../identity/connection-passwords.ts'
import { RefusalNotes } from '../identity/refusal-notes.ts'
import { EnrolledKeys, type EnrolmentRules } from '../identity/enrolled-keys.ts'
import { discoverKeys, openIssuer } from '../identity/issuer.ts'
import { MachineTokens } from '../identity/machine-token.ts'
import { checkSignInCertificate } from '../identity/sign-in-certificate.ts'
import { type WaitingLimits, WaitingSignIns } from '../identity/waiting-sign-in.ts'
import type { Log } from '../log.ts'
import type { AppendSync, SessionRow } from '../model.ts'
import { decide } from '../policy/decide.ts'
import { publisherTo } from '../notify/checkpoint-place.ts'
import { mayReview } from '../policy/review.ts'
import { screenText } from '../recorder/export.ts'
import { IndexQueue } from '../recorder/index-queue.ts'
import { openRecorder, type Recorder } from '../recorder/recorder.ts'
import { type PurgeStep, Retention, type RetentionTiming } from '../recorder/retention/retention.ts'
import type { RecordingStore } from '../recorder/storage/recording-store.ts'
import type { RecordingStorage } from '../recorder/storage/storage.ts'
import type { Spool } from '../recorder/storage/spool.ts'
import { Room } from '../recorder/room.ts'
import { startWatchdog, type Watchdog } from '../recorder/watchdog.ts'
import { CancelKeys } from '../postgres/cancel-keys.ts'
import { Cleanups } from '../postgres/cleanups.ts'
import { WorkerPool } from '../postgres/workers/worker-pool.ts'
import { LiveSessions } from '../session/live.ts'
import { type Engine, proveEngine } from '../ssh/engine.ts'
import { type SshListener, type SshListenerParts, startSshListener } from '../ssh/listener.ts'
import { noCopies } from '../ssh/sftp/copies.ts'
import { unusablePath } from '../store/data-folder.ts'
import { type DataLock, lockData } from '../store/lock.ts'
import { openStore } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import { Crashed } from './crashed.ts'
import { endpointsOf } from './endpoints.ts'
import { foldersOf } from './folders.ts'
import { Metrics } from './metrics.ts'
import { openPostgresCredentials } from './postgres-credentials.ts'
import { type PostgresParts, type RunningPostgres, startPostgres } from './postgres.ts'
import { KeysForWorkers, startPostgresWorkers, workerEntry } from './postgres-workers.ts'
import { probeTargets } from './probe.ts'
import { startStorage } from './storage.ts'
import { trustsIssuer } from './trusted-issuers.ts'

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

/**
 * Reads a configuration or throws Fault CONFIG_INVALID with every problem. Commands that only look say so, and work in a shell
 * that does not have the gateway's secrets.
 */
export function requireConfig(file: string, options: { withoutSecrets?: boolean } = {}): Config {
  return readConfig(file, options).config
}

/** With the file as it was read: worker processes start with the same. */
type ConfigRead = { readonly config: Config; readonly content: Buffer }

function readConfig(file: string, options: { withoutSecrets?: boolean } = {}): ConfigRead {
  const loaded = loadConfig(file, process.env, options)
  if (loaded.ok) return loaded
  throw new Fault('CONFIG_INVALID', printProblems(loaded.problems))
}

/** Starts everything, in the order in which it is needed; if a part fails, those before it are closed again. */
export async function startGateway(
  configFile: string,
  log: Log,
  options: GatewayOptions = {},
): Promise<Gateway> {
  const read = readConfig(configFile)
  const closers: (() => Promise<void> | void)[] = []
  try {
    return await compose(read, log, options, closers)
  } catch (cause) {
    for (const close of closers.toReversed()) await close()
    throw unusablePath(cause) ?? cause
  }
}

type Closers = (() => Promise<void> | void)[]

/** One part that cannot be closed must not keep the others open. */
async function attempt(step: () => Promise<void> | void, log: Log): Promise<void> {
  try {
    await step()
  } catch (cause) {
    log.error({ cause: reasonOf(cause) }, 'closing failed')
  }
}

/** What lies on disk: opened first, closed last. */
type Ground = {
  readonly engine: Engine
  readonly lock: DataLock
  readonly store: Store
  readonly authorities: Authorities
  readonly watchdog: Watchdog
  readonly audit: SigningAuditLog
  readonly sessionLog: SessionLog
  readonly recorder: Recorder
  /** Another one, on the journal of a process that is gone. */
  readonly recorderIn: (journalFolder: string) => Recorder
  readonly storage: RecordingStorage
  readonly room: Room
}

async function compose(
  first: ConfigRead,
  log: Log,
  options: GatewayOptions,
  closers: Closers,
): Promise<Gateway> {
  const clock = options.clock ?? systemClock
  let { config, content } = first
  const ground = await openGround(() => config, log, clock, options.append, closers)
  const { engine, lock, store, authorities, recorder, storage } = ground
  const metrics = new Metrics()
  const audit = metrics.observe(ground.audit)
  audit.append({
    kind: 'gateway-start',
    gateway: config.gateway.name,
    owner: lock.ownerId,
    crypto: engine.crypto,
    encryptTo: auditorsOf(config),
  })
  const notes = new RefusalNotes({ audit, clock })
  const crashed = new Crashed({ store, audit, clock, log, recorderIn: ground.recorderIn })
  const folders = foldersOf(config)
  const takeover = { audit, auditFolder: folders.audit, sessionLog: ground.sessionLog, notes, clock }
  const recovery = {
    takeover,
    recoverJournal: (folder: string) => crashed.recoverJournal(folder),
    closeRow: (...row: Parameters<Crashed['closeRow']>) => crashed.closeRow(...row),
  }
  await WorkerPool.recover(folders.workers, recovery)
  await crashed.recover(recorder)
  await crashed.closeRowsOf(owner => owner !== lock.ownerId)
  let pool: WorkerPool | undefined
  const isAlive = (owner: string): boolean => pool?.isAlive(owner) ?? false
  metrics.watchStorage(() => storage.state())
  takeUp(storage, log)
  const postgresCredentials = await openPostgresCredentials({
    store,
    audit,
    clock,
    log,
    owner: lock.ownerId,
    isAlive,
    authorities,
    keysFolder: foldersOf(config).keys,
    gateway: config.gateway.name,
    targets: () => config.targets,
  })
  closers.push(() => postgresCredentials.close())
  const keysChanged = async (): Promise<void> => {
    await Promise.all([ground.sessionLog.signAnew(), postgresCredentials.keysChanged()])
  }
  tellChanges(authorities.ring, audit) // those of this start
  const keysWatch = watchKeys({
    ring: authorities.ring,
    audit,
    clock,
    log,
    onChange: () => void keysChanged(),
  })
  closers.push(() => keysWatch.stop())
  const cleanups = new Cleanups()
  closers.push(() => cleanups.settled())
  const { sweep: roles } = postgresCredentials
  const sweep = startSweep({ store, audit, clock, log, owner: lock.ownerId, isAlive, roles })
  closers.push(() => sweep.stop())
  const retention = new Retention({
    store,
    audit,
    sessionLog: ground.sessionLog,
    flushAudit: () => flushSegments(foldersOf(config).audit),
    folder: config.recording.folder,
    storage,
    rules: () => config.recording.retention,
    clock,
    log,
    ...(options.onPurgeStep === undefined ? {} : { onStep: options.onPurgeStep }),
    ...(options.retentionTiming === undefined ? {} : { timing: options.retentionTiming }),
  })
  retention.start()
  closers.push(() => retention.stop())
  const indexes = new IndexQueue(log)
  closers.push(() => indexes.stop())
  const live = new LiveSessions(() => audit.failure)
  closers.push(() => live.close('the gateway stops'))
  metrics.watch({ live, pendingRoles: () => roles.pending })

  const limits = (): SshLimits => config.ssh?.limits ?? defaultSshLimits
  const issuer = openIssuer(config.identity, { clock })
  const signIns = new WaitingSignIns({ clock, limits: limits(), webUrl: config.web?.url ?? '' })
  const postgresSignIns = new WaitingSignIns({
    clock,
    limits: waitingLimitsOf(config),
    webUrl: config.web?.url ?? '',
  })
  const passwords = new ConnectionPasswords({
    clock,
    audit,
    reuse: (principal, place, sourceAddress) => {
      const decision = decide(config, principal, { ...place, sourceAddress }, clock.nowMs())
      return decision.kind === 'allow' ? decision.grant.fields.passwords : undefined
    },
  })
  const machines = new MachineTokens({
    clock,
    machines: () => config.identity.machines,
    keysOf: discoverKeys,
  })
  const keys = new EnrolledKeys({
    store: store.enrolledKeys,
    audit,
    clock,
    rules: () => enrolmentRules(config),
  })
  const mint = { store, audit, clock, authority: authorities.targets, owner: lock.ownerId }
  const upstream: SshListenerParts['upstream'] = { engine, hostKeys: { store, audit, clock }, mint }
  const ssh: Omit<SshListenerParts, 'hostKeys'> = {
    engine,
    gatewayName: config.gateway.name,
    limits,
    keepOutputBytes: () => config.recording.keepOutputBytes,
    copies: wanted => {
      const { files, copyBytes: fileBytes, copySessionBytes: sessionBytes } = config.recording
      return (wanted ?? files) === 'copy' ? { fileBytes, sessionBytes } : noCopies
    },
    keepForwardBytes: () => (config.recording.forwards === 'content' ? config.recording.keepOutputBytes : 0),
    signIns,
    keys: {
      enrolled: keys,
      webUrl: config.web?.url ?? '',
      checkCertificate: (proven, sourceAddress) =>
        checkSignInCertificate(proven, {
          authorities: authorities.ring.accepted('sign-in', clock.nowMs()),
          gatewayName: config.gateway.name,
          sourceAddress,
          nowMs: clock.nowMs(),
          trustsIssuer: url => trustsIssuer(config, url),
        }),
      log,
    },
    session: {
      store,
      audit,
      recorder,
      live,
      clock,
      log,
      owner: lock.ownerId,
      policy: () => config,
      maxSessionsPerPrincipal: () => limits().maxSessionsPerPrincipal,
      limits: () => config.recording.limits,
      onSealed: session => {
        // Where the local copy goes at once, whoever fetches the recording makes its index.
        if (config.recording.s3?.keepLocalMs !== 0)
          indexes.add(join(config.recording.folder, session.recording))
      },
    },
    upstream,
    targetHostKeys: new TargetHostKeys({
      folder: foldersOf(config).targetHostKeys,
      authority: authorities.hosts,
      clock,
    }),
    audit,
    clock,
    log,
  }
  const reloadOnce = async (): Promise<ReloadResult> => {
    const result = await reloadConfig(config, audit, pool)
    if (!result.ok) return result
    ;({ config, content } = result)
    postgresCredentials.targetsChanged()
    const endedHere = live.decideAgain()
    return { ok: true, endedSessions: endedHere + ((await pool?.adopt()) ?? 0) }
  }
  let reloading: Promise<unknown> = Promise.resolve()
  const reload = (): Promise<ReloadResult> => {
    const reloaded = reloading.then(reloadOnce) // one after the other: workers remember one that they have prepared
    reloading = reloaded.catch(() => {})
    return reloaded
  }
  const common = { store, audit, clock, log }
  const admin = await serveAdmin(
    createAdmin({
      ...common,
      live,
      recordings: storage,
      reload,
      appendSigned: event => ground.audit.appendSigned(event),
      retention,
      sweep: async () => ({ removed: await sweep.now(), left: roles.pending.count }),
      changeKeys: async (ask, by) => {
        const changes = changeKeys(ask, by, { ring: authorities.ring, audit, clock })
        await keysChanged()
        return changes
      },
      metrics: () => metrics.text(),
      probe: () =>
        probeTargets(config, {
          audit,
          upstream,
          nextTargetsKey: authorities.ring.next('targets'),
          issuer,
          postgres: postgresCredentials,
        }),
    }),
    foldersOf(config).adminSocket,
  )
  closers.push(() => admin.close())
  const web = await startWeb(config, {
    ...common,
    webUrl: config.web?.url ?? '',
    behindProxy: config.web?.behindProxy ?? false,
    gatewayName: config.gateway.name,
    issuer,
    identity: { claims: config.identity.claims, sessionMs: config.identity.sessionMs },
    waiting: joinWaiting(signIns, postgresSignIns),
    keys,
    passwords,
    places: (principal, sourceAddress) => placesOf(config, principal.fields, sourceAddress, clock.nowMs()),
    endpoints: () => endpointsOf(config),
    machines,
    signInAuthority: authorities['sign-in'],
    signInX509Authority: config.postgres === undefined ? undefined : authorities['sign-in-x509'],
    metrics: () => metrics.text(),
    metricsToken: () => config.web?.metrics?.token,
    mayReview: (principal, session) => mayReview(config, principal, session).allowed,
    kept: sessions => retention.viewsOf(sessions),
    transcript: session => transcriptOf(storage, session),
    stored: session => storage.fetch(session.recording),
  })
  if (web !== undefined) closers.push(() => web.close())
  const hostKeys = new OpenSshHostKeys()
  const listener = await startSsh(config, {
    ...ssh,
    hostKeys: () => hostKeys.of(authorities),
  })
  if (listener !== undefined) closers.push(() => listener.close())
  const postgresParts: PostgresParts = {
    config: () => config,
    signInKeys: () => authorities.ring.accepted('sign-in-x509', clock.nowMs()),
    session: ssh.session,
    mint: postgresCredentials.mint,
    brokerOf: target => postgresCredentials.brokers.of(target),
    cleanups,
    passwords,
    machines,
    waiting: postgresSignIns,
    notes,
    cancels: new CancelKeys(),
    audit,
    clock,
    log,
  }
  const startWorkers = async (count: number): Promise<RunningPostgres | undefined> => {
    const keys = new KeysForWorkers(authorities, config, clock)
    const postgresLimits = (): PostgresLimits => config.postgres?.limits ?? defaultPostgresLimits
    pool = new WorkerPool({
      ...recovery,
      count,
      entry: options.workerEntry ?? workerEntry,
      folder: folders.workers,
      config: () => ({ file: config.file, content }),
      keys: () => keys.now,
      failure: () => audit.failure,
      closeRowsOf: owner => crashed.closeRowsOf(one => one === owner),
      sweep: () => void sweep.now().catch(() => {}), // it says why, and comes again
      onPasswordRevoked: listener => void passwords.onRevoked(listener),
      limits: postgresLimits,
      desk: {
        store,
        live,
        passwords,
        machines,
        waiting: postgresSignIns,
        signerOf: (purpose, keyId) => keys.signerOf(purpose, keyId),
        inHand: postgresCredentials.brokers.inHand,
        onSealed: ssh.session.onSealed,
        checkpoint: () => ground.sessionLog.checkpoint(),
        refusal: () => ground.room.shortage ?? storage.refusal(),
        spool: storage,
      },
      clock,
      log,
    })
    live.join(pool)
    const workers = pool
    storage.onFull(fault => workers.full(fault))
    ground.room.onShortage(fault => workers.full(fault))
    metrics.watchWorkers(pool)
    return config.postgres === undefined
      ? undefined
      : startPostgresWorkers(config.postgres, pool, postgresLimits)
  }
  const workers = config.postgres?.workers ?? 0
  const postgres = await (workers > 0 ? startWorkers(workers) : startPostgres(postgresParts))
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

/** In the form that the SSH engine reads: one and the same array for as long as the keys are the same. */
class OpenSshHostKeys {
  #keys: readonly KeyObject[] = []
  #pems: readonly string[] = []

  of({ gatewayHostKey, gatewayRsaHostKey }: Authorities): readonly string[] {
    const keys = [gatewayHostKey, gatewayRsaHostKey]
    if (keys.some((key, at) => key !== this.#keys[at])) {
      this.#keys = keys
      this.#pems = keys.map(openSshPrivateKey)
    }
    return this.#pems
  }
}

async function openGround(
  current: () => Config,
  log: Log,
  clock: Clock,
  append: AppendSync | undefined,
  closers: Closers,
): Promise<Ground> {
  const config = current()
  const folders = foldersOf(config)
  const engine = proveEngine()
  const lock = lockData(config.gateway.data)
  closers.push(() => lock.release())
  const watchdog = startWatchdog(log, config.recording.appendTimeoutMs)
  closers.push(() => watchdog.stop())
  const room = openRoom(config, log)
  closers.push(() => room.close())
  const { watch } = watchdog
  const store = await openStore(config.gateway.data, undefined, { watch, makeRoom: room.make })
  closers.push(() => store.close())
  const authorities = openAuthorities(folders.keys)
  const guarded = watchdog.guard(append ?? appendAsking(room.make))
  const sessionLog = openSessionLog({
    folder: folders.sessionLog,
    origin: config.gateway.name,
    publishers: config.log.publish.map(place => publisherTo(place, clock)),
    signer: authorities['log-checkpoints'],
    alsoSigning: () => authorities.ring.alsoSigning('log-checkpoints'),
    clock,
    log,
    append: guarded,
    watch,
  })
  closers.push(() => sessionLog.close())
  const audit = openAuditLog({
    folder: folders.audit,
    signer: authorities['log-checkpoints'],
    clock,
    log,
    append: guarded,
    onCheckpoint: (upTo, sha256) => void sessionLog.add({ kind: 'audit-log', upTo, sha256 }),
  })
  closers.push(() => audit.close())
  const storage = startStorage(config, { audit, log })
  closers.push(() => storage.close())
  const common = {
    folder: config.recording.folder,
    signer: authorities['recording-heads'],
    gateway: config.gateway.name,
    clock,
    log,
    sessionLog,
    append: guarded,
    watch,
    sync: config.recording.sync,
    appendTimeoutMs: config.recording.appendTimeoutMs,
    encryptTo: () => current().recording.encryptTo,
  }
  const isElsewhere = config.recording.s3 !== undefined
  const recorder = openRecorder({
    ...common,
    journalFolder: folders.journal,
    room,
    ...(isElsewhere ? { spool: storage } : {}),
  })
  // It records nothing: what asks for room, and hears that there is none, is the one above.
  const recorderIn = (journalFolder: string): Recorder =>
    openRecorder({
      ...common,
      journalFolder,
      ...(isElsewhere ? { spool: withoutHearing(storage) } : {}),
    })
  closers.push(() => recorder.close())
  return {
    engine,
    lock,
    store,
    authorities,
    watchdog,
    audit,
    sessionLog,
    recorder,
    recorderIn,
    storage,
    room,
  }
}

function withoutHearing({ opened, finished, refusal }: RecordingStorage): Spool {
  return { opened, finished, refusal, onFull: () => {} }
}

/** Recordings may lie on another disk than the rest. */
function openRoom({ gateway, recording }: Config, log: Log): Room {
  const folders = [gateway.data, recording.folder]
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 })
  return new Room({ folders, bytes: recording.reserveBytes, log })
}

/** What earlier gateways have not stored; the listeners need not wait for it. */
function takeUp(storage: RecordingStorage, log: Log): void {
  storage.takeUp().catch((cause: unknown) => {
    log.error({ cause: reasonOf(cause) }, 'what waits to be stored was not looked through')
  })
}

type Reloaded = ({ ok: true } & ConfigRead) | { ok: false; problems: string }

/** All or nothing: a file with any problem, here or for a worker, or one that needs a restart, changes nothing. */
async function reloadConfig(
  current: Config,
  audit: AuditLog,
  pool: WorkerPool | undefined,
): Promise<Reloaded> {
  const loaded = loadConfig(current.file)
  const ours = loaded.ok
    ? restartText(diffNeedsRestart(current, loaded.config))
    : printProblems(loaded.problems)
  const theirs = loaded.ok && ours === '' ? await pool?.prepare(current.file, loaded.content) : undefined
  const problems = theirs ?? ours
  const isDone = problems === '' && loaded.ok
  const encryptTo = auditorsOf(isDone ? loaded.config : current)
  audit.append({ kind: 'reload', result: isDone ? 'done' : 'refused', problems, encryptTo })
  if (problems !== '' || !loaded.ok) return { ok: false, problems }
  return loaded
}

/** Whom recordings are encrypted to from then on: who takes an auditor's key out leaves a trace. */
function auditorsOf({ recording }: Config): string {
  return recording.encryptTo.map(({ kid }) => kid).join(' ')
}

function restartText(keys: readonly string[]): string {
  return keys.length === 0
    ? ''
    : `These keys need a restart of the gateway, so nothing was changed: ${keys.join(', ')}.`
}

function enrolmentRules({ identity }: Config): EnrolmentRules {
  return { ...identity.enrolledKeys, issuer: identity.issuer, sessionMs: identity.sessionMs }
}

/** The places of the PostgreSQL listener's own sign-ins. */
function waitingLimitsOf(config: Config): WaitingLimits {
  const { signInTimeoutMs: signInCodeLifetimeMs, ...limits } =
    config.postgres?.limits ?? defaultPostgresLimits
  return { ...limits, signInCodeLifetimeMs }
}

async function startWeb(
  config: Config,
  deps: Parameters<typeof createWeb>[0],
): Promise<WebServer | undefined> {
  return config.web === undefined ? undefined : serveWeb(createWeb(deps), config.web)
}

async function startSsh(config: Config, parts: SshListenerParts): Promise<SshListener | undefined> {
  return config.ssh === undefined ? undefined : startSshListener(config.ssh.listen, parts)
}

async function transcriptOf(recordings: RecordingStore, session: SessionRow): Promise<string> {
  const { path, release } = await recordings.fetch(session.recording)
  try {
    return await screenText(path)
  } finally {
    release()
  }
}
