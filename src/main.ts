/** The composition root: reads the command line and runs the command. `bin/sallyport.js` finds the Node that runs this. */
import { Command } from 'commander'
import { productVersion } from './cli/product-version.ts'
import { Fault } from './errors.ts'

type Add = (program: Command) => void

/** In the order of the help. Loaded when they are named: all of them are over a thousand files, and take most of a second. */
const commands: Readonly<Record<string, () => Promise<Add>>> = {
  serve: async () => (await import('./cli/serve.ts')).addServe,
  demo: async () => (await import('./cli/demo.ts')).addDemo,
  check: async () => (await import('./cli/check.ts')).addCheck,
  explain: async () => (await import('./cli/explain.ts')).addExplain,
  reload: async () => (await import('./cli/reload.ts')).addReload,
  sessions: async () => (await import('./cli/sessions.ts')).addSessions,
  search: async () => (await import('./cli/search.ts')).addSearch,
  reindex: async () => (await import('./cli/reindex.ts')).addReindex,
  findings: async () => (await import('./cli/findings.ts')).addFindings,
  play: async () => (await import('./cli/play.ts')).addPlay,
  export: async () => (await import('./cli/export.ts')).addExport,
  verify: async () => (await import('./cli/verify.ts')).addVerify,
  keys: async () => (await import('./cli/keys.ts')).addKeys,
  targets: async () => (await import('./cli/targets.ts')).addTargets,
  retention: async () => (await import('./cli/retention.ts')).addRetention,
  notify: async () => (await import('./cli/notify.ts')).addNotify,
  sweep: async () => (await import('./cli/sweep.ts')).addSweep,
  backtest: async () => (await import('./cli/backtest.ts')).addBacktest,
  rules: async () => (await import('./cli/rules.ts')).addRules,
}

/** Whatever is not the name of a command gets a help or an error that names them all. */
function wanted(first = ''): readonly (() => Promise<Add>)[] {
  if (first === '--version' || first === '-V') return []
  const named = Object.hasOwn(commands, first) ? commands[first] : undefined
  return named === undefined ? Object.values(commands) : [named]
}

const program = new Command('sallyport')
  .description(
    'A privileged session proxy for SSH and PostgreSQL: sign-in in the browser, just-once credentials, recordings that prove themselves.',
  )
  .version(productVersion)
  .showHelpAfterError('(sallyport --help shows what there is)')

for (const load of wanted(process.argv[2])) (await load())(program)

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
