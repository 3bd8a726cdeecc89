/** For each route, requests that a reviewer may make, with what they answer: whoever adds a route adds one here, or the tests say so. */
import { sessions } from './api-world.ts'

export type Sample = {
  /** Below `/api/v1`. */
  readonly path: string
  readonly body?: unknown
  readonly status: number
}

const { ssh, sql, open } = sessions
const finding = '/findings/:finding'

/** `:finding` and others are put in by the tests. */
export const samples: Readonly<Record<string, readonly Sample[]>> = {
  'GET /me': [{ path: '/me', status: 200 }],
  'GET /me/sessions': [{ path: '/me/sessions?limit=10', status: 200 }],
  'GET /me/data': [{ path: '/me/data', status: 200 }],
  'POST /me/contest': [{ path: '/me/contest', body: { session: ssh, text: 'That was me.' }, status: 404 }],
  'GET /me/views': [{ path: '/me/views', status: 200 }],
  'POST /me/views': [
    { path: '/me/views', body: { name: 'Mine', page: 'sessions', query: 'state=open' }, status: 200 },
  ],
  'DELETE /me/views/:view': [{ path: '/me/views/unknown', status: 404 }],
  'GET /openapi.json': [{ path: '/openapi.json', status: 200 }],
  'GET /connect': [{ path: '/connect', status: 200 }],
  'POST /connect/password': [
    { path: '/connect/password', body: { target: 'orders', login: 'app_readonly' }, status: 404 },
  ],
  'GET /sessions': [
    { path: '/sessions', status: 200 },
    {
      path: '/sessions?target=web*&target=-lab1&state=ended&state=open&finding=0&reviewed=0&from=0&to=9999999999999',
      status: 200,
    },
    { path: '/sessions?severity=high&severity=critical', status: 200 },
  ],
  'GET /sessions/histogram': [{ path: '/sessions/histogram?target=web1', status: 200 }],
  'GET /sessions/:id': [
    { path: `/sessions/${ssh}`, status: 200 },
    { path: `/sessions/${sql}`, status: 200 },
    { path: `/sessions/${open}`, status: 200 },
  ],
  'GET /sessions/:id/replay': [
    { path: `/sessions/${ssh}/replay`, status: 200 },
    { path: `/sessions/${sql}/replay`, status: 200 },
    { path: `/sessions/${open}/replay`, status: 200 },
  ],
  'GET /sessions/:id/chunks/:number': [
    { path: `/sessions/${ssh}/chunks/1`, status: 200 },
    { path: `/sessions/${ssh}/chunks/99`, status: 404 },
  ],
  'GET /sessions/:id/keyframes/:number': [
    { path: `/sessions/${ssh}/keyframes/0`, status: 200 },
    { path: `/sessions/${ssh}/keyframes/99`, status: 404 },
  ],
  'GET /sessions/:id/events/:number': [{ path: `/sessions/${ssh}/events/1`, status: 200 }],
  'GET /sessions/:id/commands': [{ path: `/sessions/${ssh}/commands`, status: 200 }],
  'GET /sessions/:id/statements': [{ path: `/sessions/${sql}/statements?limit=1`, status: 200 }],
  'GET /sessions/:id/files': [{ path: `/sessions/${ssh}/files`, status: 200 }],
  'GET /sessions/:id/statements/:number': [
    { path: `/sessions/${sql}/statements/0`, status: 200 },
    { path: `/sessions/${sql}/statements/99`, status: 404 },
  ],
  'GET /sessions/:id/comments': [{ path: `/sessions/${ssh}/comments`, status: 200 }],
  'POST /sessions/:id/comments': [
    { path: `/sessions/${ssh}/comments`, body: { offsetMs: 12, text: 'Why this?' }, status: 200 },
  ],
  'GET /sessions/:id/watched': [{ path: `/sessions/${ssh}/watched`, status: 200 }],
  'POST /sessions/:id/watched': [
    { path: `/sessions/${ssh}/watched`, body: { stretches: [{ fromMs: 0, toMs: 10 }] }, status: 204 },
  ],
  'POST /sessions/:id/assign': [
    { path: `/sessions/${ssh}/assign`, body: { to: 'me' }, status: 204 },
    { path: `/sessions/${ssh}/assign`, body: { to: 'nobody' }, status: 204 },
    { path: `/sessions/${ssh}/assign`, body: { to: 'who-is-that' }, status: 409 },
  ],
  'POST /sessions/:id/verdict': [
    { path: `/sessions/${ssh}/verdict`, body: { verdict: 'expected', rationale: 'A release.' }, status: 200 },
    { path: `/sessions/${open}/verdict`, body: { verdict: 'expected', rationale: 'Now.' }, status: 409 },
  ],
  'POST /sessions/:id/end': [
    { path: `/sessions/${open}/end`, body: { reason: 'enough' }, status: 204 },
    { path: `/sessions/${ssh}/end`, body: { reason: 'enough' }, status: 409 },
  ],
  'POST /sessions/:id/pause': [
    { path: `/sessions/${open}/pause`, body: { reason: 'wait' }, status: 204 },
    { path: `/sessions/${open}/pause`, body: { reason: 'again' }, status: 409 },
    { path: `/sessions/${ssh}/pause`, body: { reason: 'wait' }, status: 409 },
  ],
  'POST /sessions/:id/resume': [
    { path: `/sessions/${open}/resume`, body: { reason: 'go on' }, status: 204 },
    { path: `/sessions/${open}/resume`, body: { reason: 'go on' }, status: 409 },
    { path: `/sessions/${ssh}/resume`, body: { reason: 'go on' }, status: 409 },
  ],
  'GET /sessions/:id/live': [{ path: `/sessions/${open}/live`, status: 426 }],
  'GET /sessions/:id/recording': [{ path: `/sessions/${ssh}/recording`, status: 200 }],
  'GET /sessions/:id/exports/:format': [
    { path: `/sessions/${ssh}/exports/asciicast-v2`, status: 200 },
    { path: `/sessions/${ssh}/exports/text`, status: 200 },
    { path: `/sessions/${sql}/exports/sql`, status: 200 },
    { path: `/sessions/${sql}/exports/csv`, status: 200 },
    { path: `/sessions/${sql}/exports/bundle`, status: 200 },
    { path: `/sessions/${sql}/exports/asciicast-v2`, status: 404 },
    { path: `/sessions/${sql}/exports/toString`, status: 404 },
  ],
  'GET /sessions/:id/report': [
    { path: `/sessions/${ssh}/report`, status: 200 },
    { path: `/sessions/${sql}/report`, status: 200 },
  ],
  'GET /search': [{ path: '/search?q=systemctl', status: 200 }],
  'GET /findings': [{ path: '/findings?state=new&place=all', status: 200 }],
  'GET /findings/counts': [{ path: '/findings/counts', status: 200 }],
  [`GET ${finding}`]: [{ path: finding, status: 200 }],
  [`POST ${finding}/acknowledge`]: [{ path: `${finding}/acknowledge`, body: {}, status: 200 }],
  [`POST ${finding}/assign`]: [{ path: `${finding}/assign`, body: { to: 'me' }, status: 200 }],
  [`POST ${finding}/verdict`]: [
    { path: `${finding}/verdict`, body: { verdict: 'escalate', rationale: 'Look.' }, status: 200 },
  ],
  [`POST ${finding}/close`]: [
    { path: `${finding}/close`, body: { reason: 'benign-expected', rationale: 'A release.' }, status: 200 },
  ],
  [`POST ${finding}/reopen`]: [{ path: `${finding}/reopen`, body: { rationale: 'After all.' }, status: 200 }],
  [`POST ${finding}/snooze`]: [
    { path: `${finding}/snooze`, body: { untilMs: Date.now() + 86_400_000 }, status: 200 },
  ],
  [`POST ${finding}/suppress`]: [
    {
      path: `${finding}/suppress`,
      body: { scope: 'rule', untilMs: Date.now() + 86_400_000, rationale: 'A release week.' },
      status: 200,
    },
  ],
  [`POST ${finding}/lift`]: [{ path: `${finding}/lift`, body: { rationale: 'It is over.' }, status: 200 }],
  [`POST ${finding}/unmask`]: [
    { path: `${finding}/unmask`, body: { caseId: 'C-1', reason: 'A question.' }, status: 409 },
  ],
  [`POST ${finding}/unmaskings/:request`]: [
    { path: `${finding}/unmaskings/unknown`, body: { approve: true }, status: 404 },
  ],
  'GET /policy': [{ path: '/policy', status: 200 }],
  'POST /policy/explain': [
    {
      path: '/policy/explain',
      body: { principal: 'ada@example.com', groups: ['admins'], target: 'web1', login: 'root' },
      status: 200,
    },
  ],
  'GET /integrity': [{ path: '/integrity', status: 200 }],
  'GET /integrity/keys': [{ path: '/integrity/keys', status: 200 }],
  'GET /integrity/consistency': [
    { path: '/integrity/consistency?from=1&to=2', status: 200 },
    { path: '/integrity/consistency?from=1&to=99999', status: 404 },
  ],
}
