import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scratchFolder } from '../support/openssh.ts'
import { openWorld, type World } from './world.ts'

const scratch = scratchFolder()
const folder = join(scratch.path, 'dist')
let world: World

beforeAll(async () => {
  mkdirSync(join(folder, 'assets'), { recursive: true })
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>pages</title>')
  writeFileSync(join(folder, 'assets', 'index-1234.js'), 'export {}')
  writeFileSync(join(folder, 'assets', 'notes.exe'), 'no file of a page')
  writeFileSync(join(scratch.path, 'secret.txt'), 'secret')
  symlinkSync(join(scratch.path, 'secret.txt'), join(folder, 'linked.txt'))
  world = await openWorld({ appFolder: folder })
})
afterAll(async () => {
  await world.close()
  scratch.remove()
})

/** As it is written: fetch would tidy the path up. */
function raw(path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port, host } = new URL(world.url)
    const outgoing = request({ hostname, port, path, headers: { host } }, incoming => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      )
    })
    outgoing.on('error', reject).end()
  })
}

test.each([
  '/app/../secret.txt',
  '/app/%2e%2e/secret.txt',
  '/app/..%2fsecret.txt',
  '/app/%2e%2e%2fsecret.txt',
  '/app/assets/../../secret.txt',
  '/app//etc/passwd',
  '/app/linked.txt',
  '/app/assets/notes.exe',
  '/app/assets/missing.js',
])('%s leads to no file', async path => {
  const { status, text } = await raw(path)
  expect(text).not.toContain('secret\n')
  expect(text).not.toBe('secret')
  expect(text).not.toContain('no file of a page')
  if (status === 200) expect(text).toContain('<title>pages</title>')
})

test('pages and their files come with a policy that lets nothing else run', async () => {
  for (const [path, cache] of [
    ['/app/sessions', 'no-cache'],
    ['/app/sessions/s-1?t=12', 'no-cache'],
    ['/app/assets/index-1234.js', 'public, max-age=31536000, immutable'],
  ] as const) {
    const answer = await fetch(`${world.url}${path}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe(cache)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    const policy = answer.headers.get('content-security-policy') ?? ''
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ])
      expect(policy).toContain(part)
    expect(policy.replace("style-src 'self' 'unsafe-inline'", '')).not.toContain('unsafe')
  }
})

test('the first address leads to the pages once they are built, and a build that is made again is seen', async () => {
  const first = await fetch(world.url, { redirect: 'manual' })
  expect(first.headers.get('location')).toBe('/app/sessions')
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>pages, again</title>')
  utimesSync(join(folder, 'index.html'), new Date(), new Date(Date.now() + 5000))
  expect(await (await fetch(`${world.url}/app/`)).text()).toContain('again')
  rmSync(join(folder, 'index.html'))
  expect((await fetch(world.url, { redirect: 'manual' })).headers.get('location')).toBe('/sessions')
  expect((await fetch(`${world.url}/app/sessions`)).status).toBe(404)
})
