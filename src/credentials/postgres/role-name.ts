/** What the roles that we make are called: readable in the server's own logs, and never more than a plain name. */

/** PostgreSQL cuts names at 63 bytes: 3 + 16 + 1 + 22 + 1 + 20. */
const maxGateway = 16
const maxPerson = 22
const maxUnique = 20

/** `sp_bastion_alice_7f3k9q`. `unique` is random text; the rest is for reading. */
export function roleName(gateway: string, person: string, unique: string): string {
  return `${rolePrefix(gateway)}${plain(person.split('@', 1)[0] ?? '', maxPerson)}_${plain(unique, maxUnique)}`
}

/** What the names of all roles of this gateway begin with. Gateways may share it: their roles' comments do not. */
export function rolePrefix(gateway: string): string {
  return `sp_${plain(gateway.split('.', 1)[0] ?? '', maxGateway)}_`
}

/** Lower case ASCII letters and digits; whatever else somebody is called is left out. */
function plain(text: string, maxLength: number): string {
  const kept = text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
  return kept.slice(0, maxLength) || 'x'
}

/** A name in double quotes. Throws TypeError for what no name can hold. */
export function quoteName(name: string): string {
  if (name === '' || name.includes('\0')) throw new TypeError('not a name')
  return `"${name.replaceAll('"', '""')}"`
}

/** A text in single quotes; with a backslash it becomes an escape string, whatever standard_conforming_strings says. */
export function quoteText(text: string): string {
  if (text.includes('\0')) throw new TypeError('no text of PostgreSQL holds a NUL')
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return quoted.includes('\\') ? ` E${quoted}` : quoted
}
