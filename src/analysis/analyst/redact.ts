/**
 * Takes secrets out of texts before anything derived from a recording is stored: passwords in command lines, statements and what screens
 * showed, credentials in addresses and headers, tokens that show by their form, private keys. Linear in the text.
 *
 * An aid and no boundary: a password that looks like any other word, as when somebody types it at a prompt that wants a command,
 * stays. The recording is what it was; only what is searched is redacted.
 */
import { secretScan } from '../sql/secret-scan.ts'

export const redacted = '[redacted]'

/** Nothing is looked for in a text without one of these. */
const hints =
  /pass|pwd|secret|token|api.?key|access.?key|private.?key|credential|auth|bearer|identified|:\/\/|akia|asia|eyj|gh[pousr]_|github_pat|glpat|xox|sk_live|aiza|ya29|hvs\.|npm_|age-secret|scram-sha|\$[0-9a-z]{1,2}\$|md5[0-9a-f]{32}|curl|wget|mysql|mariadb|redis|ldap|mongo|sqlcmd|smbclient|docker|podman|zip|7z|htpasswd|ipmitool|snmp|cookie|openssl|login/i

/** A word of a shell: quoted, or up to what ends it. What is not closed goes on to the end. */
const word = String.raw`(?:'[^']*(?:'|$)|"(?:[^"\\]|\\[^])*(?:"|$)|\\[^]|[^\s;|&<>()'"\\])+`
/** A word that may be a secret: no option, and no variable, which only names one. */
const value = String.raw`(?!\$[\w{(]|"\$[\w{(]|-{1,2}\w|\[redacted\])${word}`
/** Within one command of a line, up to an option. */
const upTo = String.raw`[^|;&\n]{0,400}?\s`

/** What goes before the secret is kept (the first group), and what comes behind it. */
type Pattern = readonly [RegExp, string]

const keep = `$1${redacted}`
const names =
  'passw(?:or)?d|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?'

