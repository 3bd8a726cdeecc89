/** The settings that a statement or a call of set_config changes. */
import type { DenyWord } from '../../config/deny-words.ts'
import type { Setting } from './analysis.ts'
import { bodyOf, list, literalText, literalValue, names, text, type Tree } from './ast.ts'

/** Words of a SET that makes the session somebody else. */
export function roleWordsOf(body: Tree): readonly DenyWord[] {
  const name = text(body, 'name')?.toLowerCase()
  if (name === 'role') return ['set-role']
  return name === 'session_authorization' ? ['set-role', 'set-session-authorization'] : []
}

/** What a VariableSetStmt sets; undefined where that is no setting (SET TRANSACTION). */
export function settingOf(body: Tree, how: Setting['how']): Setting | undefined {
  const kind = text(body, 'kind') ?? ''
  if (kind === 'VAR_SET_MULTI') return undefined
  const isReset = kind.startsWith('VAR_RESET')
  const values = list(body, 'args').map(literalValue)
  return {
    name: kind === 'VAR_RESET_ALL' ? undefined : text(body, 'name')?.toLowerCase(),
    value: values.length > 0 && values.every(each => each !== undefined) ? values.join(', ') : undefined,
    how: how === 'set' && isReset ? 'reset' : how,
  }
}

/** What a call of set_config sets. `wanted`: what the column `name` is, where its SELECT says so. */
export function settingOfCall(args: readonly unknown[], wanted: string | undefined): Setting {
  const name = argumentOf(args, 0, 'setting_name')
  const isColumn = names(list(bodyOf(name, 'ColumnRef'), 'fields')).join('.') === 'name'
  return {
    name: (isColumn ? wanted : literalText(name))?.toLowerCase(),
    value: literalText(argumentOf(args, 1, 'new_value')),
    how: 'function',
  }
}

/** The name that a SELECT looks for in pg_settings. Only of a plain look into pg_settings. */
export function settingWanted(body: Tree): string | undefined {
  const from = list(body, 'fromClause')
  const condition = bodyOf(body['whereClause'], 'A_Expr')
  const isName = names(list(bodyOf(condition?.['lexpr'], 'ColumnRef'), 'fields')).join('.') === 'name'
  const isEqual = names(list(condition, 'name')).join('.') === '=' && text(condition, 'kind') === 'AEXPR_OP'
  const isPlain = from.length === 1 && text(bodyOf(from[0], 'RangeVar'), 'relname') === 'pg_settings'
  return isPlain && isName && isEqual ? literalText(condition?.['rexpr']) : undefined
}

/** By its place, or by its name (`setting_name => 'role'`). */
function argumentOf(args: readonly unknown[], place: number, name: string): unknown {
  const named = args.map(each => bodyOf(each, 'NamedArgExpr')).find(each => text(each, 'name') === name)
  if (named !== undefined) return named['arg']
  return bodyOf(args[place], 'NamedArgExpr') === undefined ? args[place] : undefined
}
