/** A server that knows the secret of the session and does whatever a test wants, before or after it lets the gateway in. */
import { createHmac, pbkdf2Sync } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { PostgresTarget } from '../../src/config/config.ts'
import { newPostgresCredential, type PostgresCredential } from '../../src/credentials/postgres/role.ts'
import {
  authenticationCode,
  authenticationOk,
  encodeAuthentication,
  encodeBackendKeyData,
  encodeParameterStatus,
  encodeReadyForQuery,
  encodeSasl,
} from '../../src/postgres/wire/backend.ts'

export const secret = 'the-secret-of-one-session'

/** What each step says; a test replaces the one that it is about. `said` is everything that the gateway has sent so far. */
export type Script = {
  readonly first?: (socket: Socket) => void
  readonly saslFirst?: (clientNonce: string) => Buffer
  /** After the proof: by default the signature, AuthenticationOk and the opening. */
  readonly saslFinal?: (signature: Buffer) => Buffer
  readonly opening?: () => Buffer
  /** The first thing that comes once the gateway is in. */
  readonly relayed?: (socket: Socket) => void
}

export const opening = (): Buffer =>
  Buffer.concat([
    authenticationOk,
    encodeParameterStatus({ name: 'server_version', value: '18.0' }),
    encodeParameterStatus({ name: 'client_encoding', value: 'UTF8' }),
    encodeParameterStatus({ name: 'standard_conforming_strings', value: 'on' }),
    encodeBackendKeyData({ pid: 77, key: Buffer.from('dead', 'utf8') }),
    encodeReadyForQuery('I'),
  ])

const salt = Buffer.from('salt-of-the-test')

export class HostileTarget {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** What the gateway has said, of all connections. */
  said = Buffer.alloc(0)
  connections = 0

  private constructor(script: Script) {
    this.#server = createServer(socket => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
      this.#converse(socket, script)
    })
  }

  static async start(script: Script): Promise<HostileTarget> {
    const target = new HostileTarget(script)
    await new Promise<void>(listening => target.#server.listen(0, '127.0.0.1', listening))
    return target
  }

  get target(): PostgresTarget {
    const address = this.#server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    return {
      name: 'orders',
      protocol: 'postgres',
      host: '127.0.0.1',
      port,
      labels: {},
      tls: { mode: 'off' },
      connector: 'role',
      sensitive: [],
    }
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>(closed => this.#server.close(() => closed()))
  }

  #converse(socket: Socket, script: Script): void {
    let clientFirst = ''
    let serverFirst = ''
    let step = 0
    socket.on('data', chunk => {
      this.said = Buffer.concat([this.said, chunk])
      step++
      if (step === 1) {
        if (script.first !== undefined) script.first(socket)
        else socket.write(encodeSasl(['SCRAM-SHA-256']))
      } else if (step === 2) {
        clientFirst = /n=,r=[\x21-\x7e]+/.exec(chunk.toString('latin1'))?.[0] ?? ''
        const nonce = clientFirst.slice(5)
        serverFirst = `r=${nonce}server,s=${salt.toString('base64')},i=1`
        const answer = script.saslFirst?.(nonce) ?? Buffer.from(serverFirst)
        socket.write(encodeAuthentication(authenticationCode.saslContinue, answer))
      } else if (step === 3) {
        const withoutProof = /c=[^,]+,r=[^,]+/.exec(chunk.toString('latin1'))?.[0] ?? ''
        const salted = pbkdf2Sync(secret, salt, 1, 32, 'sha256')
        const key = createHmac('sha256', salted).update('Server Key').digest()
        const signature = createHmac('sha256', key)
          .update(`${clientFirst},${serverFirst},${withoutProof}`)
          .digest()
        const final = script.saslFinal?.(signature) ?? saslFinal(signature)
        socket.write(Buffer.concat([final, (script.opening ?? opening)()]))
      } else if (step === 4) script.relayed?.(socket)
    })
  }
}

export function saslFinal(signature: Buffer): Buffer {
  return encodeAuthentication(authenticationCode.saslFinal, Buffer.from(`v=${signature.toString('base64')}`))
}

/** A credential whose secret the hostile target knows. */
export function knownCredential(): Promise<PostgresCredential> {
  return Promise.resolve(
    newPostgresCredential({
      kind: 'role',
      user: 'sp_test',
      applicationName: 'sallyport test',
      told: { type: 'credential', credential: 'postgres-role', user: 'sp_test' },
      secret: { kind: 'password', password: secret },
      signedIn: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    }),
  )
}
