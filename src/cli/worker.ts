/** A worker process for PostgreSQL: it carries sessions as the gateway would, and asks the gateway for everything that counts once. */
import type { Socket } from 'node:net'
import { appendAsking } from '../audit/append.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { Outbox } from '../audit/outbox/outbox.ts'
import { outboxAudit, outboxSessionLog } from '../audit/outbox/outbox-logs.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { printProblems } from '../config/problem.ts'
import { Brokers } from '../credentials/postgres/broker.ts'
import { mintPostgresCredential } from '../credentials/postgres/certificate.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type Log, openLog } from '../log.ts'
import type { AppendSync } from '../model.ts'
import { CancelKeys } from '../postgres/cancel-keys.ts'
import { Cleanups } from '../postgres/cleanups.ts'
import type { PostgresEndpoint } from '../postgres/connection.ts'
import { linkToGateway, type WorkerLink } from '../postgres/workers/ports.ts'
import { journalOf, lockAsWorker } from '../postgres/workers/worker-folder.ts'
import { KeysOfGateway } from '../postgres/workers/worker-keys.ts'
import { WorkerSessions } from '../postgres/workers/worker-sessions.ts'
import { WorkerPasswords, WorkerSignIns, workerMachines } from '../postgres/workers/worker-sign-in.ts'
import { WorkerWatches } from '../postgres/workers/worker-watches.ts'
import { workerStore } from '../postgres/workers/worker-store.ts'
import type { StartOrder } from '../postgres/workers/messages.ts'
import { Room } from '../recorder/room.ts'
import type { Spool } from '../recorder/storage/spool.ts'
import { forgetKeys, type SealedReading } from '../recorder/encryption/sealed-reading.ts'
import { openRecorder, type Recorder } from '../recorder/recorder.ts'
import { startWatchdog, type Watchdog } from '../recorder/watchdog.ts'
import type { HoldResult, HoldWish } from '../session/hold.ts'
import type { DataLock } from '../store/lock.ts'
import { endpointsOfPostgres, takePostgres } from './postgres.ts'
import { smallThreadHeaps } from './thread-heaps.ts'

/** After the gateway is gone, its next start waits for us: sessions end and journals close within this time. Milliseconds. */
const orphanMs = 5000
/** How often is looked whether journal and outbox can be written. Milliseconds. */
const lookEveryMs = 1000

/** Runs until the gateway says that it is over, or is gone. `append`: how journal and outbox append; tests make it fail or hang. */
export function runPostgresWorker({ append }: { append?: AppendSync } = {}): void {
  smallThreadHeaps()
  const log = openLog()
  let worker: PostgresWorker | undefined
  const running = (): PostgresWorker => {
    if (worker !== undefined) return worker
    throw new Fault('STORE_UNAVAILABLE', 'The gateway is starting. Try again in a moment.')
  }
  const link: WorkerLink = linkToGateway({
    log,
    onViolation: reason => {
      log.error({ reason }, 'the gateway says what this worker does not know')
      process.exit(1)
    },
    calls: {
      start: order => {
        if (worker !== undefined) throw new TypeError('the worker runs already')
        worker = new PostgresWorker(order, link, append, log)
        return { owner: worker.owner }
      },
      prepare: ({ file, content }) => ({ problems: running().prepare(file, content) }),
      adopt: () => ({ ended: running().adopt() }),
      cancel: ({ pid, key, sourceAddress }) => running().cancel(pid, Buffer.from(key), sourceAddress),
      close: ({ reason }) => running().close(reason),
      hold: async ({ id, ...wish }) => ({ isHeld: (await running().hold(id, wish)) === 'held' }),
      goOn: async ({ id }) => ({ goesOn: await running().release(id) }),
      areYouThere: () => undefined,
    },
    tells: {
      connection: (told, socket) => worker?.take(told, socket),
      makeRoom: ({ connection }) => worker?.makeRoom(connection),
      endSession: ({ id, reason, userText }) => worker?.endSession(id, reason, userText),
      passwordRevoked: ({ id }) => worker?.passwords.revoked(id),
      signInEnded: ({ id, how }) => worker?.signIns.ended(id, how),
      taken: ({ upTo }) => worker?.outbox.taken(upTo),
      failed: ({ reason }) => worker?.outbox.fail(new Error(reason)),
      keys: keys => worker?.keys.replace(keys),
      full: ({ userText, reason }) => worker?.full(userText, reason),
      watch: ({ session, watch }) => worker?.watch(session, watch),
      unwatch: ({ watch }) => worker?.watches.end(watch),
    },
  })
  // Signals of a terminal or a service manager come to all of its processes: the gateway says what becomes of us.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.once('disconnect', () => endAlone(worker, log))
}

