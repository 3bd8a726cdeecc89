import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const samples = join(root, 'test/analysis/rules/sigma/samples')

type Answer = { readonly code: number; readonly out: string; readonly err: string }

function rules(...options: string[]): Promise<Answer> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [join(root, 'bin/sallyport.js'), 'rules', ...options],
      { cwd: root, env: { PATH: process.env['PATH'] } },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    )
  })
}

describe('rules check', () => {
  test('refuses a folder that is not there', async () => {
    const { code, err } = await rules('check', join(samples, 'nowhere'))
    expect(code).toBe(1)
    expect(err).toContain('There is no folder')
  })

  test('says which rules of a folder are refused, where and why, and fails for scripts', async () => {
    const { code, out } = await rules('check', samples)
    expect(code).toBe(1)
    expect(out).toContain(
      'refused  parent.yml: detection: it needs ParentImage: which program started another',
    )
    expect(out).toContain('note     list-of-maps.yml: detection: an alternative is left out')
    expect(out).toContain('5 rules can be used; 10 files are refused in whole or in part.')
  })

  test('takes a folder of rules in our own form', async () => {
    const { code, out } = await rules('check', join(root, 'rules/sql'))
    expect(code).toBe(0)
    expect(out).toMatch(/^\d+ rules can be used; none is refused\.\n$/)
  })
})

test('rules list names each rule with what it says, those of lines, of windows and of others', async () => {
  const { out } = await rules('list', '--sigma', samples, '--json')
  const listed = JSON.parse(out) as { id: string; says: string; check: string[] }[]
  const ids = listed.map(({ id }) => id)
  expect(ids).toEqual(expect.arrayContaining(['SSH-10', 'PG-01', 'SSH-26c']))
  expect(ids).toContain('sigma-0a6b1f0e-6a53-4c0a-9c55-6b1a2f0c0001')
  expect(new Set(ids).size).toBe(ids.length)
  for (const { says, check } of listed) expect(says.length * check.length).toBeGreaterThan(0)
})
