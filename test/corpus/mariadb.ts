/** What people do in the client of MariaDB, as keys, with the lines that it reads. */
import { appPassword } from './mariadb-server.ts'
import { type Scenario, type Step } from './scenarios.ts'
import type { ShellName } from './shells.ts'

const [up, left, right, home, end, interrupt, endOfFile, killLine, search] = [
  '\x1b[A',
  '\x1b[D',
  '\x1b[C',
  '\x01',
  '\x05',
  '\x03',
  '\x04',
  '\x15',
  '\x12',
]
const back = (count: number): string => '\x7f'.repeat(count)
const run = (...lines: readonly string[]): string[] => lines.map(line => `${line}\r`)
const soon: Step = { ms: 500 }

type Visit = {
  readonly name: string
  readonly start?: readonly Step[]
  readonly lines: readonly Step[]
  readonly repl: readonly string[]
  readonly after?: readonly Step[]
  readonly only?: readonly ShellName[]
  readonly size?: readonly [number, number]
}

const joined =
  'select o.id, o.item, o.price * 2 as twice from orders o join orders p on o.id = p.id where o.price > 1 order by o.id'

const writtenWith: readonly Visit[] = [
  {
    name: 'look around',
    lines: run('show databases;', 'use shop', 'show tables;', 'select * from orders;', 'quit'),
    repl: ['show databases;', 'use shop', 'show tables;', 'select * from orders;', 'quit'],
  },
  {
    name: 'several rows',
    start: run('mariadb shop'),
    lines: run('select id,', 'item', 'from orders', 'where id = 1;', 'exit'),
    repl: ['select id,\nitem\nfrom orders\nwhere id = 1;', 'exit'],
  },
  {
    name: 'open quotes',
    start: run('mariadb shop'),
    lines: run("select 'one", "two' as a;", 'select "three', 'four";', '/* a', 'note */ select 5;', '\\q'),
    repl: ["select 'one\ntwo' as a;", 'select "three\nfour";', '/* a\nnote */ select 5;', '\\q'],
  },
  {
    name: 'edited',
    start: run('mariadb shop'),
    lines: [
      `select 1${back(1)}2;\r`,
      `elect 3;${home}s${end}\r`,
      `select 45;${left.repeat(2)}${right}6\r`,
      `${up}\r`,
      `xxx${killLine}select 7;\r`,
      endOfFile,
    ],
    repl: ['select 2;', 'select 3;', 'select 456;', 'select 456;', 'select 7;'],
  },
  {
    name: 'a password is asked for',
    start: ['mariadb -u app -p shop\r', soon, `${appPassword}\r`, soon],
    lines: run('select current_user();', 'select count(*) from orders\\G', 'quit;'),
    repl: ['select current_user();', 'select count(*) from orders\\G', 'quit;'],
  },
  {
    name: 'mistakes',
    start: run('mysql shop'),
    lines: run('selec 1;', 'select * from nowhere;', 'select 1; select 2;', 'help', '\\s', '\\q'),
    repl: ['selec 1;', 'select * from nowhere;', 'select 1; select 2;', 'help', '\\s', '\\q'],
  },
  {
    name: 'given up',
    start: run('mariadb shop'),
    lines: ['select 1,\r', '2 \\c\r', `drop table orders${interrupt}`, 'select 3;\r', '\\q\r'],
    repl: ['select 1,\n2 \\c', 'select 3;', '\\q'],
  },
  {
    name: 'narrow',
    start: run('mariadb shop'),
    size: [50, 16],
    lines: [...run(`${joined};`, 'select 1;'), `${up}${up}\r`, '\\q\r'],
    repl: [`${joined};`, 'select 1;', `${joined};`, '\\q'],
  },
  {
    name: 'pasted',
    start: run('mariadb shop'),
    lines: [{ at: 'select 1;\r' }, { at: 'select 2;\rselect 3;\r' }, 'select 4;\r', '\\q\r'],
    repl: ['select 1;', 'select 2;', 'select 3;', 'select 4;', '\\q'],
  },
  {
    name: 'another prompt',
    start: run("mariadb --prompt='\\u@\\h [\\d]> ' shop"),
    lines: run('select 1;', 'select', '2;', '\\q'),
    repl: ['select 1;', 'select\n2;', '\\q'],
  },
]

