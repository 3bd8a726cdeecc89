/**
 * How secrets stand in texts: in command lines, statements, addresses and headers, or on their own where their form shows what they are.
 * Each form brings its hint, without which it is not looked for: `mayHoldSecret` is the union of all.
 */

export const redacted = '[redacted]'

export type SecretForm = {
  readonly name: string
  /** Patterns, in any case: one of them is in every text with this form, and seldom in others. Plain texts are the fastest. */
  readonly hints: readonly [string, ...string[]]
  readonly find: RegExp
  /** What replaces it: what goes before the secret (the first group) is kept, and so is what comes behind it. */
  readonly to: string
}

/** A word of a shell: quoted, or up to what ends it. What is not closed goes on to the end. */
const word = String.raw`(?:'[^']*(?:'|$)|"(?:[^"\\]|\\[^])*(?:"|$)|\\[^]|[^\s;|&<>()'"\\])+`
/** A word that may be a secret: no option, and no variable, which only names one. */
const value = String.raw`(?!\$[\w{(]|"\$[\w{(]|-{1,2}\w|\[redacted\])${word}`
/** Within one command of a line, up to an option. */
const upTo = String.raw`[^|;&\n]{0,400}?\s`

const keep = `$1${redacted}`
const names =
  'passw(?:or)?d|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?'
const namesHints = [
  'pass',
  'pwd',
  'secret',
  'token',
  'api[_-]?key',
  'access[_-]?key',
  'private[_-]?key',
  'credential',
] as const

/** What reads a secret off a pipe. */
const readers = String.raw`\|[ \t]*(?:sudo[ \t]+)?(?:chpasswd|passwd\b|sudo(?:[ \t]+-[^\s|;&]{1,40}(?:[ \t]+[^\s|;&-][^\s|;&]{0,40})?){0,5}?[ \t]+(?:-\w{0,6}S\w{0,6}|--stdin)\b|docker[ \t]+login|podman[ \t]+login|su\b|gh[ \t]+auth|openssl[ \t]+passwd)`
/** Tokens begin with who gave them out. */
const vendors = [
  'gh[pousr]_',
  'github_pat_',
  'glpat-',
  'xox[abeoprs]-',
  'sk_live_',
  'rk_live_',
  'AIza',
  String.raw`ya29\.`,
  String.raw`hvs\.`,
  'npm_',
  'pypi-',
  'dop_v1_',
  'AGE-SECRET-KEY-1',
] as const
/** Hashes as crypt(3) writes them, which anybody may guess at. */
const crypts = String.raw`\$(?:1|2[abxy]|5|6|7|y|gy|argon2(?:id?|d)|apr1)\$`
/** Base64 mixes capitals and small letters; words of prose do not, behind their first letter. */
const mixed = '(?=[A-Z0-9+=]{0,400}[a-z])(?=[A-Za-z][a-z]{0,400}[A-Z0-9+=])'

/** Programs that take a password in an option of their own. */
function ofProgram(name: string, programs: readonly [string, ...string[]], option: string): SecretForm {
  const any = programs.join('|')
  const find = new RegExp(String.raw`(\b(?:${any})\b${upTo}${option})${value}`, 'g')
  return { name, hints: hintsOf(programs), find, to: keep }
}

