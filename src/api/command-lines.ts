/** What people copy into their terminals and tools. Names come from the configuration, and are quoted all the same. */

/** Where clients reach a listener. */
export type ClientEndpoint = { readonly host: string; readonly port: number }

export type PostgresEndpoint = ClientEndpoint & {
  /** False only for a listener on loopback. */
  readonly tls: boolean
  /** The word "browser" counts as a password there. */
  readonly browserSignIn: boolean
}

/** Where PostgreSQL 18 clients sign in with OAUTHBEARER. */
export type OAuthEndpoint = Omit<PostgresEndpoint, 'browserSignIn'> & {
  readonly issuer: string
  readonly clientId: string
}

export type PlaceName = { readonly login: string; readonly target: string; readonly database: string }

const sshPort = 22
const postgresPort = 5432
/** Where people put the certificate of the gateway's own authority, in the folder that they are in. */
const authorityFile = 'authority.pem'

export type LineOptions = {
  /** For a gateway whose certificate is of a private authority: clients look into no store of such by themselves. */
  readonly withAuthority?: boolean
}

export function sshLine({ host, port }: ClientEndpoint, { login, target }: PlaceName): string {
  const option = port === sshPort ? '' : `-p ${port} `
  return `ssh ${option}${shellWord(`${login}@${target}@${host}`)}`
}

/** For tools that read OpenSSH's own configuration: VS Code, rsync, Ansible. */
export function sshConfig({ host, port }: ClientEndpoint, { login, target }: PlaceName): string {
  return [
    `Host ${configWord(`${login}.${target}`)}`,
    `  HostName ${configWord(host)}`,
    ...(port === sshPort ? [] : [`  Port ${port}`]),
    `  User ${configWord(`${login}@${target}`)}`,
  ].join('\n')
}

/** ssh_config(5): an argument with blanks stands in double quotes. */
function configWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

export function psqlLine(endpoint: PostgresEndpoint, place: PlaceName, options: LineOptions = {}): string {
  return `psql ${shellWord(connectionString(endpoint, place, options))}`
}

export function oauthPsqlLine(
  endpoint: OAuthEndpoint,
  place: PlaceName,
  { withAuthority = false }: LineOptions = {},
): string {
  const { issuer, clientId } = endpoint
  const authority = withAuthority ? { sslrootcert: authorityFile } : {}
  const more = { ...authority, oauth_issuer: issuer, oauth_client_id: clientId }
  return `psql ${shellWord(`${connectionString(endpoint, place)} ${keywordValues(more)}`)}`
}

/** For JDBC tools; the password is asked for by the tool. */
export function jdbcUrl(
  { host, port, tls }: PostgresEndpoint,
  { login, target, database }: PlaceName,
  { withAuthority = false }: LineOptions = {},
): string {
  const query = new URLSearchParams({
    user: `${login}@${target}`,
    ...(tls ? { sslmode: 'verify-full' } : {}),
    ...(withAuthority ? { sslrootcert: authorityFile } : {}),
  })
  const where = `${host.includes(':') ? `[${host}]` : host}${port === postgresPort ? '' : `:${port}`}`
  return `jdbc:postgresql://${where}/${encodeURIComponent(database)}?${query.toString()}`
}

/** libpq documentation, "Keyword/Value Connection Strings". */
function connectionString(
  { host, port, tls }: Omit<PostgresEndpoint, 'browserSignIn'>,
  place: PlaceName,
  { withAuthority = false }: LineOptions = {},
): string {
  return keywordValues({
    host,
    ...(port === postgresPort ? {} : { port: String(port) }),
    user: `${place.login}@${place.target}`,
    dbname: place.database,
    ...(tls ? { sslmode: 'verify-full' } : {}),
    ...(withAuthority ? { sslrootcert: authorityFile } : {}),
  })
}

function keywordValues(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([keyword, value]) => `${keyword}=${keywordValue(value)}`)
    .join(' ')
}

function keywordValue(value: string): string {
  return /^[^\s'\\=]+$/.test(value) ? value : `'${value.replaceAll(/['\\]/g, '\\$&')}'`
}

/** As a POSIX shell reads one word. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
