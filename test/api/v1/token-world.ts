/** The interface with an issuer whose access tokens it takes. */
import { SignJWT } from 'jose'
import { systemClock } from '../../../src/clock.ts'
import { AccessTokens } from '../../../src/identity/access-token.ts'
import { discoverTokenIssuer } from '../../../src/identity/issuer.ts'
import { principalOfAccessToken } from '../../../src/identity/principal.ts'
import { startHostileIssuer } from '../../support/issuer.ts'
import { type ApiWorld, openApiWorld } from './api-world.ts'

type Claims = {
  readonly groups?: readonly string[]
  readonly aud?: string
  readonly exp?: number
  readonly scope?: string
}

export type TokenWorld = {
  readonly world: ApiWorld
  /** Of a reviewer, good for five minutes, but for what the claims say. */
  readonly tokenOf: (claims?: Claims) => Promise<string>
  readonly close: () => Promise<void>
}

export async function openTokenWorld(): Promise<TokenWorld> {
  const audience = 'https://bastion.test'
  const issuer = await startHostileIssuer()
  const claims = { name: 'email', groups: 'groups' }
  const rules = { issuer: issuer.url, audience, scope: 'openid sessions.read', allowHttpIssuer: true, claims }
  const tokens = new AccessTokens({ clock: systemClock, rules, discover: discoverTokenIssuer })
  const world = await openApiWorld({
    bearer: async text =>
      principalOfAccessToken(await tokens.verify(text), { claims, sessionMs: 3_600_000 }, Date.now()),
  })
  const tokenOf = async (wish: Claims = {}): Promise<string> => {
    const { groups = ['audit'], aud = audience, exp, scope = 'openid sessions.read' } = wish
    const now = Math.floor(Date.now() / 1000)
    const fields = { email: 'tool@example.com', email_verified: true, groups, scope, client_id: 'tools' }
    return await new SignJWT(fields)
      .setProtectedHeader({ alg: 'ES256', kid: issuer.keyId, typ: 'at+jwt' })
      .setIssuer(issuer.url)
      .setSubject('tool-1')
      .setAudience(aud)
      .setIssuedAt(now)
      .setExpirationTime(exp ?? now + 300)
      .sign(issuer.key)
  }
  const close = async (): Promise<void> => {
    await world.close()
    await issuer.close()
  }
  return { world, tokenOf, close }
}
