import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { WebApp, WebParts } from '../../src/api/answers.ts'
import type { NodeEnv } from '../../src/api/browser.ts'
import { addMetricsRoute } from '../../src/api/metrics-route.ts'
import { Secret } from '../../src/config/secret.ts'

function app(token: string | undefined): WebApp {
  const web: WebApp = new Hono<NodeEnv>()
  const metricsToken = () => (token === undefined ? undefined : new Secret(token))
  addMetricsRoute(web, { metrics: async () => 'sallyport_sessions 1\n', metricsToken } as unknown as WebParts)
  return web
}

async function ask(web: WebApp, authorization?: string) {
  const headers = authorization === undefined ? undefined : { authorization }
  const answer = await web.request('/metrics', headers === undefined ? {} : { headers })
  return { status: answer.status, text: await answer.text() }
}

test('without a token in the configuration there is no such page, whatever is sent', async () => {
  expect((await ask(app(undefined), 'Bearer undefined')).status).toBe(404)
})

test('without the token nothing is told', async () => {
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    'Basic right',
    'right',
    'Bearer right ',
  ])
    expect((await ask(app('right '.trim()), header)).text.includes('sallyport_sessions')).toBe(
      header === 'Bearer right ',
    )
})

test('with the token the numbers are told', async () => {
  expect(await ask(app('right'), 'Bearer right')).toEqual({ status: 200, text: 'sallyport_sessions 1\n' })
})
