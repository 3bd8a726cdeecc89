/**
 * What can be done with an open session: watching it as it happens, over a WebSocket, which who is watched neither notices nor is cut by; and
 * pausing it, and letting it go on.
 */
import type { WebSocket } from 'ws'
import { z } from 'zod'
import type { SessionRow } from '../../model.ts'
import type { ReadEvent } from '../../recorder/event.ts'
import type { LiveWatch, WatchEnd, WatchLine } from '../../recorder/live-watch.ts'
import { askedPauseMs, pausedText } from '../../session/hold.ts'
import type { Problem } from '../problem.ts'
import type { ApiParts } from './deps.ts'
import { line } from './fields.ts'
import { conflict, notOurPage } from './refusals.ts'
import { replayEventOf } from './replay/replay-event.ts'
import { who } from './review-routes.ts'
import { type Answer, type Asking, Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'
import { WatchPlaces } from './watch-places.ts'

/** How often it is looked whether the watcher still may, and is still there; milliseconds. */
const checkEveryMs = 2000
/** Looks without a pong. */
const maxSilentChecks = 15
/** WebSocket close codes of our own (RFC 6455, section 7.4.2). */
const closeCodes: Readonly<Record<WatchEnd['reason'] | 'forbidden', number>> = {
  ended: 1000,
  left: 1000,
  'too-slow': 4008,
  forbidden: 4003,
}

const notOpen: Problem = {
  status: 409,
  title: 'Not open',
  detail: 'The session is not open on this gateway, or not any more.',
}
const tooMany: Problem = {
  status: 429,
  title: 'Too many watch it',
  detail:
    'This session has as many watchers as there may be, or you watch it, or sessions in all, as often as one person may.',
}
const notWebSocket: Problem = {
  status: 426,
  title: 'Only as a WebSocket',
  detail: 'This address is watched over a WebSocket (RFC 6455).',
}

const whyBody = z.strictObject({ reason: line(200) })
type WhyAsk = SessionAsk<unknown, z.output<typeof whyBody>>

export function liveRoutes(parts: ApiParts): readonly Route[] {
  const watches = new WatchPlaces()
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/live',
        summary: 'Watch it as it happens (WebSocket)',
        answer: {
          contentType: 'application/x-ndjson',
          what: 'Messages of one or more lines: first `session`, then a ReplayEvent each, at last `end`',
        },
      },
      ask => watch(parts, watches, ask),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/pause',
        summary: 'Pause it while it is open; its user is told the reason. After ten minutes it ends',
        body: whyBody,
        answer: undefined,
      },
      ask => pause(parts, ask),
    ),
    sessionRoute(
      {
        method: 'POST',
        path: '/sessions/:id/resume',
        summary: 'Let it go on after a pause, or without the sign-in that it waits for',
        body: whyBody,
        answer: undefined,
      },
      ask => resume(parts, ask),
    ),
  ]
}

/** In the audit log before it is done. A session that does not say that it waits ends. */
async function pause(
  parts: ApiParts,
  { row, person, body: { reason } }: WhyAsk,
): Promise<Refused | undefined> {
  if (row.state !== 'open') return hasEnded
  if (parts.live.heldOf(row.id)?.kind === 'pause') return isPaused
  parts.audit.append({ kind: 'session-held', session: row.id, do: 'pause', reason, ...who(person) })
  const userText = pausedText('A reviewer', reason)
  const held = await parts.live.hold(row.id, { kind: 'pause', waitMs: askedPauseMs, userText })
  if (held === 'held') return undefined
  return held === 'ended' ? endsInstead : hasEnded
}

async function resume(
  parts: ApiParts,
  { row, person, body: { reason } }: WhyAsk,
): Promise<Refused | undefined> {
  if (row.state !== 'open') return hasEnded
  if (parts.live.heldOf(row.id) === undefined) return isNotHeld
  const { name: by } = person
  parts.audit.append({ kind: 'session-released', session: row.id, by, reason, ...who(person) })
  return (await parts.live.release(row.id)) ? undefined : staysHeld
}

const hasEnded = conflict('Not open', 'The session has ended already.')
const isPaused = conflict('Paused already', 'Somebody has paused this session. Let it go on, or end it.')
const endsInstead = conflict(
  'Ended',
  'It could not be made sure that the session waits, so it was told to end.',
)
const isNotHeld = conflict('Not held', 'The session is not paused, or not any more.')
const staysHeld = conflict(
  'Still held',
  'The session did not say that it goes on. Try again, or end it; else it ends when its wait is over.',
)

