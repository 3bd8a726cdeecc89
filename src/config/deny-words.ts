/** The words of `deny.statements`, one for each kind of thing that a statement can do, and what each stands for. */
export const denyWords = {
  select: 'SELECT, TABLE and VALUES',
  insert: 'INSERT',
  update: 'UPDATE',
  delete: 'DELETE',
  merge: 'MERGE',
  truncate: 'TRUNCATE',
  'copy-from': 'COPY … FROM',
  'copy-to': 'COPY … TO',
  'copy-program': 'COPY … PROGRAM, which runs a program on the server',
  'copy-file': 'COPY from or to a file of the server',
  create: 'CREATE of tables, views, indexes, schemas, types and the like',
  'create-function': 'CREATE FUNCTION and CREATE PROCEDURE',
  'create-trigger': 'CREATE TRIGGER, CREATE RULE and CREATE EVENT TRIGGER',
  'create-extension': 'CREATE EXTENSION',
  'create-server': 'CREATE SERVER, USER MAPPING, FOREIGN TABLE, SUBSCRIPTION and PUBLICATION',
  'create-role': 'CREATE ROLE, USER and GROUP',
  alter: 'ALTER of anything but roles, databases and the system',
  'alter-role': 'ALTER ROLE, USER and GROUP',
  'alter-system': 'ALTER SYSTEM and ALTER DATABASE',
  drop: 'DROP of anything but roles',
  'drop-role': 'DROP ROLE, USER and GROUP',
  grant: 'GRANT, REVOKE and ALTER DEFAULT PRIVILEGES',
  reassign: 'REASSIGN OWNED and DROP OWNED',
  'set-role': 'SET ROLE, RESET ROLE and SET SESSION AUTHORIZATION',
  set: 'SET and RESET of settings',
  do: 'DO',
  call: 'CALL',
  load: 'LOAD',
  lock: 'LOCK',
  listen: 'LISTEN, UNLISTEN and NOTIFY',
  explain: 'EXPLAIN',
  prepare: 'PREPARE of a statement',
  execute: 'EXECUTE of a prepared statement',
  declare: 'DECLARE of a cursor',
  'prepare-transaction': 'PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED',
  vacuum: 'VACUUM, ANALYZE, CLUSTER, REINDEX and CHECKPOINT',
  function: "the protocol's own function call, which large objects use",
} as const satisfies Record<string, string>

export type DenyWord = keyof typeof denyWords

export function isDenyWord(word: string): word is DenyWord {
  return Object.hasOwn(denyWords, word)
}
