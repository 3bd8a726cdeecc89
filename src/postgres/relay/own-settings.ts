/** Settings that change what a text means stay what the parser takes them to be, or nothing that was read can be trusted. */
import type { Analysis, Setting } from '../../analysis/sql/analysis.ts'
import type { Judgement } from './hooks.ts'

/**
 * Encodings in which the byte of a backslash or a quote may be half of a character: a text ends elsewhere than it seems. PostgreSQL
 * itself refuses them on the server's side for that reason (wchar.c, `PG_ENCODING_BE_LAST`).
 */
const unsafeEncodings = new Set([
  'sjis',
  'mskanji',
  'shiftjis',
  'win932',
  'windows932',
  'shiftjis2004',
  'big5',
  'win950',
  'windows950',
  'gbk',
  'win936',
  'windows936',
  'gb18030',
  'uhc',
  'win949',
  'windows949',
  'johab',
])
const utf8 = new Set(['utf8', 'unicode'])

/** For every session. */
export function judgeSettings({ parts }: Analysis): Judgement | undefined {
  for (const { settings } of parts) {
    const refused = settings.map(judgeAlways).find(each => each !== undefined)
    if (refused !== undefined) return refused
  }
  return undefined
}

function judgeAlways({ name, value }: Setting): Judgement | undefined {
  if (name === 'client_encoding' && value !== undefined && unsafeEncodings.has(encodingKey(value)))
    return refuse(`client_encoding "${value.slice(0, 63)}" cannot be read safely by the gateway.`)
  if (name === 'standard_conforming_strings' && value !== undefined && !isOn(value))
    return refuse('standard_conforming_strings stays on.')
  return undefined
}

/** Where rules apply: UTF-8 only, and no setting whose name nobody knows before the statement runs. */
export function judgeUnknownSettings({ parts }: Analysis): Judgement | undefined {
  for (const { name, value, how } of parts.flatMap(({ settings }) => settings)) {
    if (name === undefined && how === 'function')
      return refuse(
        'A setting whose name is not written out may not be changed where rules for statements apply.',
      )
    const isComputed = value === undefined && how === 'function'
    if (name === 'client_encoding' && (isComputed || (value !== undefined && !utf8.has(encodingKey(value)))))
      return refuse('client_encoding stays UTF8 where rules for statements apply.')
    if (name === 'standard_conforming_strings' && isComputed)
      return refuse('standard_conforming_strings stays on.')
  }
  return undefined
}

/** `pg_char_to_encoding` compares letters and digits only. */
function encodingKey(value: string): string {
  return value.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/** parse_bool_with_len: any unambiguous beginning. */
function isOn(value: string): boolean {
  return /^(?:on|t(?:r(?:ue?)?)?|y(?:es?)?|1)$/i.test(value)
}

function refuse(reason: string): Judgement {
  return { allowed: false, rule: 'settings that change what a text means', reason }
}
