/**
 * What goes to the target in the place of what is refused: frames that the server itself fails, so that order, skipping to Sync and
 * the state of the transaction stay its own. The error that comes back is then told as what it is.
 */
import { encodeErrorResponse } from '../wire/backend.ts'
import { encodeBind, encodeExecute, encodeFunctionCall, encodeParse, encodeQuery } from '../wire/frontend.ts'
import type { Blocked } from './exchange/requests.ts'

/** Fails in parse analysis: nothing of it runs, and the server's own log names the rule. */
function failingText({ rule }: Blocked): string {
  const safe = rule.replaceAll(/[^\w .,:/*-]/g, '_').slice(0, 200)
  return `select 'refused by Sallyport: ${safe}'::pg_catalog.int4`
}

/** Names that nobody prepares: the server answers that there is no such statement (26000) or portal (34000). */
const missing = 'sallyport refused this'

export function insteadOfQuery(blocked: Blocked): Buffer {
  return encodeQuery(failingText(blocked))
}

export function insteadOfParse(name: string, blocked: Blocked): Buffer {
  return encodeParse({ name, text: Buffer.from(failingText(blocked)), types: [] })
}

export function insteadOfBind(portal: string): Buffer {
  return encodeBind({ portal, statement: missing, formats: [], values: [], resultFormats: [] })
}

export function insteadOfExecute(): Buffer {
  return encodeExecute({ portal: missing, maxRows: 0 })
}

/** There is no function 0 (42883). */
export function insteadOfFunctionCall(): Buffer {
  return encodeFunctionCall({ function: 0, formats: [], values: [], resultFormat: 0 })
}

/** What the client gets: insufficient_privilege, which is what it is, unless something else says more. */
export function refusalResponse({ rule, reason, hint, code }: Blocked): Buffer {
  return encodeErrorResponse({
    severity: 'ERROR',
    code: code ?? '42501',
    message: reason,
    detail: `Refused by the gateway, rule "${rule}". The target has not seen the statement.`,
    ...(hint === undefined ? {} : { hint }),
  })
}
