/**
 * `npm run soak -- tamper [--step N]`: every bit of every byte of a corpus (recordings of each kind, an audit log, two logs of sessions) flipped, every
 * cut, every byte doubled, dropped or exchanged, every record doubled, taken out or exchanged with each other one. All of it has to be found.
 */
import { parseArgs } from 'node:util'
import { makeCorpus, makeTree } from '../recorder/tamper/corpus.ts'
import {
  type Effort,
  type Report,
  tamperWithAudit,
  tamperWithRecording,
  tamperWithTree,
} from '../recorder/tamper/tamper.ts'

/** True if nothing escaped. */
export async function soakTamper(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({ args: [...args], options: { step: { type: 'string', default: '1' } } })
  const effort = { isExhaustive: true, step: Number(values.step) }
  const corpus = await makeCorpus()
  const reports = Object.entries(corpus.recordings).map(([name, file]) =>
    told(`recording ${name}`, () => tamperWithRecording(file, corpus.keys, effort)),
  )
  for (const file of corpus.auditFiles)
    reports.push(
      told(file, () => tamperWithAudit(corpus.audit, corpus.auditFiles, file, corpus.keys, effort)),
    )
  for (const entries of [3, 300]) reports.push(...(await tamperWithNewTree(entries, effort)))
  const tried = reports.reduce((sum, report) => sum + report.tried, 0)
  const wrong = reports.flatMap(report => report.wrong)
  process.stdout.write(`${tried} changes, ${wrong.length} not found or not named rightly\n`)
  for (const text of wrong.slice(0, 100)) process.stdout.write(`${text}\n`)
  return wrong.length === 0
}

async function tamperWithNewTree(entries: number, effort: Effort): Promise<readonly Report[]> {
  const tree = await makeTree(entries)
  return tree.files.map(file =>
    told(`${entries} entries: ${file}`, () => tamperWithTree(tree.folder, file, tree.key, effort)),
  )
}

function told(what: string, work: () => Report): Report {
  const report = work()
  process.stdout.write(`${what}: ${report.tried} changes, ${report.wrong.length} wrong\n`)
  return report
}
