/**
 * A recording as one page that plays without a network: no address in it, a policy that lets nothing load, and nothing recorded in it
 * but as data that its own script shows as text.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { FormatProblem } from '../format.ts'
import type { RecordingHeader } from '../header.ts'
import type { RecordingReader } from '../reader.ts'
import { terminalSafe } from '../terminal-safe.ts'
import { stepsOf } from './steps.ts'

/** A browser takes seconds for more; what comes later is in the other formats. In UTF-16 units. */
const maxStepsLength: number = 64 * 1024 * 1024
/** Steps are handed on, and read by the page, in blocks of about this length. */
const blockLength: number = 256 * 1024

export function* htmlOf(reader: RecordingReader, channel?: number): Generator<string> {
  yield headOf(reader.header)
  const end = yield* blocksOf(reader, channel)
  yield `${dataBlock('end', { note: end })}</body></html>\n`
}

function headOf(header: RecordingHeader): string {
  const script = partOf('player.js')
  const style = partOf('player.css')
  const policy = `default-src 'none'; script-src '${hashOf(script)}'; style-src '${hashOf(style)}'; base-uri 'none'; form-action 'none'`
  const { login, target, principal, session } = header
  const title = `${login}@${target.name} by ${principal.name}, session ${session}`
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">',
    `<title>${textInHtml(title)}</title><style>${style}</style></head>`,
    '<body><noscript>This page shows a recorded session with a script of its own, which this browser does not run.</noscript>',
    `<main id="page"></main>${dataBlock('about', aboutOf(header, title))}`,
    // Comes before the steps, so that its hash can be in the policy; runs when they are there.
    `<script>${script}</script>\n`,
  ].join('')
}

function partOf(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

function aboutOf(header: RecordingHeader, title: string): Readonly<Record<string, unknown>> {
  const {
    session,
    protocol,
    gateway,
    principal,
    target,
    login,
    role,
    why,
    sourceAddress,
    openedAt,
    signing,
  } = header
  const facts = {
    Session: session,
    Who: `${principal.name}${principal.email === undefined ? '' : ` <${principal.email}>`}`,
    Subject: `${principal.subject} of ${principal.issuer}`,
    As: `${login} on ${target.name} (${target.host}:${target.port})`,
    Role: role,
    Reason: why?.reason ?? '',
    From: sourceAddress,
    Opened: openedAt,
    Gateway: gateway,
    'Signed by': signing.keyId,
  }
  return {
    title: safe(title),
    protocol,
    facts: Object.entries(facts).map(([name, fact]) => [name, safe(fact)]),
  }
}

function safe(text: string): string {
  return terminalSafe(text, { oneLine: true })
}

/** The steps, and how they end. Damage ends them and is said; what came before is shown. */
function* blocksOf(reader: RecordingReader, channel: number | undefined): Generator<string, string> {
  let block: string[] = []
  let [length, total] = [0, 0]
  try {
    for (const step of stepsOf(reader.events(), reader.header.protocol)) {
      if (channel !== undefined && step[0] !== 'sql' && step[2] !== channel) continue
      const json = jsonInHtml(step)
      block.push(json)
      length += json.length
      if (length < blockLength) continue
      yield stepsBlock(block)
      total += length
      block = []
      length = 0
      if (total > maxStepsLength)
        return 'The session goes on: this page holds only its beginning. Another export has the rest.'
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
    yield stepsBlock(block)
    return `The recording is damaged: record ${error.record} at byte ${error.offset}. What came before it is here.`
  }
  yield stepsBlock(block)
  return reader.end?.kind === 'sealed'
    ? `The session ended: ${safe(reader.end.seal.reason)}`
    : 'The recording is not sealed: the session may have gone on.'
}

function stepsBlock(steps: readonly string[]): string {
  return `<script type="application/json" class="steps">[${steps.join(',\n')}]</script>\n`
}

function dataBlock(id: string, value: unknown): string {
  return `<script type="application/json" id="${id}">${jsonInHtml(value)}</script>\n`
}

/** JSON that cannot end the element that it stands in, begin a comment there, or be read as another character set. */
function jsonInHtml(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029\u007f-\u009f]/g, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function textInHtml(text: string): string {
  return safe(text).replace(/[<>&"']/g, character => `&#${character.charCodeAt(0)};`)
}
