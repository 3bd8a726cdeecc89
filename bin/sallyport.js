#!/usr/bin/env node
// Starts src/main.ts under Node 24 or later: this process if it is one, else the Node that `npm ci` put beside us.
// Plain JavaScript that Node 12.17 can run, so that an old Node gets a sentence instead of a syntax error.
import { spawn } from 'child_process'
import { existsSync } from 'fs'
import { dirname, join } from 'path'
import module from 'module'
import { fileURLToPath } from 'url'

const neededMajor = 24

const heapFlags = [
  // A heap that starts large is collected less often: a gateway that moves data takes a quarter less CPU with it.
  '--initial-old-space-size=256',
  // Node wants 32 MiB. Packets live outside the heap, so a large nursery takes long to fill with what refers to them, and
  // meanwhile they pile up until the whole heap is collected: a small one takes a third less CPU, and less memory.
  '--max-semi-space-size=2',
]
const self = fileURLToPath(import.meta.url)
const root = dirname(dirname(self))
// Compiled code of an earlier start, types already stripped: a command takes half the CPU. Beside the code and nowhere that others can
// write, since whoever writes it decides what runs. Where it cannot be written, Node goes on without.
const compileCache = process.env.NODE_COMPILE_CACHE || join(root, 'node_modules', '.cache', 'sallyport')

if (Number(process.versions.node.split('.')[0]) >= neededMajor) run()
else runWithPinnedNode(join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node'))

function run() {
  if (isGateway() && !process.execArgv.includes(heapFlags[0]) && process.execve) withHeapFlags()
  if (module.enableCompileCache) module.enableCompileCache(compileCache)
  if (process.env.SALLYPORT_WRAPPED === '1' && process.channel) {
    // Whoever ends the wrapper (kill -9 too) means us: the channel breaks with it.
    delete process.env.SALLYPORT_WRAPPED
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
    process.channel.unref()
  }
  import('../src/main.ts').catch(error => {
    console.error(error)
    process.exit(1)
  })
}

function isGateway() {
  return process.argv[2] === 'serve' || process.argv[2] === 'demo'
}

// Becomes the same program with the flags, in the same process. Does not return.
function withHeapFlags() {
  const node = [process.execPath].concat(process.execArgv, heapFlags, self, process.argv.slice(2))
  // By the environment, so that threads and database workers have it, too.
  process.execve(process.execPath, node, Object.assign({}, process.env, { NODE_COMPILE_CACHE: compileCache }))
}

function runWithPinnedNode(node) {
  if (!existsSync(node)) {
    console.error(
      `sallyport: this is Node ${process.version} and it needs Node ${neededMajor} or later. ` +
        `On Linux (x64, arm64) run \`npm ci\` in ${root}, which brings one; elsewhere install it from nodejs.org.`,
    )
    process.exit(1)
  }
  const flags = isGateway() ? heapFlags : []
  const child = spawn(node, flags.concat(self, process.argv.slice(2)), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: Object.assign({}, process.env, { SALLYPORT_WRAPPED: '1', NODE_COMPILE_CACHE: compileCache }),
  })
  // Ctrl-C at a terminal reaches the child by itself; twice would mean impatience.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.on('SIGHUP', () => child.kill('SIGHUP'))
  child.on('error', error => {
    console.error(`sallyport: ${node} cannot be started: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
