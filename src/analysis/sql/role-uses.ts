/** The roles that a statement names. */
import type { RoleUse } from './analysis.ts'
import { bodyOf, childrenOf, isTree, list, text, type Tree } from './ast.ts'

/** Statements whose roles matter to the gate. */
const rolesOf = new Set([
  'AlterRoleStmt',
  'AlterRoleSetStmt',
  'CreateRoleStmt',
  'DropRoleStmt',
  'GrantStmt',
  'GrantRoleStmt',
  'AlterDefaultPrivilegesStmt',
  'AlterOwnerStmt',
  'AlterTableStmt',
  'ReassignOwnedStmt',
  'DropOwnedStmt',
  'CreateUserMappingStmt',
  'AlterUserMappingStmt',
  'CreateSchemaStmt',
  'CreateDatabaseStmt',
  'CreatePolicyStmt',
  'AlterPolicyStmt',
])

const roleWords: Readonly<Record<string, 'session_user' | 'current_user' | 'public'>> = {
  ROLESPEC_CURRENT_ROLE: 'current_user',
  ROLESPEC_CURRENT_USER: 'current_user',
  ROLESPEC_SESSION_USER: 'session_user',
  ROLESPEC_PUBLIC: 'public',
}

/** Every role that stands in the statement itself; what is nested in it is a statement of its own. Only of statements that matter to the gate. */
export function rolesIn(statement: string, body: Tree): readonly RoleUse['role'][] {
  if (!rolesOf.has(statement)) return []
  const found: RoleUse['role'][] = []
  search(body, found)
  for (const granted of list(body, 'granted_roles')) {
    const name = text(bodyOf(granted, 'AccessPriv'), 'priv_name')
    if (name !== undefined) found.push({ name })
  }
  return found
}

function search(value: unknown, found: RoleUse['role'][]): void {
  if (Array.isArray(value)) for (const member of value) search(member, found)
  if (!isTree(value)) return
  const use = roleUse(value)
  if (use !== undefined) return void found.push(use)
  for (const child of childrenOf(value)) search(child, found)
}

function roleUse(tree: Tree): RoleUse['role'] | undefined {
  const type = text(tree, 'roletype')
  if (type === undefined) return undefined
  const word = roleWords[type]
  return word === undefined ? { name: text(tree, 'rolename') ?? '' } : { word }
}
