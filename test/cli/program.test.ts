import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test('the program says which version it is', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const said = execFileSync(process.execPath, [join(root, 'bin/sallyport.js'), '--version'], {
    encoding: 'utf8',
  })
  expect(said).toBe(`${version}\n`)
})
