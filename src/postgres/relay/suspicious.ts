/** Whether a text needs to be read at all where no rules apply: a linear scan for words, most of which are never there. */
import { withoutLiterals } from '../../analysis/sql/shape.ts'

/**
 * Nothing that the gate refuses by itself can be said without one of these. Key words cannot be escaped, and names of settings
 * stand in literals only beside set_config or pg_settings, whose own names could be escaped only in U&"…".
 */
const words =
  /alter|create|grant|revoke|drop|role|authorization|set_config|pg_settings|encoding|names|standard_conforming|u&"/i

export function isSuspicious(text: string): boolean {
  return words.test(text)
}

/** What the gate refuses, as far as words can tell, for texts that the grammar cannot read. Comments are blanks by then. */
const forbidden = [
  /\b(?:alter|create|drop)\s+(?:role|user|group)\b/i,
  /\b(?:grant|revoke)\b/i,
  /\b(?:set|reset)\s+(?:local\s+|session\s+)?(?:"?role\b|session\s+authorization|"?session_authorization)/i,
  /set_config|pg_settings|u&"/i,
  /\bset\s+(?:local\s+|session\s+)?(?:names\b|"?client_encoding|"?standard_conforming_strings)/i,
]

/** A text whose literals cannot be found is taken at its worst. */
export function looksForbidden(text: string): boolean {
  const bare = withoutLiterals(text) ?? text
  return forbidden.some(pattern => pattern.test(bare))
}
