/** Functions that do more than compute: what they are to policy and to the rules that read facts. */
import type { DenyWord } from '../../config/deny-words.ts'
import type { StatementClass } from '../../model.ts'

export type FunctionWords = {
  readonly class: StatementClass
  readonly words: readonly DenyWord[]
}

/** They run SQL that stands in a string, which the grammar does not look into. */
const dynamic =
  /^(?:(?:query|table|schema|database|cursor)_to_xml(?:schema|_and_xmlschema)?|ts_stat|ts_rewrite|crosstab\w*|connectby|xpath_table)$/
const files =
  /^(?:pg_read_(?:binary_)?file(?:_\w+)?|pg_ls_\w*|pg_stat_file|pg_file_\w+|pg_logdir_ls|pg_current_logfile|lo_import|lo_export)$/
const largeObjects = /^(?:lo_\w+|loread|lowrite|lo(?:create|unlink|open|close))$/

const others: Readonly<Record<string, FunctionWords>> = {
  set_config: { class: 'session', words: ['set', 'set-config'] },
  pg_terminate_backend: { class: 'call', words: ['terminate-backend'] },
  pg_cancel_backend: { class: 'call', words: ['terminate-backend'] },
  pg_reload_conf: { class: 'privilege', words: ['alter-system'] },
  pg_rotate_logfile: { class: 'privilege', words: ['alter-system'] },
  pg_promote: { class: 'privilege', words: ['alter-system'] },
  pg_switch_wal: { class: 'privilege', words: ['alter-system'] },
  pg_notify: { class: 'session', words: ['listen', 'notify'] },
  nextval: { class: 'write', words: [] },
  setval: { class: 'write', words: [] },
}

/** What is known of a function by its name, without schema, in small letters. */
export function functionWords(name: string): FunctionWords | undefined {
  const known = Object.hasOwn(others, name) ? others[name] : undefined
  if (known !== undefined) return known
  if (name.startsWith('dblink')) return { class: 'call', words: ['dblink', 'dynamic-sql'] }
  if (name === 'lo_import' || name === 'lo_export')
    return {
      class: 'program',
      words: ['server-file', 'large-object', name === 'lo_import' ? 'lo-import' : 'lo-export'],
    }
  if (files.test(name)) return { class: 'program', words: ['server-file'] }
  if (largeObjects.test(name)) return { class: 'call', words: ['large-object'] }
  if (dynamic.test(name)) return { class: 'call', words: ['dynamic-sql'] }
  if (/^pg_(?:create|drop|copy)_\w*replication_slot$/.test(name) || name.startsWith('pg_replication_origin_'))
    return { class: 'privilege', words: ['replication'] }
  if (name.startsWith('pg_logical_slot_')) return { class: 'read', words: ['replication'] }
  return undefined
}
