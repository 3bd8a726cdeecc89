/** `reindex` without a gateway: over recordings and a store as a stopped gateway leaves them. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { WindowKeeper } from '../../src/analysis/rules/window-keeper.ts'
import { foldersOf } from '../../src/cli/folders.ts'
import { rebuild } from '../../src/cli/reindex.ts'
import type { Config } from '../../src/config/config.ts'
import type { FindingRow } from '../../src/model.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import { exec, Recordings } from '../analysis/analyst/recordings.ts'
import { policyWith } from '../policy/people.ts'
import { newFolder } from '../recorder/support.ts'

afterEach(() => vi.restoreAllMocks())

function configIn(data: string, recordings: string): Config {
  const config = policyWith(
    'ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }], on: [{ finding: { severity: low }, do: end }] }',
  )
  mkdirSync(join(data, 'keys'), { recursive: true, mode: 0o700 })
  return {
    ...config,
    gateway: { ...config.gateway, data },
    recording: { ...config.recording, folder: recordings },
  }
}

async function findingsIn(data: string): Promise<readonly FindingRow[]> {
  const store = await openStore(data)
  try {
    return await store.findings.list({ limit: 100 })
  } finally {
    await store.close()
  }
}

function auditKindsIn(folder: string): string[] {
  return readdirSync(folder).flatMap(name =>
    readFileSync(join(folder, name), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => (JSON.parse(line) as { kind: string }).kind),
  )
}

test('makes the findings that are missing, once, draws no sample and acts on nothing', async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const recordings = new Recordings()
  const data = newFolder()
  const config = configIn(data, recordings.bench.folder)
  const recording = await recordings.open('s1')
  await recordings.record(recording, exec('cat /etc/shadow', 1))
  await recording.seal('closed')
  recordings.ended('s1')
  await recordings.recorder.close()
  const store = await openStore(data)
  for (const row of recordings.rows) await store.sessions.insert(row)
  await store.close()
  const sampling = { ...config, analysis: { ...config.analysis, sampleShare: 1 } }

  await rebuild(sampling, 'local user 0')
  const [finding, ...others] = await findingsIn(data)
  expect(others).toEqual([])
  expect(finding).toMatchObject({ session: 's1', group: 'SSH-16', kind: 'rule', place: 'queue' })
  await rebuild(sampling, 'local user 0')
  expect(await findingsIn(data)).toEqual([finding])

  const kinds = auditKindsIn(foldersOf(config).audit)
  expect(kinds.filter(kind => kind === 'finding-noticed')).toHaveLength(1)
  expect(kinds).not.toContain('session-held')
  const row = recordings.rows[0]
  const keeper = new WindowKeeper(join(foldersOf(config).profiles, 'windows'))
  const [[, counted] = []] = keeper.load(`${row?.issuer}\n${row?.subject}`)?.sessions ?? []
  expect(counted?.entries).toBe(1)
})
