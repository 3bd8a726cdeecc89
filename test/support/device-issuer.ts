/**
 * A certified OpenID provider with the device flow (RFC 8628), as PostgreSQL 18 clients use it: access tokens for databases, as JWTs or
 * opaque ones with introspection. Its pages are oidc-provider's own for development: whatever name is typed is the account.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { type Configuration, Provider } from 'oidc-provider'
import { Browser } from './browser.ts'

export const deviceClient = 'psql'
export const gatewayClient = { clientId: 'gateway', clientSecret: 'a-secret-of-device-tests' }
export const databaseAudience = 'urn:example:databases'

export type DeviceIssuer = {
  readonly url: string
  readonly provider: Provider
  /** What a person does with the code: types it at the provider, signs in and allows it. */
  approve(verificationUri: string, account: string): Promise<void>
  close(): Promise<void>
}

export async function startDeviceIssuer(format: 'jwt' | 'opaque'): Promise<DeviceIssuer> {
  const server = createServer()
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', () => listening.resolve())
  await listening.promise
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(url, await configurationOf(format))
  const answer = provider.callback()
  server.on('request', (request, response) => void answer(request, response))
  return {
    url,
    provider,
    approve,
    close: async () => {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

async function configurationOf(format: 'jwt' | 'opaque'): Promise<Configuration> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const claimsOf = (account: string) => ({
    email: `${account}@example.com`,
    email_verified: true,
    groups: account === 'ada' ? ['admins'] : [],
  })
  return {
    // oidc-provider prefers RS256 for ID tokens, which nobody asks for here.
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clients: [
      {
        client_id: deviceClient,
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        redirect_uris: [],
        response_types: [],
        application_type: 'native',
      },
      {
        client_id: gatewayClient.clientId,
        client_secret: gatewayClient.clientSecret,
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: [],
        redirect_uris: [],
        response_types: [],
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'key-1' }] },
    cookies: { keys: ['tests'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    findAccount: (_context, account) => ({
      accountId: account,
      claims: () => ({ sub: account, ...claimsOf(account) }),
    }),
    extraTokenClaims: (_context, token) =>
      'accountId' in token && token.accountId !== undefined ? claimsOf(token.accountId) : undefined,
    ttl: { DeviceCode: 600, Session: 600, Interaction: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
    features: {
      deviceFlow: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        // libpq names no resource.
        defaultResource: () => databaseAudience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'db',
          audience: databaseAudience,
          accessTokenFormat: format,
          accessTokenTTL: 600,
          ...(format === 'jwt' ? { jwt: { sign: { alg: 'ES256' as const } } } : {}),
        }),
      },
    },
  }
}

async function approve(verificationUri: string, account: string): Promise<void> {
  const browser = new Browser()
  let page = await browser.open(verificationUri)
  for (let steps = 0; steps < 6; steps++) {
    const [form] = page.forms
    const button = form?.buttons.find(one => ['Continue', 'Sign-in', 'Authorize'].includes(one.text))
    if (form === undefined) return
    page =
      button === undefined
        ? await browser.post(new URL(form.action, page.url), fieldsOf(form.fields), page)
        : await browser.press(page, button.text, { login: account, password: 'any' })
  }
}

function fieldsOf(
  fields: readonly { readonly name: string; readonly value: string }[],
): Record<string, string> {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]))
}
