/** Signs in at a target as a session would, for `sallyport check`: a real credential, one question, and gone. */
import pg from 'pg'
import type { Probe } from '../../audit/audit-log.ts'
import type { PostgresTarget } from '../../config/config.ts'
import { Fault, reasonOf } from '../../errors.ts'
import { connected } from './broker.ts'
import { mintProbeCredential, type PostgresCredentialParts } from './certificate.ts'
import { type ProvenConnection, reachAgain, reachPostgres } from './target-proof.ts'

const timeoutMs = 10_000

/** How the target proved itself. Throws Fault UPSTREAM_FAILED with what the operator should know. */
export async function tryLogin(
  probe: Probe,
  target: PostgresTarget,
  login: string,
  parts: PostgresCredentialParts,
): Promise<string> {
  const first = await reachPostgres(probe, target, { timeoutMs })
  first.socket.on('error', () => {})
  try {
    const credential = await mintProbeCredential({ probe, proof: first.proof, login }, parts)
    try {
      const secret = credential.useSecretOnce()
      const connection =
        secret.kind === 'password' ? first : await reachAgain(first.proof, secret, { timeoutMs })
      const password = secret.kind === 'password' ? secret.password : ''
      const who = await askWho(connection, { user: credential.user, password, database: databaseOf(target) })
      if (who !== login) throw new Error(`the session acts as ${who}`)
      await credential.signedIn()
      return provenText(first)
    } finally {
      await credential.remove()
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('UPSTREAM_FAILED', `The login ${login} does not work on ${target.name}.`, {
      log: `a role for ${login} cannot sign in: ${reasonOf(cause)}`,
      cause,
    })
  } finally {
    first.socket.destroy()
  }
}

function databaseOf({ databases, broker }: PostgresTarget): string {
  return databases?.[0] ?? broker?.database ?? 'postgres'
}

function provenText({ proof }: ProvenConnection): string {
  return proof.fingerprint === undefined
    ? 'on this machine, without TLS'
    : `certificate SHA-256 ${proof.fingerprint} (${proof.by})`
}

async function askWho(
  { socket }: ProvenConnection,
  account: { user: string; password: string; database: string },
): Promise<string> {
  const client = new pg.Client({
    ...account,
    stream: () => connected(socket),
    ssl: false, // the stream has it already
    application_name: 'sallyport check',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    enableChannelBinding: true,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ who: string }>('SELECT current_user::text AS who')
    return rows[0]?.who ?? ''
  } finally {
    await client.end().catch(() => {})
  }
}
