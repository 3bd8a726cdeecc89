/** A gateway's HTTP interface (docs/api.md), for people who have a token of their own and no account on its machine. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { ProblemDocument } from '../api/schema.ts'
import { isLoopbackHttp } from '../config/values.ts'
import { Fault, reasonOf } from '../errors.ts'
import { configOption } from './config-option.ts'

/** A command line does not wait longer than this for an answer. */
const timeoutMs = 60_000
/** Answers are lists of at most some hundred rows. */
const maxAnswerBytes = 8 * 1024 * 1024
/** A token is a line. */
const maxTokenBytes = 16 * 1024

export type WithGateway = { gateway?: string; tokenFile?: string }
type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>

/** For commands that work on the gateway's machine by its configuration, and from anywhere by its address. */
export function placeOptions(command: Command): Command {
  return configOption(command)
    .option('--gateway <url>', 'ask that gateway over HTTPS, with the token in $SALLYPORT_TOKEN')
    .option('--token-file <file>', 'the token is in this file')
}

/** Undefined where nobody named a gateway. Throws Fault CONFIG_INVALID if its address or its token will not do. */
export function remoteGatewayOf(options: WithGateway): RemoteGateway | undefined {
  const { gateway, tokenFile } = options
  if (gateway === undefined) return undefined
  return new RemoteGateway(addressOf(gateway), tokenOf(tokenFile))
}

/** A token goes nowhere in the clear. */
function addressOf(text: string): URL {
  const url = URL.parse(text)
  if (url !== null && (url.protocol === 'https:' || isLoopbackHttp(text))) return url
  throw new Fault('CONFIG_INVALID', '--gateway must be an address such as https://bastion.example.com.')
}

/** Never an argument: those are for everybody to see. */
function tokenOf(file: string | undefined): string {
  const token = (file === undefined ? (process.env['SALLYPORT_TOKEN'] ?? '') : textOf(file)).trim()
  if (/^[\x21-\x7e]+$/.test(token) && token.length <= maxTokenBytes) return token
  throw new Fault(
    'CONFIG_INVALID',
    'An access token is needed: put it into $SALLYPORT_TOKEN, or into a file that --token-file names.',
  )
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', `The token file cannot be read: ${reasonOf(cause)}.`, { cause })
  }
}

export class RemoteGateway {
  readonly #base: string
  readonly #token: string

  constructor(address: URL, token: string) {
    this.#base = `${address.origin}/api/v1`
    this.#token = token
  }

  /** `path` is below `/api/v1`. Throws Fault NOT_FOUND, TOKEN_REFUSED or CONFIG_INVALID with what the gateway said. */
  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#ask('GET', `${path}${searchOf(query)}`)
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.#ask('POST', path, body)
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.#send(method, path, body)
    const text = await limitedText(answer)
    if (answer.ok) return (text === '' ? undefined : JSON.parse(text)) as T
    throw faultOf(answer.status, text)
  }

  async #send(method: string, path: string, body: object | undefined): Promise<Response> {
    try {
      return await fetch(`${this.#base}${path}`, {
        method,
        redirect: 'error', // the token is for this gateway and no other
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch (cause) {
      const why = reasonOf(cause instanceof Error ? (cause.cause ?? cause) : cause)
      throw new Fault('GATEWAY_NOT_RUNNING', `The gateway at ${this.#base} does not answer: ${why}.`, {
        cause,
      })
    }
  }
}

/** A list of values is the same key, repeated. */
function searchOf(query: Query): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value])
      if (one !== undefined) search.append(key, String(one))
  return search.size === 0 ? '' : `?${search.toString()}`
}

async function limitedText(answer: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of answer.body ?? []) {
    bytes += part.byteLength
    if (bytes > maxAnswerBytes)
      throw new Fault('GATEWAY_NOT_RUNNING', `The gateway's answer has more than ${maxAnswerBytes} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function faultOf(status: number, text: string): Fault {
  const said = detailOf(text) ?? `The gateway answered ${status}.`
  if (status === 404 || status === 410) return new Fault('NOT_FOUND', said)
  if (status === 401)
    return new Fault('TOKEN_REFUSED', `${said} Is the token in use the right one, and still valid?`)
  return new Fault('CONFIG_INVALID', said)
}

/** RFC 9457: `detail` is for people; `problems` is everything that is wrong with what was asked. */
function detailOf(text: string): string | undefined {
  try {
    const { detail, problems = [] } = JSON.parse(text) as Partial<ProblemDocument>
    return [detail, ...problems.map(({ where, text: what }) => `${where}: ${what}`)].join(' ')
  } catch {
    return undefined
  }
}