const patterns: readonly Pattern[] = [
  // Blocks of keys; one that was cut goes on to the end.
  [
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g,
    redacted,
  ],
  // scheme://user:password@, and scheme://token@.
  [/(:\/\/[^\s:@/'"]{0,200}:)[^\s@/'"]{1,400}(?=@)/g, keep],
  [/(:\/\/)[^\s:@/'"]{20,400}(?=@)/g, keep],
  // NAME_TOKEN=…, "password": "…", password: …
  [
    new RegExp(
      String.raw`((?:\b|_)(?!(?:old)?pwd\b)(?:${names}|pgpassword|pass)(?!\w{0,40}(?:_file|_path|_command|_dir|word_hash)\b)[A-Za-z0-9_]{0,40}\\?["']?[ \t]{0,3}(?:=>?|:(?![:/]))[ \t]{0,3})${value}`,
      'gi',
    ),
    keep,
  ],
  [/(\bpwd[ \t]?=[ \t]?)(?!\/|~|\$|"\$|"\/)[^\s;|&'"]+(?=;|\s*$)/gi, keep],
  // --password …, --token=…
  [
    new RegExp(
      String.raw`((?<![\w-])--?(?!no-)(?:[a-z]{1,20}-){0,3}(?:${names}|pass|pw)(?!-file|-path|-stdin|-command)(?:=|[ \t]+)\\?)${value}`,
      'gi',
    ),
    keep,
  ],
  [new RegExp(String.raw`(--requirepass[= ]|\/p:|\/pass(?:word)?:)${value}`, 'gi'), keep],
  // Options of programs that take a password in their own way.
  [new RegExp(String.raw`(\b(?:mysql\w*|mariadb[\w-]*)\b${upTo}-p)${value}`, 'g'), keep],
  [
    new RegExp(String.raw`(\b(?:sshpass|docker|podman|helm|mongo\w*|az)\b${upTo}-p[ \t]*)${value}`, 'g'),
    keep,
  ],
  [new RegExp(String.raw`(\bredis-cli\b${upTo}(?:-a|--pass)[ \t]*)${value}`, 'g'), keep],
  [new RegExp(String.raw`(\bldap\w+\b${upTo}-w[ \t]*)${value}`, 'g'), keep],
  [new RegExp(String.raw`(\b(?:sqlcmd|bcp|ipmitool|isql|zip|unzip)\b${upTo}-P[ \t]*)${value}`, 'g'), keep],
  [new RegExp(String.raw`(\b7z\w?\b${upTo}-p)${value}`, 'g'), keep],
  [new RegExp(String.raw`(\bsnmp\w+\b${upTo}-(?:c|A|X)[ \t]+)${value}`, 'g'), keep],
  [
    new RegExp(String.raw`(\bhtpasswd\b${upTo}-\w{0,6}b\w{0,6}[ \t]+(?:\S{1,200}[ \t]+){1,2})${value}`, 'g'),
    keep,
  ],
  [new RegExp(String.raw`(\bopenssl\b${upTo}-(?:passin|passout|pass|k|K)[ \t]+)${value}`, 'g'), keep],
  [new RegExp(String.raw`(\bsmbclient\b${upTo}-U[ \t]*["']?[^\s%"']{1,200}%)[^\s"']+`, 'g'), keep],
  [
    new RegExp(
      String.raw`(\b(?:curl|wget|http)\b${upTo}(?:-u|-U|--user|--proxy-user|-a)[ \t=]*["']?[^\s:"']{0,200}:)[^\s"']+`,
      'g',
    ),
    keep,
  ],
  [new RegExp(String.raw`(\b(?:vault[ \t]+login|set[ \t]+aws_secret_access_key)[ \t]+)${value}`, 'g'), keep],
  // echo user:secret | chpasswd, echo secret | sudo -S.
  [
    new RegExp(
      String.raw`(\b(?:echo|printf)[ \t]+(?:-\w{1,3}[ \t]+)?)(?!\$|"\$)[^|;&\n]{1,400}(?=\|[ \t]*(?:sudo[ \t]+)?(?:chpasswd|passwd\b|sudo[ \t]+-S|docker[ \t]+login|podman[ \t]+login|su\b|gh[ \t]+auth|openssl[ \t]+passwd))`,
      'g',
    ),
    `${keep} `,
  ],
  // Headers.
  [
    /((?:proxy-)?authorization["']?[ \t]{0,3}[:=][ \t]{0,3}["']?(?:[a-z-]{1,20}[ \t]+)?)[^\s"',;]{3,}/gi,
    keep,
  ],
  [/(\b(?:bearer|basic)[ \t]+)[\w.~+/=-]{8,}/gi, keep],
  [/(\b(?:set-)?cookie[ \t]{0,3}:[ \t]{0,3})[^'"\n]{3,}/gi, keep],
  // Other databases than PostgreSQL.
  [
    /(\bidentified[ \t]+(?:with[ \t]+\S{1,60}[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?)(?:'[^']*(?:'|$)|"[^"]*(?:"|$)|[^\s;'"]+)/gi,
    keep,
  ],
  // PASSWORD '…' where quotes of a shell stand around it.
  [
    /(\bpassword[ \t\n]{0,10}(?:=[ \t]{0,3})?(?:e|n|u&)?)'(?!\[masked\])(?:[^']|''){0,1000}(?:'|$)/gi,
    `$1'${redacted}'`,
  ],
  // Tokens that show by their form.
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g, redacted],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]{0,2000})?/g, redacted],
  [
    /\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk_live_|rk_live_|AIza|ya29\.|hvs\.|npm_|pypi-|dop_v1_|AGE-SECRET-KEY-1)[\w.-]{12,}/g,
    redacted,
  ],
  [/\bSCRAM-SHA-256\$[^\s'"]{20,}/g, redacted],
  [/\$(?:1|2[abxy]|5|6|7|y|gy|argon2id?|apr1)\$[^\s:'"]{8,}/g, redacted],
  [/\bmd5[0-9a-f]{32}\b/g, redacted],
]

const statementSecrets = secretScan([])

/** Of a command line, of what a screen showed, or of anything else. */
export function redact(text: string): string {
  if (!hints.test(text)) return text
  let plain = text
  for (const [pattern, to] of patterns) plain = plain.replace(pattern, to)
  return plain
}

/** Of SQL: the recorder took out what stands where PostgreSQL takes a secret; here it may have come another way. */
export function redactStatement(text: string): string {
  return redact(statementSecrets(text))
}

const keyBegin = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/
const keyEnd = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY/
/** No private key is longer; what was begun and never ended does not hide everything that follows. */
const maxKeyLines = 200

/** Redacts what comes line by line: a private key may be cut anywhere. */
export class LineRedactor {
  #keyLines = 0

  /** What comes next is part of a private key. */
  get isWithinKey(): boolean {
    return this.#keyLines > 0
  }

  take(line: string): string {
    if (this.#keyLines > 0) {
      this.#keyLines = keyEnd.test(line) ? 0 : this.#keyLines - 1
      return redacted
    }
    if (keyBegin.test(line) && !keyEnd.test(line)) {
      this.#keyLines = maxKeyLines
      return redacted
    }
    return redact(line)
  }
}
