/**
 * Takes secrets out of texts before anything derived from a recording is stored: passwords in command lines, statements and what screens
 * showed, credentials in addresses and headers, tokens that show by their form, private keys. Linear in the text.
 *
 * An aid and no boundary: a password that looks like any other word, as when somebody types it at a prompt that wants a command,
 * stays. The recording is what it was; only what is searched is redacted.
 */
import { secretScan } from '../sql/secret-scan.ts'
import { mayHoldSecret, redacted, secretForms } from './secret-forms.ts'

const statementSecrets = secretScan([])

/** Of a command line, of what a screen showed, or of anything else. */
export function redact(text: string): string {
  if (!mayHoldSecret(text)) return text
  let plain = text
  for (const { find, to } of secretForms) plain = plain.replace(find, to)
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
