/** Settings that change what a text means stay what the parser takes them to be, or nothing that was read can be trusted. */
import type { Analysis, Setting } from '../../analysis/sql/analysis.ts'
import { encodingKey, isOn, isUnsafeEncoding } from '../wire/settings.ts'
import type { Judgement } from './hooks.ts'

const utf8 = new Set(['utf8', 'unicode'])

/** For every session. */
export function judgeSettings({ parts }: Analysis): Judgement | undefined {
  for (const { settings } of parts) {
    const here = settings.filter(({ how }) => how !== 'elsewhere')
    const refused = here.map(judgeAlways).find(each => each !== undefined)
    if (refused !== undefined) return refused
  }
  return undefined
}

function judgeAlways({ name, value }: Setting): Judgement | undefined {
  if (name === 'client_encoding' && value !== undefined && isUnsafeEncoding(value))
    return refuse(`client_encoding "${value.slice(0, 63)}" cannot be read safely by the gateway.`)
  if (name === 'standard_conforming_strings' && value !== undefined && !isOn(value))
    return refuse('standard_conforming_strings stays on.')
  return undefined
}

/** Where rules apply: UTF-8 only, and no setting whose name nobody knows before the statement runs. */
export function judgeUnknownSettings({ parts }: Analysis): Judgement | undefined {
  for (const { name, value, how } of parts.flatMap(({ settings }) => settings)) {
    if (how === 'elsewhere') continue
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

function refuse(reason: string): Judgement {
  return { allowed: false, rule: 'settings that change what a text means', reason }
}
