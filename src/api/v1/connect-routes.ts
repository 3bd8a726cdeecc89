/** What whoever is signed in may open, how, and passwords for PostgreSQL clients. */
import { z } from 'zod'
import { isFresh } from '../browser.ts'
import { jdbcUrl, type LineOptions, oauthPsqlLine, psqlLine, sshConfig, sshLine } from '../command-lines.ts'
import type { Place } from '../places.ts'
import type { ConnectView, Password } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { line } from './fields.ts'
import { conflict, notThere } from './refusals.ts'
import { type Ask, type Asking, Refused, route, type Route } from './route.ts'
import { connectView, password } from './shapes.ts'

const passwordBody = z.strictObject({ target: line(300), login: line(300) })

const notFresh: Refused = new Refused({
  status: 403,
  title: 'Sign in again',
  detail:
    'Your sign-in is nearly over, and a password would end with it. Sign in again, then make the password.',
})
const browsersOnly: Refused = new Refused({
  status: 403,
  title: 'In a browser',
  detail: 'Passwords are made by the person themselves, in the browser that they signed in with.',
})

export function connectRoutes(parts: ApiParts): readonly Route[] {
  return [
    route(
      'person',
      {
        method: 'GET',
        path: '/connect',
        summary: 'What you may open, and how',
        answer: connectView,
      },
      ({ person }) => connectOf(parts, person),
    ),
    route(
      'person',
      {
        method: 'POST',
        path: '/connect/password',
        summary: 'A password for a PostgreSQL client, for one connection',
        body: passwordBody,
        answer: password,
      },
      ask => makePassword(parts, ask),
    ),
  ]
}

function placesOf(parts: ApiParts, person: Asking): readonly Place[] {
  return parts.places(person.principal, person.sourceAddress)
}

function connectOf(parts: ApiParts, person: Asking): ConnectView {
  const byTarget = Map.groupBy(placesOf(parts, person), place => `${place.protocol} ${place.target}`)
  return {
    places: [...byTarget.values()].flatMap(places => {
      const [first] = places
      if (first === undefined) return []
      return [
        {
          target: first.target,
          protocol: first.protocol,
          logins: places.map(({ login }) => login),
          labels: first.labels,
          lines: places.flatMap(place => linesOf(parts, place)),
          takesPassword: first.protocol === 'postgres' && person.cookie !== undefined,
        },
      ]
    }),
    browserSignIn: parts.endpoints().postgres?.browserSignIn === true,
  }
}

function linesOf(parts: ApiParts, place: Place): ConnectView['places'][number]['lines'] {
  const { ssh, postgres, oauth } = parts.endpoints()
  const as = `as ${place.login}`
  if (place.protocol === 'ssh')
    return ssh === undefined
      ? []
      : [
          { name: `ssh ${as}`, text: sshLine(ssh, place) },
          { name: `VS Code and other tools ${as}: ~/.ssh/config`, text: sshConfig(ssh, place) },
        ]
  return [
    ...(postgres === undefined
      ? []
      : [
          { name: `psql ${as}`, ...bothWays(postgres, options => psqlLine(postgres, place, options)) },
          { name: `JDBC ${as}`, ...bothWays(postgres, options => jdbcUrl(postgres, place, options)) },
        ]),
    ...(oauth === undefined
      ? []
      : [
          {
            name: `psql 18 with OAuth ${as}`,
            ...bothWays(oauth, options => oauthPsqlLine(oauth, place, options)),
          },
        ]),
  ]
}

/** Where there is no TLS, there is no certificate to trust. */
function bothWays(
  { tls }: { readonly tls: boolean },
  line: (options: LineOptions) => string,
): { readonly text: string; readonly withAuthority?: string } {
  return { text: line({}), ...(tls ? { withAuthority: line({ withAuthority: true }) } : {}) }
}

/** Only what the page offers, and only PostgreSQL. Shown in this answer and nowhere else. */
function makePassword(
  parts: ApiParts,
  { person, body }: Ask<unknown, z.output<typeof passwordBody>>,
): Password | Refused {
  const { principal, cookie: browserSession, sourceAddress: browser } = person
  if (browserSession === undefined) return browsersOnly
  const place = placesOf(parts, person).find(
    ({ protocol, login, target }) =>
      protocol === 'postgres' && login === body.login && target === body.target,
  )
  const { postgres } = parts.endpoints()
  if (place === undefined || postgres === undefined) return notThere
  if (!isFresh({ principal, hash: browserSession }, parts)) return notFresh
  const made = parts.passwords.issue({ principal, browserSession, browser, ...body })
  if (made.kind === 'refused') return conflict('No password', made.userText)
  const { firstUseBeforeMs: validUntilMs, connections } = made.view
  const { text: line, withAuthority: lineWithAuthority } = bothWays(postgres, options =>
    psqlLine(postgres, place, options),
  )
  return { password: made.password, validUntilMs, connections, line, lineWithAuthority }
}
