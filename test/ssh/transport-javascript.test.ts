/** The same promises where no compiler built the ciphers: in this file the compiled ones cannot be loaded. */
import { createRequire } from 'node:module'
import { beforeAll, expect, test } from 'vitest'
import { proveEngine, type Engine } from '../../src/ssh/engine.ts'
import { transportSuite } from './transport-suite.ts'

let engine: Engine

beforeAll(async () => {
  const extensions = createRequire(import.meta.url).extensions as Record<
    string,
    (module: unknown, file: string) => void
  >
  const load = extensions['.node']
  extensions['.node'] = (module, file) => {
    if (file.includes('sshcrypto')) throw new Error('not built')
    load?.(module, file)
  }
  engine = proveEngine()
  while (!engine.hasChacha20) await new Promise(resolve => setImmediate(resolve)) // its WebAssembly is being loaded
})

test('the engine says that its ciphers are JavaScript', () => {
  expect(engine.crypto).toBe('javascript')
})

transportSuite(() => engine)
