/** Queries and bodies, read strictly: what is not expected is named, all of it at once. */
import { z } from 'zod'
import type { WebContext } from '../browser.ts'
import { problemDocument } from '../problem.ts'

/** Where in the query or the body, and what is wrong with it. */
export type Named = { readonly where: string; readonly text: string }
export type Reading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: readonly Named[] }

/** Problems that are named in one answer. */
const maxNamed = 20
/** Times that one key of a query may be repeated. */
const maxRepeated = 50

const nothing = z.strictObject({})

/** A key that is repeated is a list. */
export function readQuery(c: WebContext, schema: z.ZodType | undefined): Reading {
  const given: Record<string, string | string[]> = {}
  for (const [key, values] of Object.entries(c.req.queries())) {
    if (values.length > maxRepeated)
      return { ok: false, problems: [{ where: key, text: `is repeated more than ${maxRepeated} times` }] }
    Object.defineProperty(given, key, { value: values.length === 1 ? values[0] : values, enumerable: true })
  }
  return parsed(schema ?? nothing, given)
}

/** JSON, or nothing where nothing is expected. */
export async function readBody(c: WebContext, schema: z.ZodType | undefined): Promise<Reading> {
  if (schema === undefined) return { ok: true, value: undefined }
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    return { ok: false, problems: [{ where: 'Content-Type', text: 'must be application/json' }] }
  let given: unknown
  try {
    given = JSON.parse(await c.req.text())
  } catch {
    return { ok: false, problems: [{ where: 'body', text: 'is not JSON' }] }
  }
  return parsed(schema, given)
}

function parsed(schema: z.ZodType, given: unknown): Reading {
  const read = schema.safeParse(given)
  if (read.success) return { ok: true, value: read.data }
  return { ok: false, problems: read.error.issues.slice(0, maxNamed).map(named) }
}

function named({ path, message }: z.core.$ZodIssue): Named {
  return { where: path.join('.') || 'request', text: message }
}

export function badQuery(c: WebContext, problems: readonly Named[]): Response {
  const detail = problems.map(({ where, text }) => `${where}: ${text}`).join('; ')
  return problemDocument(c, { status: 400, title: 'Bad request', detail }, undefined, { problems })
}
