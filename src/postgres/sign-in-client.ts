/** The seam between a connection and the sign-in: what the one offers and the other answers. */
import type { Principal } from '../identity/principal.ts'
import type { Report } from './wire/backend.ts'

/** A client after its StartupMessage and before its session. */
export interface SignInClient {
  /** Sends a whole frame. Before AuthenticationOk only authentication requests are legal; errors are given back instead. */
  send(frame: Buffer): void
  /** Sends AuthenticationOk; once, however often it is called. After it, notices are legal. */
  sayAuthenticated(): void
  /** The body of the client's next 'p' message; undefined once it is gone, broke the protocol or took too long. One at a time. */
  answer(): Promise<Buffer | undefined>
  /** Somebody signs in with a browser: from now the client may take so long. It need not say anything meanwhile. */
  allowTime(ms: number): void
  /** Aborts when the client is gone or its time is over: nobody waits for what is being done for it. */
  readonly gone: AbortSignal
}

/** What a client asked for, and where from. All texts are hostile. */
export type Asked = {
  /** As in the StartupMessage: `LOGIN@TARGET`, `LOGIN+TARGET`, a bare word. Never empty. */
  readonly user: string
  readonly database: string
  readonly sourceAddress: string
  /** TLS or not: a password is asked for only where nobody can read it, or on loopback. */
  readonly encrypted: boolean
  readonly loopback: boolean
  /** The TLS server name, if the client sent one. */
  readonly tlsServerName: string | undefined
  /** DER of the client's certificate. Nobody has checked anything but that the client holds its key. */
  readonly clientCertificate: Buffer | undefined
  /** It came to the listener that is for OAUTHBEARER alone. */
  readonly oauthListener: boolean
}

export type SignInResult =
  | {
      readonly kind: 'proven'
      readonly principal: Principal
      /** For the audit log: `page-password`, `machine-token`, `browser`, `certificate`, `oauth`. */
      readonly method: string
      /** Only facts, for the audit log. */
      readonly details?: Readonly<Record<string, string>>
    }
  /** Said to the client as ErrorResponse, and the connection ends; undefined if nobody listens any more. */
  | { readonly kind: 'refused'; readonly error: Report | undefined }

export type Authenticate = (client: SignInClient, asked: Asked) => Promise<SignInResult>