/** The gateway is gone: nobody else ends this process. */
function endAlone(worker: PostgresWorker | undefined, log: Log): void {
  setTimeout(() => process.exit(1), orphanMs).unref()
  const ending = worker === undefined ? Promise.resolve() : worker.close('the gateway is gone')
  ending.then(
    () => process.exit(0),
    (cause: unknown) => {
      log.error({ cause: reasonOf(cause) }, 'a worker without a gateway could not close')
      process.exit(1)
    },
  )
}

class PostgresWorker {
  readonly outbox: Outbox
  readonly keys: KeysOfGateway
  readonly passwords: WorkerPasswords
  readonly signIns: WorkerSignIns
  readonly watches: WorkerWatches
  readonly #log: Log
  readonly #link: WorkerLink
  readonly #lock: DataLock
  readonly #watchdog: Watchdog
  readonly #audit: AuditLog
  readonly #recorder: Recorder
  readonly #sessions: WorkerSessions
  readonly #brokers: Brokers
  readonly #cleanups = new Cleanups()
  readonly #cancels: CancelKeys
  readonly #postgres: ReturnType<typeof takePostgres>
  readonly #endpoints: readonly PostgresEndpoint[]
  /** Strangers that may be asked to go, by connection. */
  readonly #strangers = new Map<number, () => void>()
  readonly #onFull: ((fault: Fault) => void)[] = []
  readonly #room: Room
  readonly #timer: NodeJS.Timeout
  #config: Config
  #prepared: Config | undefined
  #closing: Promise<void> | undefined

