import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../clock.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { TokenIssuer } from './access-token.ts'
import type { ClaimNames } from './claims.ts'
import { clockSkewSeconds, type VerifiedToken, completeToken, verifyIdToken } from './token.ts'

/** A provider that does not answer in this time is away, in milliseconds. The person is looking at the page meanwhile. */
const defaultRequestTimeoutMs = 10_000

/** Keys are fetched again after this time, in milliseconds; an unknown key id fetches earlier. */
const keysMaxAgeMs = 10 * 60_000

/** An unknown key id makes us fetch at most this often, so that forged ones cannot make us hammer the issuer. Milliseconds. */
const keysCooldownMs = 30_000

/** What the provider says about itself is asked again after this time, in milliseconds. */
const metadataMaxAgeMs = 60 * 60_000

export type IssuerOptions = {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret?: { reveal(): string }
  readonly claims: ClaimNames
  /** True only where the issuer is http on loopback; everything else is https or refused. */
  readonly allowHttpIssuer: boolean
}

/** What one authorization request must be answered with. Good for one answer. */
export type SignInChecks = {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
}

/** The OpenID provider of the company, seen from the gateway (the relying party). */
export interface Issuer {
  readonly url: string
  /** Asks the provider who it is. Throws Fault ISSUER_UNAVAILABLE. */
  discover(): Promise<void>
  /** A new authorization request: where to send the browser, and what its answer will be held against. */
  begin(redirectUri: string, isAnew?: boolean): Promise<SignInChecks & { readonly url: URL }>
  /**
   * Turns the answer in the browser's address (`callbackUrl`) into a verified token. Throws Fault TOKEN_REFUSED or
   * ISSUER_UNAVAILABLE; a second answer to the same request is refused.
   */
  redeem(callbackUrl: URL, checks: SignInChecks): Promise<VerifiedToken>
}

/** The relying party for `identity` of the configuration. Connects to nothing before it is asked. */
export function openIssuer(
  options: IssuerOptions,
  parts: { clock: Clock; requestTimeoutMs?: number },
): Issuer {
  return new OpenIdIssuer(options, parts.clock, parts.requestTimeoutMs ?? defaultRequestTimeoutMs)
}

type Discovered = {
  readonly config: client.Configuration
  readonly jwks: JWTVerifyGetKey
  readonly atUs: number
}

class OpenIdIssuer implements Issuer {
  readonly url: string
  readonly #options: IssuerOptions
  readonly #clock: Clock
  readonly #requestTimeoutMs: number
  #discovered: Promise<Discovered> | undefined
  readonly #redeemed = new WeakSet<SignInChecks>()

  constructor(options: IssuerOptions, clock: Clock, requestTimeoutMs: number) {
    this.#requestTimeoutMs = requestTimeoutMs
    this.url = options.issuer
    this.#options = options
    this.#clock = clock
  }

  async discover(): Promise<void> {
    this.#discovered = undefined
    await this.#provider()
  }

