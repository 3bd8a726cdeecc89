// `npm test`: every check, then every test that this machine can run. Says what was skipped, by name, and ends with `N passed, N failed`.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'

/** Longer than the slowest machine takes for all of them. */
const maxTestMinutes = 48
/** More than these do not fail for want of a processor. */
const maxFilesAlone = 6
const deadlineMs = Date.now() + maxTestMinutes * 60_000
mkdirSync('.cache', { recursive: true })

const counts = { passed: 0, failed: 0, skipped: 0 }
const failedChecks = []

for (const check of ['format', 'lint', 'types', 'unused']) {
  const { status } = spawnSync('npm', ['run', '--silent', `check:${check}`], { stdio: 'inherit' })
  if (status === 0) counts.passed++
  else {
    counts.failed++
    failedChecks.push(`check:${check}`)
  }
}

if (spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' }).status !== 0) {
  counts.failed++
  failedChecks.push('build')
}
const { files, exitCode } = await runAlone(await runTests('.cache/test-summary.json'))
const skipped = count(files)

if (skipped.length > 0)
  console.log(
    `\n${counts.skipped} skipped, since this machine lacks what they need:\n${skipped.map(name => `  ${name}`).join('\n')}`,
  )
if (failedChecks.length > 0) console.log(`\nFailed checks: ${failedChecks.join(', ')}`)
const isWell = counts.failed === 0 && exitCode === 0
if (!isWell && counts.failed === 0) counts.failed = 1 // a run that failed beside its tests
console.log(`\n${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = isWell ? 0 : 1

/**
 * Runs tests in a process group of their own and ends whatever they leave behind: a server that outlives its test would hold the
 * output of this process, and whoever reads it would wait for ever.
 */
async function runTests(summary, ...more) {
  rmSync(summary, { force: true })
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${summary}`, ...more]
  const child = spawn('vitest', args, { stdio: 'inherit', detached: true })
  const end = () => endGroup(child.pid)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, end)
  const timer = setTimeout(() => {
    console.error(`The tests did not end within ${maxTestMinutes} minutes.`)
    end()
  }, deadlineMs - Date.now())
  const exitCode = await new Promise(resolve => {
    child.once('error', () => resolve(1))
    child.once('exit', code => resolve(code ?? 1))
  })
  clearTimeout(timer)
  end()
  return { exitCode, files: filesIn(summary) }
}

function endGroup(leader) {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL')
  } catch {
    // nobody is left
  }
}

/**
 * The few files that failed run once more, one after the other: beside others, a test with six servers can fail for want of a
 * processor. What fails twice has failed; what failed once is named, since it wants a look all the same.
 */
async function runAlone(first) {
  const failed = first.files?.filter(file => file.status === 'failed') ?? []
  if (failed.length === 0 || failed.length > maxFilesAlone) return first
  const names = failed.map(file => file.name)
  console.log(`\nFailed beside others, so they run once more, alone:\n${names.join('\n')}\n`)
  const again = await runTests('.cache/test-summary-alone.json', '--no-file-parallelism', ...names)
  const rest = first.files.filter(file => !names.includes(file.name))
  for (const test of failed.flatMap(file => file.assertionResults))
    if (test.status === 'failed') console.log(`Failed beside others: ${test.fullName}`)
  return { exitCode: again.exitCode, files: again.files && [...rest, ...again.files] }
}

/** Undefined of a run that ended before it could report. */
function filesIn(summary) {
  try {
    return JSON.parse(readFileSync(summary, 'utf8')).testResults
  } catch {
    return undefined
  }
}

/** Adds the tests to the counts and returns the names of those that were skipped. A run without a report has failed. */
function count(files) {
  if (files === undefined) {
    counts.failed++
    return []
  }
  const tests = files.flatMap(file => file.assertionResults)
  const those = (...states) => tests.filter(test => states.includes(test.status))
  const broken = files.filter(file => file.status === 'failed' && file.assertionResults.length === 0)
  counts.passed += those('passed').length
  counts.failed += those('failed').length + broken.length
  counts.skipped += those('pending', 'skipped', 'todo').length
  return those('pending', 'skipped').map(test => test.fullName)
}
