/** The composition root: reads the command line and runs the command. `bin/sallyport.js` finds the Node that runs this. */
import { Command } from 'commander'
import { addBacktest } from './cli/backtest.ts'
import { addCheck } from './cli/check.ts'
import { addDemo } from './cli/demo.ts'
import { addExplain } from './cli/explain.ts'
import { addExport } from './cli/export.ts'
import { addFindings } from './cli/findings.ts'
import { addKeys } from './cli/keys.ts'
import { addNotify } from './cli/notify.ts'
import { addPlay } from './cli/play.ts'
import { productVersion } from './cli/product-version.ts'
import { addReindex } from './cli/reindex.ts'
import { addReload } from './cli/reload.ts'
import { addRetention } from './cli/retention.ts'
import { addRules } from './cli/rules.ts'
import { addSearch } from './cli/search.ts'
import { addServe } from './cli/serve.ts'
import { addSessions } from './cli/sessions.ts'
import { addSweep } from './cli/sweep.ts'
import { addTargets } from './cli/targets.ts'
import { addVerify } from './cli/verify.ts'
import { Fault } from './errors.ts'

const program = new Command('sallyport')
  .description(
    'A privileged session proxy for SSH and PostgreSQL: sign-in in the browser, just-once credentials, recordings that prove themselves.',
  )
  .version(productVersion)
  .showHelpAfterError('(sallyport --help shows what there is)')

for (const add of [
  addServe,
  addDemo,
  addCheck,
  addExplain,
  addReload,
  addSessions,
  addSearch,
  addReindex,
  addFindings,
  addPlay,
  addExport,
  addVerify,
  addKeys,
  addTargets,
  addRetention,
  addNotify,
  addSweep,
  addBacktest,
  addRules,
]) {
  add(program)
}

process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code !== 'EPIPE') throw cause
  process.exit(0) // the reader has had enough, as with `| head`
})

try {
  await program.parseAsync()
} catch (thrown) {
  if (!(thrown instanceof Fault)) throw thrown
  process.stderr.write(`sallyport: ${thrown.userText}\n`)
  process.exitCode = 1
}
