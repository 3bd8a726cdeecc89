/** `sallyport export`: takes a recording out. The audit log has noted it before the first byte leaves. */
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { type ExportFormat, exportFormats, exportRecording } from '../recorder/export.ts'
import { openAccess, resolveId } from './access.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway.ts'

type ExportOptions = WithConfig & { format: ExportFormat; output?: string; channel?: string }

export function addExport(program: Command): void {
  configOption(
    program
      .command('export')
      .description('take a recording out of the gateway')
      .argument('<session>', 'the id of a session, or "last"')
      .addOption(
        new Option('--format <format>', 'what to make of it')
          .choices([...exportFormats])
          .makeOptionMandatory(),
      )
      .option('--output <file>', 'where to (default: standard output)')
      .option('--channel <number>', 'which channel, where a format holds only one'),
  ).action(run)
}

async function run(id: string, options: ExportOptions): Promise<void> {
  const access = await openAccess(requireConfig(configFileOf(options), { withoutSecrets: true }))
  try {
    const file = await access.read(await resolveId(access, id), `export as ${options.format}`)
    const out =
      options.output === undefined
        ? process.stdout
        : createWriteStream(options.output, { flags: 'wx', mode: 0o600 })
    const channel = options.channel === undefined ? undefined : Number(options.channel)
    await write(out, exportRecording(file, options.format, channel))
    if (options.output !== undefined) await new Promise<void>(resolve => out.end(resolve))
  } finally {
    await access.close()
  }
}

async function write(out: Writable, pieces: AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces) if (!out.write(piece)) await once(out, 'drain')
}
