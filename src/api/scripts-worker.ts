/**
 * Puts the scripts of the page of encrypted sessions together: the sources in `web` and those of the recorder that they read recordings
 * with, without their types, and the packages that they need. There is no build: what is served is what is in the repository.
 */
import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { parentPort } from 'node:worker_threads'

const root = resolve(import.meta.dirname, '../..')
const entry = join(root, 'web/auditor.ts')

/** Where a name leads that is no path. Browsers have nothing of Node: what is needed of it is in `web/node`. */
const packages: Readonly<Record<string, string>> = {
  fzstd: 'node_modules/fzstd/esm/index.mjs',
  'jose/jwe/compact/decrypt': 'node_modules/jose/dist/webapi/jwe/compact/decrypt.js',
  'jose/jwe/general/decrypt': 'node_modules/jose/dist/webapi/jwe/general/decrypt.js',
  'jose/key/import': 'node_modules/jose/dist/webapi/key/import.js',
  '@xterm/headless': 'web/node/headless.ts',
  '@xterm/headless/module': 'node_modules/@xterm/headless/lib-headless/xterm-headless.mjs',
  'node:buffer': 'web/node/buffer.ts',
  'node:crypto': 'web/node/crypto.ts',
  'node:string_decoder': 'web/node/string_decoder.ts',
  'node:zlib': 'web/node/zlib.ts',
}

/** More than this is no page of ours any more. Modules. */
const maxScripts = 200
const importing = /(\bimport\s*|\b(?:import|export)\s[\w\s{},*$]*?\bfrom\s*)(['"])([^'"\n]+)\2/g

function collect(): ReadonlyMap<string, string> {
  const scripts = new Map<string, string>()
  const waiting = [entry]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (scripts.has(addressOf(file))) continue
    const { text, needs } = scriptOf(file)
    scripts.set(addressOf(file), text)
    waiting.push(...needs)
    if (scripts.size > maxScripts)
      throw new TypeError('the page of encrypted sessions needs too many scripts')
  }
  return scripts
}

function scriptOf(file: string): { text: string; needs: readonly string[] } {
  const source = readFileSync(file, 'utf8')
  const plain = file.endsWith('.ts') ? stripTypeScriptTypes(source) : source
  if (file.endsWith('.mjs')) return { text: plain, needs: [] } // whole in itself
  const needs: string[] = []
  const text = plain.replaceAll(importing, (_, before: string, quote: string, name: string) => {
    const needed = resolved(name, file)
    needs.push(needed)
    return `${before}${quote}${addressOf(needed)}${quote}`
  })
  return { text, needs }
}

function resolved(name: string, from: string): string {
  const known = packages[name]
  const file = known === undefined ? resolve(dirname(from), name) : join(root, known)
  if ((known !== undefined || name.startsWith('.')) && existsSync(file)) return file
  throw new Error(`${relative(root, from)} needs ${name}, which no browser has`)
}

function addressOf(file: string): string {
  return `/scripts/${relative(root, file)
    .replace(/^node_modules\//, 'packages/')
    .replace(/\.(ts|mjs)$/, '.js')}`
}

parentPort?.postMessage(collect(), [])
