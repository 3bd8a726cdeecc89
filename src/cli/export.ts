/** `sallyport export`: takes a recording out. The audit log has noted it before the first byte leaves. */
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { type ExportFormat, exportFormats, exportRecording } from '../recorder/export.ts'
import { openAccess, resolveId } from './access.ts'
import { auditorKeyOption, isCopy, readOptionsOf, type WithAuditorKey } from './auditor-key.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { requireConfig } from './gateway.ts'

type ExportOptions = WithConfig & WithAuditorKey & { format: ExportFormat; output?: string; channel?: string }

export function addExport(program: Command): void {
  auditorKeyOption(
    configOption(
      program
        .command('export')
        .description('take a recording out of the gateway')
        .argument('<session>', 'the id of a session, or "last"; with --auditor-key also the file of a copy')
        .addOption(
          new Option('--format <format>', 'what to make of it')
            .choices([...exportFormats])
            .makeOptionMandatory(),
        )
        .option('--output <file>', 'where to (default: standard output)')
        .option('--channel <number>', 'which channel, where a format holds only one'),
    ),
  ).action(run)
}

async function run(id: string, options: ExportOptions): Promise<void> {
  if (isCopy(id, options)) return exportFile(id, options)
  const access = await openAccess(requireConfig(configFileOf(options), { withoutSecrets: true }))
  try {
    await exportFile(await access.read(await resolveId(access, id), `export as ${options.format}`), options)
  } finally {
    await access.close()
  }
}

async function exportFile(file: string, options: ExportOptions): Promise<void> {
  const readOptions = await readOptionsOf(file, options)
  const out =
    options.output === undefined
      ? process.stdout
      : createWriteStream(options.output, { flags: 'wx', mode: 0o600 })
  const channel = options.channel === undefined ? undefined : Number(options.channel)
  await write(out, exportRecording(file, options.format, channel, readOptions))
  if (options.output !== undefined) await new Promise<void>(resolve => out.end(resolve))
}

async function write(out: Writable, pieces: AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces) if (!out.write(piece)) await once(out, 'drain')
}
