// Runs in `npm ci`, under whatever Node the host has: hardens the SSH library, builds its compiled ciphers for the Node that
// Sallyport runs on where a compiler is found, and builds the web pages.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = join(root, 'node_modules')

const runtime = join(modules, `node-linux-${process.arch}`)

linkRuntime()
applyPatches()
buildCiphers()
buildPages()

/** npm 10 removes this link again when an optional package of ours fails to build; `npm run` finds Node 24 through it. */
function linkRuntime() {
  const link = join(modules, '.bin', 'node')
  if (!existsSync(join(runtime, 'bin', 'node')) || existsSync(link)) return
  mkdirSync(join(modules, '.bin'), { recursive: true })
  rmSync(link, { force: true }) // it may point to another machine's runtime
  symlinkSync(join('..', `node-linux-${process.arch}`, 'bin', 'node'), link)
}

/** Without its patches the SSH library must not be used, so a failure here fails the installation. */
function applyPatches() {
  const patchPackage = createRequire(join(root, 'package.json')).resolve('patch-package/index.js')
  const { status } = spawnSync(process.execPath, [patchPackage, '--error-on-fail'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status === 0) return
  console.error(
    'sallyport: the patches of the SSH library could not be applied; the installation is not usable.',
  )
  process.exit(1)
}

/** Optional: in JavaScript the ciphers give the same bytes at about 2.5 times the CPU. */
function buildCiphers() {
  const missing = ['python3', 'make'].filter(name => !onPath(name))
  if (!['c++', 'g++', 'clang++'].some(onPath) && !process.env.CXX) missing.push('a C++ compiler')
  const gyp = process.env.npm_config_node_gyp
  if (!gyp || !existsSync(gyp)) missing.push("npm's node-gyp")
  if (!existsSync(join(runtime, 'include', 'node', 'node.h'))) missing.push('headers of the pinned Node')
  if (missing.length > 0) {
    console.log(`sallyport: SSH ciphers stay in JavaScript (not found: ${missing.join(', ')}).`)
    return
  }
  const node = join(runtime, 'bin', 'node')
  // Without the major version of OpenSSL the build takes a path whose ChaCha20-Poly1305 fails at the second packet.
  const openssl = spawnSync(node, ['-p', 'process.versions.openssl.split(".")[0]'], { encoding: 'utf8' })
  // The variable, not the flag --nodedir, which loses to a user's own npmrc.
  const env = { ...process.env, npm_config_nodedir: runtime, npm_package_config_node_gyp_nodedir: runtime }
  const built = spawnSync(node, [gyp, `--real_openssl_major=${openssl.stdout.trim()}`, 'rebuild'], {
    cwd: join(modules, 'ssh2', 'lib', 'protocol', 'crypto'),
    env,
    encoding: 'utf8',
  })
  if (built.status === 0) return
  console.log('sallyport: SSH ciphers stay in JavaScript (their build failed).')
  console.log(`${built.stdout ?? ''}${built.stderr ?? ''}`.split('\n').slice(-15).join('\n'))
}

/** The auditors' pages, by the Node that Sallyport runs on. Without them the gateway works and says what to do where they would be. */
function buildPages() {
  const node = join(runtime, 'bin', 'node')
  if (!existsSync(node) || !existsSync(join(root, 'web', 'vite.config.ts'))) return
  const vite = join(modules, 'vite', 'bin', 'vite.js')
  const built = spawnSync(node, [vite, 'build', 'web', '--logLevel', 'warn'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (built.status === 0) return
  console.error("sallyport: the auditors' pages could not be built. Look at what `npm run build` says.")
  console.error(`${built.stdout ?? ''}${built.stderr ?? ''}`.split('\n').slice(-15).join('\n'))
}

function onPath(name) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .some(folder => folder !== '' && existsSync(join(folder, name)))
}
