import type { PrincipalFields } from '../model.ts'

/** JSON leaves out what is undefined; the model wants to see it. */
export function principalFromJson(text: string): PrincipalFields {
  const fields = JSON.parse(text) as Omit<PrincipalFields, 'email'> & { email?: string }
  return { ...fields, email: fields.email }
}
