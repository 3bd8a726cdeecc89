import { createHash, randomInt, timingSafeEqual } from 'node:crypto'

/**
 * Twenty letters that cannot be taken for one another and spell no words: consonants without vowels and without the look-alikes
 * of digits (RFC 8628, section 6.1, proposes these).
 */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'

/** Letters of a code: 20^8 is 2.5 × 10^10, against three tries. */
const codeLetters = 8

/** A new code as it is shown: `BCDF-GHJK`. */
export function makeCode(): string {
  const letters = Array.from({ length: codeLetters }, () => alphabet[randomInt(alphabet.length)]).join('')
  return `${letters.slice(0, codeLetters / 2)}-${letters.slice(codeLetters / 2)}`
}

/** Whether a typed text is the code, in a time that says nothing about how much of it was right. Case, dashes and spaces do not matter. */
export function sameCode(typed: string, code: string): boolean {
  return timingSafeEqual(digest(typed), digest(code))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text.slice(0, 64).replaceAll(/[\s-]/g, '').toUpperCase()).digest()
}
