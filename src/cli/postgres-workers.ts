/** PostgreSQL with worker processes: this process listens and keeps what counts once, and they carry the sessions. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, PostgresConfig } from '../config/config.ts'
import type { Authorities } from '../credentials/authority.ts'
import { installationOf } from '../credentials/postgres/role.ts'
import { certificateFileOf } from '../credentials/x509.ts'
import type { Signer } from '../model.ts'
import { openDoorways } from '../postgres/doorway.ts'
import type { SigningPurpose, WorkerKeys } from '../postgres/workers/messages.ts'
import { WorkerPool, type WorkerPoolParts } from '../postgres/workers/worker-pool.ts'
import { foldersOf } from './folders.ts'
import { endpointsOfPostgres, type RunningPostgres } from './postgres.ts'

/** What is forked; it lies beside this file. */
export const workerEntry: URL = new URL('postgres-worker.ts', import.meta.url)

/** Starts the workers, and then listens. Throws Fault PORT_IN_USE. */
export async function startPostgresWorkers(
  postgres: PostgresConfig,
  pool: WorkerPool,
  limits: WorkerPoolParts['limits'],
): Promise<RunningPostgres> {
  await pool.start()
  const endpoints = endpointsOfPostgres(postgres)
  const doorways = await openDoorways(endpoints, limits, arrival =>
    pool.take(arrival, endpoints.indexOf(arrival.endpoint)),
  ).catch(async (cause: unknown) => {
    await pool.close('the gateway cannot listen')
    throw cause
  })
  const [main, other] = doorways
  return {
    port: main?.port ?? 0,
    oauthPort: other?.port,
    close: async () => {
      // Not waited for: a server of Node whose connections went to processes that died never says that it is closed.
      for (const doorway of doorways) void doorway.close()
      await pool.close('the gateway stops')
    },
  }
}

/** Keys that workers were told of are remembered for signatures that they ask for with a key that is just replaced. */
const maxRemembered = 8

/** What workers know of the gateway's keys, and may have signed with them. */
export class KeysForWorkers {
  readonly #authorities: Authorities
  readonly #folder: string
  readonly #clock: { readonly nowMs: () => number }
  readonly #told = new Map<string, Signer>()
  #certificate: { readonly keyId: string; readonly pem: string } | undefined

  constructor(authorities: Authorities, config: Config, clock: { readonly nowMs: () => number }) {
    this.#authorities = authorities
    this.#folder = foldersOf(config).keys
    this.#clock = clock
  }

  /** The public halves of now. */
  get now(): WorkerKeys {
    const { ring } = this.#authorities
    const databases = this.#tell('databases')
    return {
      'recording-heads': publicOf(this.#tell('recording-heads')),
      databases: { ...publicOf(databases), certificatePem: this.#certificateOf(databases) },
      installation: installationOf(ring.first('databases').publicKey),
      signIn: ring.accepted('sign-in-x509', this.#clock.nowMs()).map(({ publicKeyPem }) => publicKeyPem),
    }
  }

  signerOf(purpose: SigningPurpose, keyId: string): Signer | undefined {
    return this.#told.get(`${purpose} ${keyId}`)
  }

  #tell(purpose: SigningPurpose): Signer {
    const signer = this.#authorities.ring.current(purpose)
    this.#told.set(`${purpose} ${signer.keyId}`, signer)
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= maxRemembered) break
      this.#told.delete(oldest)
    }
    return signer
  }

  #certificateOf({ keyId }: Signer): string {
    if (this.#certificate?.keyId !== keyId) {
      const file = certificateFileOf(keyId, this.#authorities.ring.first('databases').keyId)
      this.#certificate = { keyId, pem: readFileSync(join(this.#folder, file), 'utf8') }
    }
    return this.#certificate.pem
  }
}

function publicOf({ keyId, publicKeyPem }: Signer): { keyId: string; publicKeyPem: string } {
  return { keyId, publicKeyPem }
}
