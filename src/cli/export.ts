/** `sallyport export`: takes a recording out. The audit log has noted it before the first byte leaves. */
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { checkpointFile } from '../audit/tree/tree-files.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { readKeyList } from '../credentials/key-list.ts'
import { keyListFile } from '../credentials/key-ring.ts'
import { Fault } from '../errors.ts'
import { bundleOf, type BundleParts } from '../recorder/bundle/bundle.ts'
import { type ExportFormat, exportFormats, exportRecording } from '../recorder/export.ts'
import { takeFile } from '../recorder/file-content.ts'
import { FormatProblem } from '../recorder/format.ts'
import type { ReadOptions } from '../recorder/reader.ts'
import { type Access, openAccess, resolveId } from './access.ts'
import { auditorKeyOption, isCopy, readOptionsOf, type WithAuditorKey } from './auditor-key.ts'
import { configFileOf, configOption, type WithConfig } from './config-option.ts'
import { foldersOf } from './folders.ts'
import { tellGap, withNextGood } from './tell-gap.ts'
import { requireConfig } from './gateway/configuration.ts'

const bundle = 'bundle'

type ExportOptions = WithConfig &
  WithAuditorKey & {
    format?: ExportFormat | typeof bundle
    file?: string
    output?: string
    channel?: string
    pastDamage?: boolean
  }

export function addExport(program: Command): void {
  auditorKeyOption(
    configOption(
      program
        .command('export')
        .description('take a recording out of the gateway')
        .argument('<session>', 'the id of a session, or "last"; with --auditor-key also the file of a copy')
        .addOption(new Option('--format <format>', 'what to make of it').choices([...exportFormats, bundle]))
        .option(
          '--file <number>',
          'take out a file that passed, as numbered by "play --files", if it was kept',
        )
        .option('--output <file>', 'where to (default: standard output)')
        .option('--channel <number>', 'which channel, where a format holds only one')
        .option('--past-damage', 'of a damaged recording, also what can be read behind the damage'),
    ),
  ).action(run)
}

async function run(id: string, options: ExportOptions): Promise<void> {
  const { format, file } = options
  if (file !== undefined || format === bundle) refuseTerminal(options)
  if ((format === undefined) === (file === undefined))
    throw new Fault(
      'CONFIG_INVALID',
      'Say either what to make of it (--format), or which file to take out (--file).',
    )
  if (isCopy(id, options)) return exportFile(id, options)
  const config = requireConfig(configFileOf(options), { withoutSecrets: true })
  const access = await openAccess(config)
  try {
    const session = await resolveId(access, id)
    if (format === bundle) return await exportBundle(access, session, config, options)
    const purpose = format === undefined ? `export of file ${file}` : `export as ${format}`
    await exportFile(await access.read(session, purpose), options)
  } finally {
    await access.close()
  }
}

async function exportFile(file: string, options: ExportOptions): Promise<void> {
  try {
    await exportReadable(file, options)
  } catch (error) {
    throw error instanceof FormatProblem ? withNextGood(file, error) : error
  }
}

async function exportReadable(file: string, options: ExportOptions): Promise<void> {
  const onGap = options.pastDamage === true ? tellGap : undefined
  const readOptions = { ...(await readOptionsOf(file, options)), onGap }
  if (options.file !== undefined) return exportOneFile(file, options, readOptions)
  if (options.format === undefined || options.format === bundle)
    throw new Fault('CONFIG_INVALID', 'A bundle is made on the gateway, where the proofs are.')
  const channel = options.channel === undefined ? undefined : Number(options.channel)
  await writeOut(options, exportRecording(file, options.format, channel, readOptions))
}

async function exportOneFile(file: string, options: ExportOptions, readOptions: ReadOptions): Promise<void> {
  const taken = takeFile(file, Number(options.file), readOptions)
  await writeOut(options, [taken.bytes])
  if (taken.problem === undefined) return
  process.stderr.write(`sallyport: ${taken.problem}\n`)
  process.exitCode = 1
}

async function exportBundle(
  access: Access,
  session: string,
  config: Config,
  options: ExportOptions,
): Promise<void> {
  const { path, signed } = await access.readSigned(session, `export as ${bundle}`)
  await writeOut(
    options,
    bundleOf({ file: path, export: signed, ...proofsOf(config), nowMs: systemClock.nowMs() }),
  )
}

/** What else proves it: the gateway's keys, and how far its log of sessions is. */
function proofsOf(config: Config): Pick<BundleParts, 'keys' | 'keyList' | 'checkpoint' | 'origin'> {
  const { keys, sessionLog } = foldersOf(config)
  const keyList = readFileSync(join(keys, keyListFile), 'utf8')
  const checkpoint = textAt(join(sessionLog, checkpointFile))
  return {
    keys: readKeyList(keyList, 'the list of keys').keys.flatMap(({ purpose, keyId, publicKey }) =>
      purpose === 'recording-heads' || purpose === 'log-checkpoints'
        ? [{ purpose, keyId, publicKeyPem: publicKey }]
        : [],
    ),
    keyList,
    checkpoint,
    origin: checkpoint?.split('\n', 1)[0] ?? config.gateway.name,
  }
}

function textAt(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** Bytes of others may do anything to a terminal; what is safe to print goes wherever it is sent. */
function refuseTerminal({ output }: ExportOptions): void {
  if (output === undefined && process.stdout.isTTY)
    throw new Fault('CONFIG_INVALID', 'These bytes are not for a terminal. Say where to: --output FILE.')
}

async function writeOut(
  { output }: ExportOptions,
  pieces: AsyncIterable<string> | Iterable<Buffer>,
): Promise<void> {
  const out = output === undefined ? process.stdout : createWriteStream(output, { flags: 'wx', mode: 0o600 })
  for await (const piece of pieces) if (!out.write(piece)) await once(out, 'drain')
  if (output !== undefined) await new Promise<void>(resolve => out.end(resolve))
}
