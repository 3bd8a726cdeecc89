/** A session may not change who it is, or leave to others what was made for it. */
import type { Analysis, RoleUse, Setting } from '../../analysis/sql/analysis.ts'
import type { Judgement } from './hooks.ts'

/** The session's own role and the privilege role that it acts as. */
export type Self = { readonly user: string; readonly login: string }

/** Statements that change a role, or who is a member of it, also for others. */
const changes = new Set([
  'AlterRoleStmt',
  'AlterRoleSetStmt',
  'DropRoleStmt',
  'GrantRoleStmt',
  'CreateRoleStmt',
])
/** Statements that would tie something lasting to the session's own role. */
const ties = new Set([
  'GrantStmt',
  'AlterDefaultPrivilegesStmt',
  'CreateUserMappingStmt',
  'AlterUserMappingStmt',
  'AlterOwnerStmt',
  'AlterTableStmt',
  'CreateSchemaStmt',
  'CreatePolicyStmt',
  'AlterPolicyStmt',
])

/** undefined: nothing here is forbidden. */
export function judgeOwnRole({ parts }: Analysis, self: Self): Judgement | undefined {
  for (const { roles, settings } of parts) {
    const refused = roles.map(use => judgeRole(use, self)).find(each => each !== undefined)
    const switched = settings.map(each => judgeSwitch(each, self)).find(each => each !== undefined)
    if (refused !== undefined || switched !== undefined) return refused ?? switched
  }
  return undefined
}

function judgeRole({ statement, role }: RoleUse, { user, login }: Self): Judgement | undefined {
  const isOwn = 'name' in role ? role.name === user : role.word === 'session_user'
  const isLogin =
    'name' in role ? role.name === login : role.word !== 'public' && role.word !== 'session_user'
  if (changes.has(statement) && (isOwn || isLogin))
    return refuse(
      'A session may not change its own role, its password or its memberships.',
      'Ask whoever administers the database.',
    )
  if (ties.has(statement) && isOwn)
    return refuse(
      "Nothing may be given to the session's own role, which ends with the session.",
      `Name the role "${login}" instead.`,
    )
  return undefined
}

/**
 * RESET ROLE and SET ROLE to the default come back to the privilege role, which is the default of the session's own role. Setting
 * `role` as a parameter of a role, of a database or of a function works later, when nobody judges it.
 */
function judgeSwitch({ name, value, how }: Setting, { login }: Self): Judgement | undefined {
  const other = `Only "${login}" may be acted as in this session.`
  const hint = 'Connect again with the login that you need.'
  // Of its own role it is refused as a change of that.
  if (how === 'elsewhere') return undefined
  if (name === 'session_authorization') return refuse(other, hint)
  if (name !== 'role') return undefined
  const isDefault = value === undefined && how !== 'function'
  return how !== 'later' && (isDefault || value === login) ? undefined : refuse(other, hint)
}

function refuse(reason: string, hint: string): Judgement {
  return { allowed: false, rule: "the session's own role", reason, hint }
}