const heldOut: readonly Visit[] = [
  {
    name: 'a question of accounting',
    start: run('cd logs', 'mariadb -D shop'),
    lines: run(
      'desc orders;',
      'select item, sum(price)',
      'from orders',
      'group by item',
      'having sum(price) > 3;',
      'explain select * from orders where id = 2\\G',
      "update orders set price = 6 where item = 'pears';",
      'begin;',
      'delete from orders where id = 3;',
      'rollback;',
      'exit;',
    ),
    repl: [
      'desc orders;',
      'select item, sum(price)\nfrom orders\ngroup by item\nhaving sum(price) > 3;',
      'explain select * from orders where id = 2\\G',
      "update orders set price = 6 where item = 'pears';",
      'begin;',
      'delete from orders where id = 3;',
      'rollback;',
      'exit;',
    ],
  },
  {
    name: 'a procedure',
    start: run('mariadb shop'),
    lines: run(
      'delimiter //',
      'create procedure two()',
      'begin',
      'select 2;',
      'end //',
      'delimiter ;',
      'call two();',
      'drop procedure two;',
      '\\! echo from the shell',
      'system pwd',
      '\\q',
    ),
    repl: [
      'delimiter //',
      'create procedure two()\nbegin\nselect 2;\nend //',
      'delimiter ;',
      'call two();',
      'drop procedure two;',
      '\\! echo from the shell',
      'system pwd',
      '\\q',
    ],
  },
  {
    name: 'searched and recalled',
    start: run('mysql -u app -p'),
    lines: [
      soon,
      `${appPassword}\r`,
      soon,
      'use shop;\r',
      'select max(price) from orders;\r',
      'select 1;\r',
      `${up}${up}${back(7)}orders limit 1;\r`,
      `${search}max\r`,
      'source /dev/null\r',
      `select "it's; fine";\r`,
      endOfFile,
    ],
    repl: [
      'use shop;',
      'select max(price) from orders;',
      'select 1;',
      'select max(price) from orders limit 1;',
      'select max(price) from orders limit 1;',
      'source /dev/null',
      `select "it's; fine";`,
    ],
  },
  {
    name: 'no table, small screen',
    start: run('mariadb --silent shop'),
    size: [44, 12],
    lines: [`${joined} desc;\r`, 'select "é", "日本";\r', 'select 1\r', ';\r', 'quit\r'],
    repl: [`${joined} desc;`, 'select "é", "日本";', 'select 1\n;', 'quit'],
  },
  {
    name: 'inside tmux',
    start: ['tmux\r', soon, 'mariadb shop\r'],
    lines: run('select * from orders;', 'select', '1;', 'show status like "Upt%";', 'quit'),
    repl: ['select * from orders;', 'select\n1;', 'show status like "Upt%";', 'quit'],
    after: ['ls\r', 'exit\r'],
  },
  {
    name: 'inside screen',
    start: ['screen\r', soon, 'mariadb shop\r'],
    lines: run('select * from orders;', 'select', '1;', 'quit'),
    repl: ['select * from orders;', 'select\n1;', 'quit'],
    after: ['ls\r', 'exit\r'],
  },
]

function visit(prefix: string) {
  return ({ name, start = ['mariadb\r'], lines, repl, after = [], only, size }: Visit): Scenario => ({
    name: `${prefix}${name}`,
    class: 'mariadb',
    needs: 'mariadb',
    repl,
    secrets: [appPassword],
    ...(only === undefined ? {} : { only }),
    ...(size === undefined ? {} : { size }),
    steps: ['pwd\r', ...start, soon, ...lines, soon, ...after, 'echo end\r'],
  })
}

export const mariadbScenarios: readonly Scenario[] = writtenWith.map(visit('mariadb: '))
export const mariadbHeldOut: readonly Scenario[] = heldOut.map(visit('mariadb, held out: '))