  async begin(redirectUri: string, isAnew = false): Promise<SignInChecks & { readonly url: URL }> {
    const { config } = await this.#provider()
    const codeVerifier = client.randomPKCECodeVerifier()
    const checks = { redirectUri, state: client.randomState(), nonce: client.randomNonce(), codeVerifier }
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: scopesOf(config),
      state: checks.state,
      nonce: checks.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
      ...(isAnew ? { prompt: 'login' } : {}), // OpenID Connect Core, 3.1.2.1: asks the person again
    })
    return { ...checks, url }
  }

  async redeem(callbackUrl: URL, checks: SignInChecks): Promise<VerifiedToken> {
    if (this.#redeemed.has(checks)) throw refused('this request was answered before')
    this.#redeemed.add(checks)
    const { config, jwks } = await this.#provider()
    const tokens = await this.#exchange(config, callbackUrl, checks)
    if (tokens.id_token === undefined) throw refused('the provider sent no ID token')
    const { issuer, clientId } = this.#options
    const token = await verifyIdToken(tokens.id_token, {
      issuer,
      clientId,
      nonce: checks.nonce,
      jwks,
      clock: this.#clock,
    })
    return await this.#complete(config, token, tokens.access_token)
  }

  async #exchange(config: client.Configuration, callbackUrl: URL, checks: SignInChecks) {
    try {
      return await client.authorizationCodeGrant(config, callbackUrl, {
        pkceCodeVerifier: checks.codeVerifier,
        expectedState: checks.state,
        expectedNonce: checks.nonce,
        idTokenExpected: true,
      })
    } catch (thrown) {
      throw asFault(thrown)
    }
  }

  /** Asks userinfo where the token leaves out who the person is called or which groups they are in. */
  async #complete(
    config: client.Configuration,
    token: VerifiedToken,
    accessToken: string,
  ): Promise<VerifiedToken> {
    const { claims } = token.fields
    const silent = [this.#options.claims.name, this.#options.claims.groups].some(
      name => claims[name] === undefined,
    )
    if (!silent || config.serverMetadata().userinfo_endpoint === undefined) return token
    try {
      return completeToken(token, await client.fetchUserInfo(config, accessToken, token.fields.subject))
    } catch (thrown) {
      throw asFault(thrown)
    }
  }

  /** What the provider said about itself, asked once for all who need it now; a failure is not kept. */
  async #provider(): Promise<Discovered> {
    const pending = (this.#discovered ??= this.#askProvider())
    try {
      const discovered = await pending
      const ageMs = (this.#clock.monotonicUs() - discovered.atUs) / 1000
      if (ageMs < metadataMaxAgeMs || this.#discovered !== pending) return discovered
      return await (this.#discovered = this.#askProvider())
    } catch (thrown) {
      this.#discovered = undefined
      throw thrown
    }
  }

  async #askProvider(): Promise<Discovered> {
    const { issuer, clientId, clientSecret, allowHttpIssuer } = this.#options
    try {
      const config = await client.discovery(
        new URL(issuer),
        clientId,
        { [client.clockTolerance]: clockSkewSeconds },
        clientSecret === undefined ? client.None() : secretOf(clientSecret),
        {
          timeout: this.#requestTimeoutMs / 1000,
          execute: allowHttpIssuer ? [client.allowInsecureRequests] : [],
        },
      )
      config.timeout = this.#requestTimeoutMs / 1000
      return {
        config,
        jwks: keysOf(config, allowHttpIssuer, this.#requestTimeoutMs),
        atUs: this.#clock.monotonicUs(),
      }
    } catch (thrown) {
      throw unavailable(thrown, issuer)
    }
  }
}

/** The secret in the body where the provider takes it there, else in the header, which is what OpenID Connect assumes. */
function secretOf(clientSecret: { reveal(): string }): client.ClientAuth {
  return (provider, self, body, headers) => {
    const inBody = provider.token_endpoint_auth_methods_supported?.includes('client_secret_post') === true
    const authenticate = inBody ? client.ClientSecretPost : client.ClientSecretBasic
    authenticate(clientSecret.reveal())(provider, self, body, headers)
  }
}

/** The published keys of an issuer that only signs tokens for us. Throws Fault ISSUER_UNAVAILABLE. */
export async function discoverKeys(
  issuer: string,
  allowHttpIssuer: boolean,
  requestTimeoutMs = defaultRequestTimeoutMs,
): Promise<JWTVerifyGetKey> {
  return (await discoverTokenIssuer(issuer, allowHttpIssuer, requestTimeoutMs)).keys
}

/** An issuer whose access tokens others bring to us. Throws Fault ISSUER_UNAVAILABLE. */
export async function discoverTokenIssuer(
  issuer: string,
  allowHttpIssuer: boolean,
  requestTimeoutMs = defaultRequestTimeoutMs,
): Promise<TokenIssuer> {
  try {
    const config = await client.discovery(new URL(issuer), 'sallyport', undefined, client.None(), {
      timeout: requestTimeoutMs / 1000,
      execute: allowHttpIssuer ? [client.allowInsecureRequests] : [],
    })
    config.timeout = requestTimeoutMs / 1000
    return {
      keys: keysOf(config, allowHttpIssuer, requestTimeoutMs),
      userInfo: (token, subject) => userInfoOf(config, token, subject),
    }
  } catch (thrown) {
    throw unavailable(thrown, issuer)
  }
}

async function userInfoOf(config: client.Configuration, token: string, subject: string) {
  if (config.serverMetadata().userinfo_endpoint === undefined) return undefined
  try {
    return await client.fetchUserInfo(config, token, subject)
  } catch (thrown) {
    throw asFault(thrown)
  }
}

function keysOf(config: client.Configuration, allowHttpIssuer: boolean, timeoutMs: number): JWTVerifyGetKey {
  const address = config.serverMetadata().jwks_uri
  if (address === undefined) throw new TypeError('the provider publishes no keys (jwks_uri)')
  const url = new URL(address)
  if (url.protocol !== 'https:' && !allowHttpIssuer)
    throw new TypeError('the provider publishes its keys without https (jwks_uri)')
  return createRemoteJWKSet(url, {
    timeoutDuration: timeoutMs,
    cooldownDuration: keysCooldownMs,
    cacheMaxAge: keysMaxAgeMs,
  })
}

/** `groups` is asked for only where the provider says that it knows it: others refuse a scope that they do not know. */
function scopesOf(config: client.Configuration): string {
  const known = config.serverMetadata().scopes_supported ?? []
  return ['openid', 'profile', 'email', ...(known.includes('groups') ? ['groups'] : [])].join(' ')
}

function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  if (thrown instanceof client.AuthorizationResponseError)
    return refused(`it answered ${thrown.error}`, thrown)
  if (thrown instanceof client.ResponseBodyError)
    return refused(`its token endpoint answered ${thrown.error}`, thrown)
  if (thrown instanceof client.WWWAuthenticateChallengeError)
    return refused('it refused our token or client secret', thrown)
  if (thrown instanceof client.ClientError && !isTransport(thrown)) return refused(reasonOf(thrown), thrown)
  return unavailable(thrown)
}

/** Time-outs and answers that are no protocol answer (a 502 of a proxy) say nothing about the person. */
function isTransport(thrown: client.ClientError): boolean {
  return [
    'OAUTH_TIMEOUT',
    'OAUTH_ABORT',
    'OAUTH_RESPONSE_IS_NOT_CONFORM',
    'OAUTH_RESPONSE_IS_NOT_JSON',
  ].includes(thrown.code ?? '')
}

function refused(why: string, cause?: unknown): Fault {
  return new Fault(
    'TOKEN_REFUSED',
    'The identity provider did not sign you in. Start again; if it happens again, tell the people who run this gateway.',
    { log: `the sign-in at the identity provider failed: ${why}`, cause },
  )
}

function unavailable(cause: unknown, issuer?: string): Fault {
  return new Fault(
    'ISSUER_UNAVAILABLE',
    'The identity provider does not answer, so nobody can be signed in. Try again in a minute.',
    {
      log: `the identity provider${issuer === undefined ? '' : ` ${issuer}`} could not be used: ${reasonOf(cause)}; check identity.issuer and that this machine reaches it`,
      cause,
    },
  )
}
