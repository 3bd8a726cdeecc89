/**
 * The form without a password: the connection is told where to sign in and waits until a browser has confirmed. PostgreSQL lets a
 * server show something only after AuthenticationOk, so that is said first; nothing else happens before the answer.
 */
import type { Principal } from '../identity/principal.ts'
import type { OpenResult, SignInQuestion, WaitingSignIn } from '../identity/waiting-sign-in.ts'
import type { NamedPlace } from './authentication-address.ts'
import { browserRefused, type SignInRefusals } from './authentication-refusal.ts'
import { authenticationOk, encodeNoticeResponse, encodeParameterStatus, type Report } from './wire/backend.ts'

/** `WaitingSignIns`, here or in the process that keeps them. */
export type SignInOpener = {
  readonly open: (question: SignInQuestion) => OpenResult | Promise<OpenResult>
}

export type BrowserParts = {
  readonly waiting: SignInOpener
  readonly signInTimeoutMs: () => number
  readonly refusals: SignInRefusals
}

/** What of the connection is needed; see SignInClient. */
export type BrowserClient = {
  readonly send: (bytes: Buffer) => void
  readonly allowTime: (ms: number) => void
  readonly gone: AbortSignal
}

export type BrowserAnswer =
  | { readonly kind: 'proven'; readonly principal: Principal }
  | { readonly kind: 'refused'; readonly code: string; readonly report: Report }
  | { readonly kind: 'gone' }

/** Between our time to answer and the listener's, so that the client hears why. Milliseconds. */
const graceMs = 5000

/** Behind the pool's own time to answer, so that it is that which ends it and says why. Milliseconds. */
const behindMs = 100

const noPages = 'This gateway has no web pages to sign in at.'

export async function waitForBrowser(
  client: BrowserClient,
  asked: { readonly user: string; readonly sourceAddress: string; readonly place: NamedPlace },
  parts: BrowserParts,
): Promise<BrowserAnswer> {
  const { user, sourceAddress, place } = asked
  if (parts.refusals.webUrl === '') return refused('no-web', noPages, parts)
  const { target, login } = place
  const question = {
    protocol: 'postgres',
    userName: user,
    target,
    login,
    sourceAddress,
    answer: 'confirmation',
  } as const
  const opened = await parts.waiting.open(question)
  if (opened.kind === 'refused') return refused('too-many-waiting', opened.userText, parts)
  client.allowTime(parts.signInTimeoutMs() + graceMs)
  client.send(tell(opened.signIn.url))
  return await answerTo(opened.signIn, client, parts)
}

/** libpq needs an encoding to show a text; everything here is UTF-8. */
function tell(url: string): Buffer {
  const message = `To sign in, open ${url} in a browser on this machine and confirm.`
  const encoding = encodeParameterStatus({ name: 'client_encoding', value: 'UTF8' })
  return Buffer.concat([
    authenticationOk,
    encoding,
    encodeNoticeResponse({ severity: 'NOTICE', code: '00000', message }),
  ])
}

async function answerTo(
  signIn: WaitingSignIn,
  client: BrowserClient,
  parts: BrowserParts,
): Promise<BrowserAnswer> {
  const cancel = (): void => signIn.cancel()
  // The pool ends what is out of time when somebody looks; this looks.
  const timer = setTimeout(() => void (signIn.closed || cancel()), parts.signInTimeoutMs() + behindMs)
  client.gone.addEventListener('abort', cancel, { once: true })
  if (client.gone.aborted) cancel()
  const ended = await signIn.ended
  clearTimeout(timer)
  client.gone.removeEventListener('abort', cancel)
  if (client.gone.aborted) return { kind: 'gone' }
  if (ended.kind === 'proven') return { kind: 'proven', principal: ended.principal }
  return refused('browser-over', ended.userText, parts)
}

function refused(code: string, userText: string, parts: BrowserParts): BrowserAnswer {
  return { kind: 'refused', code, report: browserRefused(userText, parts.refusals) }
}
