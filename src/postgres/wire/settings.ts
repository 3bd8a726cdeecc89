/**
 * The server parameters that a client asks for at its start: straight, or as a command line in `options` (postinit.c,
 * `process_startup_options`; postgres.c, `process_postgres_switches`). What could change who acts, or load code, is not passed on.
 */
import type { Report } from './backend.ts'

/** A server parameter. The name is in lower case, with `_` for `-`, as guc.c compares it. */
export type Setting = { readonly name: string; readonly value: string }

export type Settings =
  | { readonly kind: 'settings'; readonly settings: readonly Setting[] }
  | { readonly kind: 'refused'; readonly error: Report }

/** In a StartupMessage these are not parameters of the server. */
const notSettings = new Set(['user', 'database', 'replication', 'options'])

/**
 * What clients, drivers and tools set at the start, and what shapes only the answers of the session itself. Not among them: `role`
 * and `session_authorization` (who acts, policy says), `local_preload_libraries` and the like (code), and what nobody
 * needs before the first statement: `SET` can still be said then, and is on record.
 */
const passedOn = new Set(
  `application_name backend_flush_after bytea_output client_encoding client_min_messages constraint_exclusion
  cursor_tuple_fraction datestyle deadlock_timeout default_statistics_target default_table_access_method
  default_tablespace default_text_search_config default_toast_compression default_transaction_deferrable
  default_transaction_isolation default_transaction_read_only effective_cache_size effective_io_concurrency
  enable_async_append enable_bitmapscan enable_gathermerge enable_group_by_reordering enable_hashagg enable_hashjoin
  enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
  enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
  enable_partitionwise_aggregate enable_partitionwise_join enable_seqscan enable_sort enable_tidscan
  escape_string_warning extra_float_digits force_parallel_mode debug_parallel_query from_collapse_limit geqo
  gin_fuzzy_search_limit hash_mem_multiplier idle_in_transaction_session_timeout idle_session_timeout
  intervalstyle jit join_collapse_limit lc_messages lc_monetary lc_numeric lc_time lock_timeout
  maintenance_work_mem max_parallel_workers_per_gather max_parallel_maintenance_workers max_parallel_workers
  min_parallel_index_scan_size min_parallel_table_scan_size parallel_leader_participation
  parallel_setup_cost parallel_tuple_cost plan_cache_mode quote_all_identifiers random_page_cost row_security
  search_path seq_page_cost statement_timeout synchronize_seqscans synchronous_commit tcp_keepalives_count
  tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers temp_tablespaces timezone
  timezone_abbreviations transaction_timeout work_mem standard_conforming_strings xmlbinary xmloption`.split(
    /\s+/,
  ),
)

/** An application's own, such as `app.tenant`: the server checks who may set those of extensions. */
const ownParameter = /^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)+$/

/** A command line of this many words says too much. */
const maxOptions = 100

/** In the order in which the server applies them: `options` first, then the parameters of the packet. */
export function readSettings(pairs: ReadonlyMap<string, string>): Settings {
  const fromOptions = readOptions(pairs.get('options') ?? '')
  if (fromOptions.kind === 'refused') return fromOptions
  const settings = [...fromOptions.settings]
  for (const [name, value] of pairs) {
    if (notSettings.has(name) || name.startsWith('_pq_.')) continue
    settings.push({ name: canonical(name), value })
  }
  const unwanted = settings.find(({ name }) => !passedOn.has(name) && !ownParameter.test(name))
  if (unwanted !== undefined) return notPassedOn(unwanted.name)
  return settings.map(unreadableWith).find(each => each !== undefined) ?? { kind: 'settings', settings }
}

/**
 * Encodings in which the byte of a backslash or a quote may be half of a character: a text ends elsewhere than it seems. PostgreSQL
 * itself refuses them on the server's side for that reason (pg_wchar.h, `PG_ENCODING_BE_LAST`). With their other names.
 */
const unsafeEncodings = new Set(
  `sjis mskanji shiftjis win932 windows932 shiftjis2004 big5 win950 windows950 gbk win936 windows936 gb18030 uhc win949
  windows949 johab`.split(/\s+/),
)