/** Their names up to what may differ; whole words, where they are so short that others hold them. */
function hintsOf([first, ...others]: readonly [string, ...string[]]): SecretForm['hints'] {
  const hintOf = (program: string): string => {
    const [plain = program] = program.split(/[\\[]/)
    return plain === program && plain.length <= 4 ? String.raw`${plain}\b` : plain
  }
  return [hintOf(first), ...others.map(hintOf)]
}

export const secretForms: readonly SecretForm[] = [
  // Blocks of keys; one that was cut goes on to the end.
  {
    name: 'a private key',
    hints: ['PRIVATE KEY'],
    find: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g,
    to: redacted,
  },
  {
    name: 'scheme://user:password@',
    hints: ['://'],
    find: /(:\/\/[^\s:@/'"]{0,200}:)[^\s@/'"]{1,400}(?=@)/g,
    to: keep,
  },
  { name: 'scheme://token@', hints: ['://'], find: /(:\/\/)[^\s:@/'"]{20,400}(?=@)/g, to: keep },
  {
    name: 'NAME_TOKEN=…, "password": "…", password: …',
    hints: namesHints,
    find: new RegExp(
      String.raw`((?:\b|_)(?!(?:old)?pwd\b)(?:${names}|pgpassword|pass)(?!\w{0,40}(?:_file|_path|_command|_dir|word_hash)\b)[A-Za-z0-9_]{0,40}\\?["']?[ \t]{0,3}(?:=>?|:(?![:/]))[ \t]{0,3})${value}`,
      'gi',
    ),
    to: keep,
  },
  {
    name: 'Pwd=… of a connection string',
    hints: ['pwd'],
    find: /(\bpwd[ \t]?=[ \t]?)(?!\/|~|\$|"\$|"\/)[^\s;|&'"]+(?=;|\s*$)/gi,
    to: keep,
  },
  {
    name: '--password …, --token=…, -pw …',
    hints: [...namesHints, '-pw'],
    find: new RegExp(
      String.raw`((?<![\w-])--?(?!no-)(?:[a-z]{1,20}-){0,3}(?:${names}|pass|pw)(?!-file|-path|-stdin|-command)(?:=|[ \t]+)\\?)${value}`,
      'gi',
    ),
    to: keep,
  },
  {
    name: '--requirepass …',
    hints: ['pass'],
    find: new RegExp(String.raw`(--requirepass[= ])${value}`, 'gi'),
    to: keep,
  },
  {
    // Not what builds take: /p:Configuration=Release.
    name: '/p:…, /pass:…',
    hints: ['/p:', '/gp:', 'pass'],
    find: new RegExp(String.raw`((?<![\w/.-])/g?p(?:ass(?:word)?)?:)(?![a-z]{4,60}=)${value}`, 'gi'),
    to: keep,
  },
  ofProgram('mysql -p', [String.raw`mysql\w*`, String.raw`mariadb[\w-]*`], '-p'),
  ofProgram(
    'docker -p',
    ['sshpass', 'docker', 'podman', 'helm', String.raw`mongo\w*`, 'az'],
    String.raw`-p[ \t]*`,
  ),
  ofProgram('redis-cli -a', ['redis-cli'], String.raw`(?:-a|--pass)[ \t]*`),
  ofProgram('ldapsearch -w', [String.raw`ldap\w+`], String.raw`-w[ \t]*`),
  ofProgram('sqlcmd -P', ['sqlcmd', 'bcp', 'ipmitool', 'isql', 'zip', 'unzip'], String.raw`-P[ \t]*`),
  ofProgram('7z -p', [String.raw`7z\w?`], '-p'),
  ofProgram('snmpwalk -A', [String.raw`snmp\w+`], String.raw`-(?:c|A|X)[ \t]+`),
  ofProgram('htpasswd -b', ['htpasswd'], String.raw`-\w{0,6}b\w{0,6}[ \t]+(?:\S{1,200}[ \t]+){1,2}`),
  ofProgram('openssl -k', ['openssl'], String.raw`-(?:passin|passout|pass|k|K)[ \t]+`),
  {
    name: 'smbclient -U user%…',
    hints: ['smbclient'],
    find: new RegExp(String.raw`(\bsmbclient\b${upTo}-U[ \t]*["']?[^\s%"']{1,200}%)[^\s"']+`, 'g'),
    to: keep,
  },
  {
    name: 'curl -u user:…',
    hints: ['curl', 'wget', String.raw`https?\s`],
    find: new RegExp(
      String.raw`(\b(?:curl\b${upTo}|wget\b${upTo}|https?(?=\s)${upTo})(?:-u|-U|--user|--proxy-user|-a)[ \t=]*["']?[^\s:"']{0,200}:)[^\s"']+`,
      'g',
    ),
    to: keep,
  },
  {
    name: 'vault login …',
    hints: [String.raw`vault[ \t]+login`, 'secret'],
    find: new RegExp(String.raw`(\b(?:vault[ \t]+login|set[ \t]+aws_secret_access_key)[ \t]+)${value}`, 'g'),
    to: keep,
  },
  {
    name: 'echo … | sudo -S, echo user:… | chpasswd',
    hints: ['pass', String.raw`\|[ \t]*su`, 'docker', 'podman', String.raw`gh[ \t]`, 'openssl'],
    find: new RegExp(
      String.raw`(\b(?:echo|printf)[ \t]+(?:-\w{1,3}[ \t]+)?)(?!\$|"\$)[^|;&\n]{1,400}(?=${readers})`,
      'g',
    ),
    to: `${keep} `,
  },
  {
    name: 'Authorization: …',
    hints: ['authorization'],
    find: /((?:proxy-)?authorization["']?[ \t]{0,3}[:=][ \t]{0,3}["']?(?:[a-z-]{1,20}[ \t]+)?)[^\s"',;]{3,}/gi,
    to: keep,
  },
  { name: 'Bearer …', hints: [String.raw`bearer[ \t]`], find: /(\bbearer[ \t]+)[\w.~+/=-]{8,}/gi, to: keep },
  {
    name: 'Basic …',
    hints: ['basic[ \\t]'],
    find: new RegExp(String.raw`(\b(?:[Bb]asic|BASIC)[ \t]+)${mixed}[\w.~+/=-]{8,}`, 'g'),
    to: keep,
  },
  {
    name: 'Cookie: …',
    hints: [String.raw`cookie[ \t]{0,3}:`],
    find: /(\b(?:set-)?cookie[ \t]{0,3}:[ \t]{0,3})[^'"\n]{3,}/gi,
    to: keep,
  },
  {
    // Other databases than PostgreSQL.
    name: 'IDENTIFIED BY …',
    hints: [String.raw`identified[ \t]`],
    find: /(\bidentified[ \t]+(?:with[ \t]+\S{1,60}[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?)(?:'[^']*(?:'|$)|"[^"]*(?:"|$)|[^\s;'"]+)/gi,
    to: keep,
  },
  {
    name: 'PASSWORD … where quotes of a shell stand around it',
    hints: ['pass'],
    find: /(\bpassword[ \t\n]{0,10}(?:=[ \t]{0,3})?(?:e|n|u&)?)'(?!\[masked\])(?:[^']|''){0,1000}(?:'|$)/gi,
    to: `$1'${redacted}'`,
  },
  {
    name: 'a key of AWS',
    hints: ['AKIA', 'ASIA'],
    find: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
    to: redacted,
  },
  { name: 'a JWT', hints: ['eyJ'], find: /\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]{0,2000})?/g, to: redacted },
  {
    name: 'a token of a vendor',
    hints: vendors,
    find: new RegExp(String.raw`\b(?:${vendors.join('|')})[\w.-]{12,}`, 'g'),
    to: redacted,
  },
  {
    name: 'a SCRAM verifier',
    hints: [String.raw`SCRAM-SHA-256\$`],
    find: /\bSCRAM-SHA-256\$[^\s'"]{20,}/g,
    to: redacted,
  },
  {
    name: 'a hash of crypt',
    hints: [String.raw`\$\w{1,8}\$`],
    find: new RegExp(String.raw`${crypts}[^\s:'"]{8,}`, 'g'),
    to: redacted,
  },
  { name: 'a hash of PostgreSQL', hints: ['md5[0-9a-f]{32}'], find: /\bmd5[0-9a-f]{32}\b/g, to: redacted },
]

const hints = new RegExp(unionOf(secretForms.flatMap(form => form.hints)), 'i')

/** Plain texts first, and sorted: the engine makes more of neighbours that begin alike. */
function unionOf(all: readonly string[]): string {
  const isPlain = (hint: string): boolean => !/[\\[(]/.test(hint)
  const sorted = [...new Set(all)].toSorted()
  return [...sorted.filter(isPlain), ...sorted.filter(hint => !isPlain(hint))].join('|')
}

/** Whether a text has a hint of any form. False for nearly all that is shown, so that those cost no more than this. */
export function mayHoldSecret(text: string): boolean {
  return hints.test(text)
}
