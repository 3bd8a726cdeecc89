import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A folder like the repository, whose program reports how it was started. */
const folder = mkdtempSync(join(tmpdir(), 'sallyport-launcher-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
for (const name of ['bin', 'src', 'node_modules']) mkdirSync(join(folder, name))
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
copyFileSync(join(root, 'bin', 'sallyport.js'), join(folder, 'bin', 'sallyport.js'))
writeFileSync(
  join(folder, 'src', 'main.ts'),
  `const args: string[] = process.argv.slice(2)
process.on('SIGTERM', () => (console.log('told to stop'), process.exit(5)))
process.on('SIGHUP', () => console.log('told to reload'))
console.log(JSON.stringify({ args, pid: process.pid, major: Number(process.versions.node.split('.')[0]), flags: process.execArgv }))
if (args[0] === 'exit') process.exit(Number(args[1]))
if (args[0] === 'wait') setInterval(() => {}, 1000)
`,
)
const launcher = join(folder, 'bin', 'sallyport.js')

/** A Node of this machine that is too old, if it has one. */
function oldNode(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin']
  return folders
    .map(path => join(path, 'node'))
    .filter(path => existsSync(path))
    .find(
      path =>
        Number(spawnSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' }).stdout) <
        24,
    )
}

async function line(child: ChildProcessWithoutNullStreams): Promise<string> {
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  return chunk.toString()
}

test('under the right Node the program runs in the same process', async () => {
  const child = spawn(process.execPath, [launcher, 'wait', 'a b'])
  expect(JSON.parse(await line(child))).toMatchObject({ args: ['wait', 'a b'], pid: child.pid })
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([5, null])
})

test('a gateway starts with a large heap, in the same process', async () => {
  const child = spawn(process.execPath, [launcher, 'serve', '--config', 'x'])
  const said = JSON.parse(await line(child)) as { args: string[]; pid: number; flags: string[] }
  expect(said).toMatchObject({ args: ['serve', '--config', 'x'], pid: child.pid })
  expect(said.flags).toContain('--initial-old-space-size=256')
  expect(said.flags).toContain('--max-semi-space-size=2')
})

describe('under an old Node', () => {
  const old = oldNode()
  const runtime = join(folder, 'node_modules', `node-linux-${process.arch}`)
  const link = () => {
    if (!existsSync(runtime)) symlinkSync(dirname(dirname(process.execPath)), runtime)
  }

  test.skipIf(old === undefined)('without a runtime beside it, it says what to do', () => {
    const { status, stderr } = spawnSync(old ?? '', [launcher, 'exit', '0'], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^sallyport: this is Node v\d+.* needs Node 24 or later\..*npm ci/)
  })

  test.skipIf(old === undefined)('it passes arguments and exit status through', () => {
    link()
    const { status, stdout } = spawnSync(old ?? '', [launcher, 'exit', '7', '--flag'], { encoding: 'utf8' })
    expect(JSON.parse(stdout)).toMatchObject({ args: ['exit', '7', '--flag'] })
    expect((JSON.parse(stdout) as { major: number }).major).toBeGreaterThanOrEqual(24)
    expect(status).toBe(7)
  })

  test.skipIf(old === undefined)('it forwards signals', async () => {
    link()
    const child = spawn(old ?? '', [launcher, 'wait'])
    await line(child)
    child.kill('SIGHUP')
    expect(await line(child)).toBe('told to reload\n')
    child.kill('SIGTERM')
    expect(await line(child)).toBe('told to stop\n')
    expect(await once(child, 'exit')).toEqual([5, null])
  })

  test.skipIf(old === undefined)('killing it outright stops the program, too', async () => {
    link()
    const child = spawn(old ?? '', [launcher, 'wait'])
    await line(child)
    child.kill('SIGKILL')
    expect(await line(child)).toBe('told to stop\n')
  })
})
