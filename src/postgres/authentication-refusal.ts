/** What a client that is not signed in is told: the same whoever and whatever it named, and always what to do. */
import { Fault } from '../errors.ts'
import type { Report } from './wire/backend.ts'

/** SQLSTATEs of class 28 and 57 (PostgreSQL documentation, Appendix A). */
const sqlstate = {
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  protocolViolation: '08P01',
  cannotConnectNow: '57P03',
} as const

export type SignInRefusals = {
  /** Where the web pages are; empty without any. */
  readonly webUrl: string
  /** Whether the word "browser" counts. */
  readonly browserSignIn: boolean
}

/** Wrong, missing, used, expired, for another place or from another address: all the same. */
export function wrongPassword({ webUrl, browserSignIn }: SignInRefusals, about?: string): Report {
  const where = `${webUrl}/connect`
  const message =
    webUrl === ''
      ? 'No sign-in with this password.'
      : `No sign-in with this password. Make one at ${where} and paste it at the password prompt.`
  const hint =
    'A password of that page works once, for a few minutes, for the login and target that it was made for (user LOGIN@TARGET). ' +
    (webUrl === '' || !browserSignIn
      ? ''
      : 'The password "browser" shows a link to confirm in a browser on the same machine instead. ') +
    'Workloads send their token as the password.'
  return fatal(sqlstate.invalidPassword, message, about, hint)
}

/** Before anything is asked: a password must not be sent where others read along. */
export function needsTls(): Report {
  return fatal(
    sqlstate.invalidAuthorization,
    'Sign-in needs TLS, and this connection has none.',
    undefined,
    'Connect with sslmode=verify-full (or sslmode=require where the certificate cannot be checked).',
  )
}

export function browserRefused(userText: string, { webUrl }: SignInRefusals): Report {
  const hint =
    webUrl === '' ? undefined : `Or make a password at ${webUrl}/connect and paste it at the prompt.`
  return fatal(sqlstate.invalidAuthorization, userText, undefined, hint)
}

/** A client that sends something else than what was asked. */
export function notAnAnswer(what: string): Report {
  return fatal(sqlstate.protocolViolation, `while signing in: ${what}`)
}

export function bearerRefused(hint?: string): Report {
  return fatal(sqlstate.invalidAuthorization, 'The access token was not accepted.', undefined, hint)
}

/** A look-up that failed refuses. Only a Fault's own words leave the process. */
export function lookUpFailed(thrown: unknown): Report {
  const text =
    thrown instanceof Fault
      ? thrown.userText
      : 'The gateway could not sign you in now. Try again, or tell its operator.'
  return fatal(sqlstate.cannotConnectNow, text)
}

function fatal(code: string, message: string, detail?: string, hint?: string): Report {
  return {
    severity: 'FATAL',
    code,
    message,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  }
}
