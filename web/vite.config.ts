/** Builds the auditors' pages into web/dist, which the gateway serves below /app/: `vite build web`. */
import { resolve } from 'node:path'
import { defineConfig } from 'vite'

const here = import.meta.dirname
const node = (name: string): string => resolve(here, 'node', name)

export default defineConfig({
  root: here,
  base: '/app/',
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: {
    alias: {
      // The recorder's modules read encrypted recordings here too. What they need of Node is small and in web/node; of the
      // terminal without a screen they need what is no CommonJS.
      '@xterm/headless/module': resolve(
        here,
        '../node_modules/@xterm/headless/lib-headless/xterm-headless.mjs',
      ),
      '@xterm/headless': node('headless.ts'),
      'node:buffer': node('buffer.ts'),
      'node:crypto': node('crypto.ts'),
      'node:string_decoder': node('string_decoder.ts'),
      'node:zlib': node('zlib.ts'),
    },
  },
  worker: { format: 'es' },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'], // the first that know light-dark()
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: addresses
    reportCompressedSize: true,
  },
})
