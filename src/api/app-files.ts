/** The auditors' pages below `/app/`, as Vite built them into `web/dist`. Their names are a list: what is not on it is not there. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { answerProblem, notFound, type WebApp, type WebParts } from './answers.ts'
import type { WebContext } from './browser.ts'
import type { Problem } from './problem.ts'

/** Files of one build, and bytes of one of them: what is more is no build of ours. */
const maxFiles = 500
const maxFileBytes = 16 * 1024 * 1024

/** Seconds. Names below `assets/` hold a hash of what is in them. */
const immutable = 'public, max-age=31536000, immutable'

const builtPages: string = fileURLToPath(new URL('../../web/dist', import.meta.url))

/**
 * Scripts and requests from and to this origin alone, and none that is written into a page. Styles may be: xterm.js writes those of its colours
 * into the page (decision 252).
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "worker-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  // No text becomes a script: the one policy that there may be gives the address of the player's own worker.
  "require-trusted-types-for 'script'",
  'trusted-types sallyport',
].join('; ')

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
}

const notBuilt: Problem = {
  status: 404,
  title: 'Not built',
  detail: 'The pages were not built on this gateway. Whoever runs it does that with "npm run build".',
}

/** A build that somebody made again while we run is read again: its first page then has another time. */
class BuiltPages {
  readonly #folder: string
  #files: ReadonlyMap<string, BuiltFile> = new Map()
  #builtAtMs: number | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The file of that name (`assets/index-1234.js`), or undefined. */
  file(name: string): BuiltFile | undefined {
    const builtAtMs = statSync(join(this.#folder, 'index.html'), { throwIfNoEntry: false })?.mtimeMs
    if (builtAtMs === undefined) return undefined
    if (builtAtMs !== this.#builtAtMs) this.#files = filesIn(this.#folder)
    this.#builtAtMs = builtAtMs
    return this.#files.get(name)
  }

  get areThere(): boolean {
    return this.file('index.html') !== undefined
  }
}

/** Compressed once, when the build is read. */
type BuiltFile = { readonly plain: Buffer<ArrayBuffer>; readonly gzip: Buffer<ArrayBuffer> | undefined }

/** Texts of a few hundred bytes do not get smaller. */
const leastCompressedBytes = 1024

function builtFile(path: string): BuiltFile {
  const plain = Buffer.from(readFileSync(path))
  const isText = /^(text|application\/json)|svg/.test(types[extname(path)] ?? '')
  return {
    plain,
    gzip: isText && plain.length >= leastCompressedBytes ? Buffer.from(gzipSync(plain)) : undefined,
  }
}

function filesIn(folder: string): ReadonlyMap<string, BuiltFile> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && types[extname(entry.name)] !== undefined)
    .map(entry => join(entry.parentPath, entry.name))
    .filter(path => statSync(path).size <= maxFileBytes)
  return new Map(names.slice(0, maxFiles).map(path => [path.slice(folder.length + 1), builtFile(path)]))
}

/**
 * `/app/*`: files by their names, and the first page for every other address, since the page itself reads it. `/` leads there once
 * it is built. Anybody may fetch it: it holds nothing, and asks `/api/v1` for everything that it shows.
 */
export function addAppFiles(app: WebApp, parts: WebParts): void {
  const pages = new BuiltPages(parts.appFolder ?? builtPages)
  app.get('/', c => c.redirect(pages.areThere ? '/app/sessions' : '/sessions', 303))
  app.get('/app', c => c.redirect('/app/sessions', 303))
  app.get('/app/*', c => answerFile(c, parts, pages))
}

function answerFile(c: WebContext, parts: WebParts, pages: BuiltPages): Response | Promise<Response> {
  const name = c.req.path.slice('/app/'.length)
  const file = pages.file(name)
  if (file !== undefined && name !== 'index.html') return send(c, name, file)
  const isFile = name.startsWith('assets/') || types[extname(name)] !== undefined
  const page = isFile ? undefined : pages.file('index.html')
  if (page !== undefined) return send(c, 'index.html', page)
  return answerProblem(c, parts, pages.areThere ? notFound : notBuilt)
}

function send(c: WebContext, name: string, { plain, gzip }: BuiltFile): Response {
  const packed = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '') ? gzip : undefined
  return c.body(packed ?? plain, 200, {
    'Content-Type': types[extname(name)] ?? 'application/octet-stream',
    'Content-Security-Policy': policy,
    'Cache-Control': name.startsWith('assets/') ? immutable : 'no-cache',
    Vary: 'Accept-Encoding',
    ...(packed === undefined ? {} : { 'Content-Encoding': 'gzip' }),
  })
}