/** Whether texts in it could not be read for what they are. */
export function isUnsafeEncoding(encoding: string): boolean {
  return unsafeEncodings.has(encodingKey(encoding))
}

/** `pg_char_to_encoding` compares letters and digits only. */
export function encodingKey(encoding: string): string {
  return encoding.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/** parse_bool_with_len: any unambiguous beginning. */
export function isOn(value: string): boolean {
  return /^(?:on|t(?:r(?:ue?)?)?|y(?:es?)?|1)$/i.test(value)
}

/** What changes where strings end is refused for every session: what it may not do is read off its texts. */
function unreadableWith({ name, value }: Setting): Settings | undefined {
  if (name === 'client_encoding' && isUnsafeEncoding(value)) return refuseEncoding(value)
  if (name === 'standard_conforming_strings' && !isOn(value))
    return refuse('42501', 'standard_conforming_strings stays on in sessions through this gateway')
  return undefined
}

/** GUC names ignore case; `-` stands for `_` on a command line (`ParseLongOption`). */
function canonical(name: string): string {
  return name.toLowerCase().replaceAll('-', '_')
}

function readOptions(line: string): Settings {
  const words = splitOptions(line)
  const settings: Setting[] = []
  if (words.length > maxOptions) return refuse('22023', `more than ${maxOptions} words in "options"`)
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const assignment = word === '-c' ? words[++at] : /^(?:-c|--)(.*)$/s.exec(word)?.[1]
    const equals = assignment?.indexOf('=') ?? -1
    if (assignment === undefined || equals <= 0) return badSwitch(word)
    settings.push({ name: canonical(assignment.slice(0, equals)), value: assignment.slice(equals + 1) })
  }
  return { kind: 'settings', settings }
}

/** `pg_split_opts`: white space separates, a backslash takes the next character as it is. */
function splitOptions(line: string): readonly string[] {
  return (line.match(/(?:\\[\s\S]|[^ \t\n\v\f\r\\])+/g) ?? []).map(word =>
    word.replaceAll(/\\([\s\S])/g, '$1'),
  )
}

function badSwitch(word: string): Settings {
  return refuse(
    '42601',
    `invalid command-line argument for server process: ${word.slice(0, 100)}`,
    'This gateway passes on -c name=value and --name=value.',
  )
}

function notPassedOn(name: string): Settings {
  return refuse(
    '42501',
    `this gateway does not pass on the parameter "${name.slice(0, 63)}" at the start of a session`,
    'Leave it out of the connection string and of PGOPTIONS, and use SET once you are connected.',
  )
}

function refuse(sqlstate: string, message: string, hint?: string): Settings {
  const error = { severity: 'FATAL', code: sqlstate, message, ...(hint === undefined ? {} : { hint }) }
  return { kind: 'refused', error }
}

/** Where texts are judged, they are judged as UTF-8 with standard strings, and the server has to read them so too. */
export function settingsForRules(settings: readonly Setting[]): Settings {
  for (const { name, value } of settings) {
    if (name === 'client_encoding' && !readsAsUtf8(value)) return refuseEncoding(value)
    if (name === 'standard_conforming_strings' && !isOn(value))
      return refuse('42501', 'standard_conforming_strings stays on where rules for statements apply')
  }
  const own = ['client_encoding', 'standard_conforming_strings']
  const others = settings.filter(({ name }) => !own.includes(name))
  // Said, not left to the server's configuration: RESET comes back to what was said here.
  const said = [
    { name: 'client_encoding', value: 'UTF8' },
    { name: 'standard_conforming_strings', value: 'on' },
  ]
  return { kind: 'settings', settings: [...others, ...said] }
}

function refuseEncoding(value: string): Settings {
  return refuse(
    '42501',
    `client_encoding "${value.slice(0, 63)}" cannot be read by this gateway`,
    'Set PGCLIENTENCODING=UTF8 and connect again.',
  )
}

/** A client that says SQL_ASCII takes any bytes. */
function readsAsUtf8(encoding: string): boolean {
  return ['utf8', 'unicode', 'sqlascii'].includes(encodingKey(encoding))
}