  /** Throws Fault DATA_FOLDER_IN_USE, CONFIG_INVALID, KEY_UNUSABLE. */
  constructor(
    { number, folder, config, keys }: StartOrder,
    link: WorkerLink,
    append: AppendSync | undefined,
    log: Log,
  ) {
    this.#link = link
    this.#log = log.child({ worker: number })
    this.#lock = lockAsWorker(folder)
    this.#config = configOf(config.file, config.content)
    this.#watchdog = startWatchdog(this.#log, this.#config.recording.appendTimeoutMs)
    this.#room = new Room({ folders: [folder], bytes: this.#config.recording.reserveBytes, log: this.#log })
    const guarded = this.#watchdog.guard(append ?? appendAsking(this.#room.make))
    this.keys = new KeysOfGateway(link, keys)
    this.outbox = this.#openOutbox(folder, guarded)
    this.#audit = outboxAudit(this.outbox)
    this.#recorder = this.#openRecorder(journalOf(folder), guarded)
    this.#sessions = new WorkerSessions(link, () => this.#audit.failure)
    this.#brokers = new Brokers({
      audit: this.#audit,
      log: this.#log,
      owner: this.owner,
      hands: {
        taken: lease => void link.tell('inHand', { lease }),
        left: lease => void link.tell('outOfHand', { lease }),
      },
    })
    this.passwords = new WorkerPasswords(link)
    this.signIns = new WorkerSignIns(link)
    this.watches = new WorkerWatches(link)
    this.#cancels = new CancelKeys(number)
    this.#postgres = this.#takePostgres()
    const { postgres } = this.#config
    this.#endpoints = postgres === undefined ? [] : endpointsOfPostgres(postgres)
    this.#timer = setInterval(() => this.#leaveIfBroken(), lookEveryMs).unref()
  }

  get owner(): string {
    return this.#lock.ownerId
  }

  /** What is wrong with a configuration, or nothing: then `adopt` puts it into force. */
  prepare(file: string, content: Uint8Array): string {
    this.#prepared = undefined
    const loaded = loadConfig(file, process.env, { content: Buffer.from(content) })
    if (!loaded.ok) return printProblems(loaded.problems)
    this.#prepared = loaded.config
    return ''
  }

  /** How many sessions ended because they are no longer allowed. */
  adopt(): number {
    if (this.#prepared === undefined) throw new TypeError('no configuration was prepared')
    this.#config = this.#prepared
    this.#prepared = undefined
    void this.#brokers.keepOnly(this.#config.targets)
    return this.#sessions.here.decideAgain()
  }

  async cancel(pid: number, key: Buffer, sourceAddress: string): Promise<void> {
    const cancel = this.#cancels.find(pid, key)
    if (cancel === undefined) this.#log.info({ sourceAddress }, 'a cancel request with a key that is none')
    await cancel?.(sourceAddress)
  }

  take(told: { id: number; endpoint: number; sourceAddress: string }, socket: Socket | undefined): void {
    const { id, sourceAddress } = told
    const endpoint = this.#endpoints[told.endpoint]
    if (socket === undefined || endpoint === undefined || this.#closing !== undefined) {
      socket?.destroy()
      this.#link.tell('gone', { connection: id })
      return
    }
    socket.once('close', () => this.#link.tell('gone', { connection: id }))
    this.#link.tell('arrived', { connection: id })
    this.#postgres.connections.take({
      socket,
      endpoint,
      sourceAddress,
      enter: makeRoom => {
        this.#strangers.set(id, makeRoom)
        return () => {
          if (this.#strangers.delete(id)) this.#link.tell('signedIn', { connection: id })
        }
      },
    })
  }

  makeRoom(connection: number): void {
    this.#strangers.get(connection)?.()
  }

  endSession(id: string, reason: string, userText: string): void {
    this.#sessions.end(id, { reason, userText })
  }

  hold(id: string, wish: HoldWish): Promise<HoldResult> {
    return this.#sessions.here.hold(id, wish)
  }

  release(id: string): Promise<boolean> {
    return this.#sessions.here.release(id)
  }

  /** There is no room for recordings where the gateway keeps them. */
  full(userText: string, reason: string): void {
    const fault = new Fault('RECORDING_APPEND_FAILED', userText, { log: reason })
    for (const listener of this.#onFull) listener(fault)
  }

  watch(id: string, number: number): void {
    this.watches.begin(
      number,
      this.#sessions.here.list().find(session => session.id === id),
    )
  }

  /** Ends and seals everything; what cannot be sealed any more, the gateway's next start finishes. */
  close(reason: string): Promise<void> {
    return (this.#closing ??= this.#close(reason))
  }

  async #close(reason: string): Promise<void> {
    clearInterval(this.#timer)
    this.signIns.close()
    this.#postgres.connections.stop()
    await this.#sessions.here.close(reason)
    await this.#cleanups.settled()
    await this.#brokers.close()
    await this.#postgres.close()
    await this.#recorder.close()
    await this.#audit.close()
    await this.#room.close()
    this.#watchdog.stop()
    this.#lock.release()
  }

  #openOutbox(folder: string, append: AppendSync): Outbox {
    let isTelling = false
    const tell = (): void => {
      isTelling = false
      this.#link.tell('said', undefined)
    }
    return new Outbox({
      folder,
      owner: this.owner,
      clock: systemClock,
      log: this.#log,
      append,
      onEntry: () => {
        if (!isTelling) setImmediate(tell) // one for all that is said in a turn
        isTelling = true
      },
    })
  }

  #openRecorder(journalFolder: string, append: AppendSync): Recorder {
    return openRecorder({
      folder: this.#config.recording.folder,
      journalFolder,
      signer: this.keys.live('recording-heads'),
      gateway: this.#config.gateway.name,
      clock: systemClock,
      log: this.#log,
      sessionLog: outboxSessionLog(this.outbox, {
        proofOf: entry => this.#link.ask('proofOf', { entry }),
        checkpoint: () => this.#link.ask('checkpoint', undefined),
      }),
      append,
      watch: this.#watchdog.watch,
      room: this.#room,
      sync: this.#config.recording.sync,
      appendTimeoutMs: this.#config.recording.appendTimeoutMs,
      ...(this.#config.recording.s3 === undefined ? {} : { spool: this.#spool }),
      encryptTo: () => this.#config.recording.encryptTo,
      reading: this.#reading,
    })
  }

  /** The gateway reads encrypted recordings while they are written, if it reads any. One that does not answer keeps nobody from the seal. */
  get #reading(): SealedReading {
    return {
      opened: (session, keys) => {
        this.#link.tell('recordingKeys', { session, keys })
        forgetKeys(keys)
      },
      ended: async session => await this.#link.ask('recordingEnds', { session }).catch(() => {}),
    }
  }

  /** Where recordings are kept elsewhere: the gateway brings them there. Whether one may be begun it says when it gives a place. */
  get #spool(): Spool {
    return {
      opened: recording => void this.#link.tell('recordingOpened', { recording }),
      finished: recording => void this.#link.tell('recordingFinished', { recording }),
      refusal: () => undefined,
      onFull: listener => void this.#onFull.push(listener),
    }
  }

  /** One that cannot write any more makes place for another, once its sessions have ended. */
  #leaveIfBroken(): void {
    const failure = this.#audit.failure ?? this.#recorder.failure
    if (failure === undefined || this.#closing !== undefined || this.#sessions.here.size > 0) return
    this.#log.error({ reason: failure.message }, 'a worker process cannot write any more, and ends')
    process.exit(1)
  }

  #takePostgres(): ReturnType<typeof takePostgres> {
    const store = workerStore(this.#link)
    const common = { audit: this.#audit, clock: systemClock, log: this.#log }
    const minting = { ...common, store, brokers: this.#brokers, owner: this.owner }
    return takePostgres({
      ...common,
      config: () => this.#config,
      signInKeys: () => this.keys.signIn,
      session: {
        ...common,
        store,
        recorder: this.#recorder,
        live: this.#sessions,
        owner: this.owner,
        policy: () => this.#config,
        limits: () => this.#config.recording.limits,
        onSealed: ({ id }) => void this.#link.tell('sealed', { id }),
      },
      mint: (evidence, about) =>
        mintPostgresCredential(evidence, about, {
          ...minting,
          gateway: this.#config.gateway.name,
          installation: this.keys.installation,
          databases: this.keys.databases,
        }),
      brokerOf: target => this.#brokers.of(target),
      cleanups: this.#cleanups,
      passwords: this.passwords,
      machines: workerMachines(this.#link),
      waiting: this.signIns,
      notes: {
        note: (sourceAddress, event) => void this.outbox.say({ note: { sourceAddress, event } }),
      },
      cancels: this.#cancels,
      takeCancel: ({ pid, key, sourceAddress }) => this.#link.ask('cancel', { pid, key, sourceAddress }),
    })
  }
}

function configOf(file: string, content: Uint8Array): Config {
  const loaded = loadConfig(file, process.env, { content: Buffer.from(content) })
  if (loaded.ok) return loaded.config
  throw new Fault('CONFIG_INVALID', printProblems(loaded.problems))
}
