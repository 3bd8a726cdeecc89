// `npm test`: every check, then every test that this machine can run. Ends with what was skipped, by name, and one line of counts.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'

const summary = '.cache/test-summary.json'
/** Longer than the slowest machine takes for all of them. */
const maxTestMinutes = 50
mkdirSync('.cache', { recursive: true })
rmSync(summary, { force: true })

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
const exitCode = await runTests()
const skipped = count()

if (skipped.length > 0)
  console.log(
    `\nSkipped, since this machine lacks what they need:\n${skipped.map(name => `  ${name}`).join('\n')}`,
  )
if (failedChecks.length > 0) console.log(`\nFailed checks: ${failedChecks.join(', ')}`)
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed === 0 && exitCode === 0 ? 0 : 1

/**
 * Runs all tests in a process group of their own and ends whatever they leave behind: a server that outlives its test would hold
 * the output of this process, and whoever reads it would wait for ever.
 */
async function runTests() {
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${summary}`]
  const child = spawn('vitest', args, { stdio: 'inherit', detached: true })
  const end = () => endGroup(child.pid)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
  const timer = setTimeout(() => {
    console.error(`The tests did not end within ${maxTestMinutes} minutes.`)
    end()
  }, maxTestMinutes * 60_000)
  const code = await new Promise(resolve => {
    child.once('error', () => resolve(1))
    child.once('exit', code => resolve(code ?? 1))
  })
  clearTimeout(timer)
  end()
  return code
}

function endGroup(leader) {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL')
  } catch {
    // nobody is left
  }
}

/** Adds the tests to the counts and returns the names of those that were skipped. A run without a report has failed. */
function count() {
  try {
    const report = JSON.parse(readFileSync(summary, 'utf8'))
    counts.passed += report.numPassedTests
    counts.failed += report.numFailedTests
    counts.failed += report.testResults.filter(
      file => file.status === 'failed' && file.assertionResults.length === 0,
    ).length
    counts.skipped += report.numPendingTests + report.numTodoTests
    const all = report.testResults.flatMap(file => file.assertionResults)
    return all
      .filter(test => test.status === 'pending' || test.status === 'skipped')
      .map(test => test.fullName)
  } catch {
    counts.failed++
    return []
  }
}