async function watch(parts: ApiParts, watches: WatchPlaces, ask: SessionAsk): Promise<Answer> {
  const { c, row, person } = ask
  const { upgrade } = c.env
  if (upgrade === undefined) return new Refused(notWebSocket)
  // Browsers say where a WebSocket is asked from; a page of somebody else must not use the cookie.
  if (person.cookie !== undefined && c.req.header('origin') !== parts.webUrl) return new Refused(notOurPage)
  const leave = watches.take(person.key, row.id)
  if (leave === undefined) return new Refused(tooMany)
  const watching = parts.live.watch(row.id)
  if (watching.kind !== 'watching') {
    leave()
    return new Refused(watching.kind === 'too-many' ? tooMany : notOpen)
  }
  const { watch: live } = watching
  try {
    await begin(parts, row, person)
  } catch (cause) {
    live.end({ reason: 'left', text: '' })
    leave()
    throw cause
  }
  const watcher = new Watcher(parts, row, person, live, leave)
  return upgrade.accept(socket => watcher.take(socket))
}

/** In the audit log before the watcher has a word of it. */
async function begin(parts: ApiParts, row: SessionRow, person: Asking): Promise<void> {
  const { name } = person
  parts.audit.append({
    kind: 'watch-begin',
    session: row.id,
    by: name,
    ...who(person),
    sourceAddress: person.sourceAddress,
  })
  await parts.reviews.noteReading({
    session: row.id,
    ...who(person),
    atMs: parts.clock.nowMs(),
    purpose: 'watched live',
  })
}

class Watcher {
  readonly #parts: ApiParts
  readonly #row: SessionRow
  readonly #person: Asking
  readonly #live: LiveWatch
  readonly #onOver: () => void
  #timer: NodeJS.Timeout | undefined
  #silentChecks = 0
  #isForbidden = false

  constructor(parts: ApiParts, row: SessionRow, person: Asking, live: LiveWatch, onOver: () => void) {
    this.#parts = parts
    this.#row = row
    this.#person = person
    this.#live = live
    this.#onOver = onOver
  }

  /** Undefined: the client went before the socket was there. */
  take(socket: WebSocket | undefined): void {
    if (socket === undefined) return this.#over('left')
    socket.on('error', () => socket.terminate())
    socket.on('close', () => this.#live.end({ reason: 'left', text: '' }))
    socket.on('pong', () => (this.#silentChecks = 0))
    this.#timer = setInterval(() => void this.#check(socket), checkEveryMs).unref()
    this.#tell(socket).then(
      reason => this.#over(reason),
      () => {
        this.#live.end({ reason: 'left', text: '' })
        socket.terminate()
        this.#over('left')
      },
    )
  }

  /** Takes no more than the watcher does: what waits, waits in the watch, which is bounded. */
  async #tell(socket: WebSocket): Promise<string> {
    const { id, protocol, principalName, target, login, openedAtMs } = this.#row
    await sent(
      socket,
      JSON.stringify({ session: { id, protocol, principal: principalName, target, login, openedAtMs } }),
    )
    for (;;) {
      const taken = await this.#live.take()
      if (!('reason' in taken)) {
        await sent(socket, taken.map(lineOf).join('\n'))
        continue
      }
      const reason = this.#isForbidden ? 'forbidden' : taken.reason
      const text = this.#isForbidden ? 'You may not watch this session any more.' : taken.text
      if (reason !== 'left') await sent(socket, JSON.stringify({ end: { reason, text } }))
      socket.close(closeCodes[reason])
      return reason
    }
  }

  /** The right to review may go while somebody watches: with the policy, or with the sign-in. */
  async #check(socket: WebSocket): Promise<void> {
    this.#silentChecks += 1
    if (this.#silentChecks > maxSilentChecks) return socket.terminate()
    socket.ping()
    const { store, clock, mayReview } = this.#parts
    const { principal, cookie } = this.#person
    const nowMs = clock.nowMs()
    const isSignedIn =
      principal.fields.expiresAtMs > nowMs &&
      (cookie === undefined || (await store.signIns.find(cookie, nowMs).catch(() => undefined)) !== undefined)
    if (isSignedIn && mayReview(principal, this.#row)) return
    this.#isForbidden = true
    this.#live.end({ reason: 'left', text: '' })
  }

  #over(reason: string): void {
    clearInterval(this.#timer)
    this.#live.end({ reason: 'left', text: '' })
    this.#onOver()
    const { name: by } = this.#person
    this.#parts.audit.append({
      kind: 'watch-end',
      session: this.#row.id,
      by,
      ...who(this.#person),
      events: this.#live.events,
      reason,
    })
  }
}

async function sent(socket: WebSocket, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.send(text, error => (error === undefined || error === null ? resolve() : reject(error)))
  await promise
}

type Watched = {
  readonly us: number
  readonly event: { readonly type: string; readonly channel?: number; readonly base64?: string }
}

function lineOf(line: WatchLine): string {
  const { us, event } = JSON.parse(line) as Watched
  return JSON.stringify(replayEventOf(us, eventOf(event)))
}

function eventOf(event: Watched['event']): ReadEvent {
  const { type, channel = 0, base64 } = event
  if (base64 !== undefined && (type === 'output' || type === 'error-output' || type === 'input'))
    return { type, channel, data: Buffer.from(base64, 'base64') }
  return { type, fields: { ...event } }
}
