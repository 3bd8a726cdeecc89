/** The OpenAPI 3.1 document of the interface, made from the table of routes and their schemas. */
import { z } from 'zod'
import type { Access, Raw, Route } from './route.ts'
import { problem } from './shapes.ts'

type Json = Readonly<Record<string, unknown>>

const accessTexts: Readonly<Record<Access, string>> = {
  person: 'Whoever is signed in, about themselves.',
  reviewer: 'Whoever has a role that reviews; of each thing only what they may see.',
  session: 'Whoever may review the session. For everybody else it is not there, their own included.',
}

export function openApiOf(
  routes: readonly Route[],
  { url, version }: { url: string; version: string },
): Json {
  const paths = new Map<string, Record<string, Json>>()
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    const methods = paths.get(path) ?? {}
    methods[route.method.toLowerCase()] = operationOf(route)
    paths.set(path, methods)
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Sallyport',
      version,
      description:
        'What the pages of auditors use, and other tools may. Changes that are authorized by a cookie need the token of GET /me in X-Sallyport-Token.',
    },
    servers: [{ url: `${url}/api/v1` }],
    security: [{ cookie: [] }, { bearer: [] }],
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: {
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: url.startsWith('https:') ? '__Host-sallyport' : 'sallyport',
        },
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An access token of the OpenID Connect provider, where that is configured.',
        },
      },
      responses: {
        problem: {
          description: 'No, and why (RFC 9457)',
          content: { 'application/problem+json': { schema: schemaOf(problem, 'output') } },
        },
      },
    },
  }
}

function operationOf(route: Route): Json {
  const { method, path, summary, access, body } = route
  return {
    operationId: operationId(method, path),
    summary,
    description: accessTexts[access],
    parameters: [...pathParameters(path), ...queryParameters(route.query)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(body, 'input') } },
          },
        }),
    responses: { ...success(route.answer), default: { $ref: '#/components/responses/problem' } },
  }
}

function operationId(method: string, path: string): string {
  const words = path.split(/[/:.-]+/).filter(word => word !== '')
  return method.toLowerCase() + words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

/** Each key on its own; one that may be repeated is a list. */
function queryParameters(query: z.ZodType | undefined): Json[] {
  if (!(query instanceof z.ZodObject)) return []
  return Object.entries(query.shape as Record<string, z.ZodType>).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: schemaOf(schema, 'input'),
  }))
}

function success(answer: z.ZodType | Raw | undefined): Json {
  if (answer === undefined) return { '204': { description: 'Done' } }
  if ('contentType' in answer)
    return { '200': { description: answer.what, content: { [answer.contentType]: {} } } }
  return {
    '200': {
      description: 'The answer',
      content: { 'application/json': { schema: schemaOf(answer, 'output') } },
    },
  }
}

/** What JSON Schema has no word for (a text that has to be a number) is said as what goes in. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...made } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  })
  return made
}
