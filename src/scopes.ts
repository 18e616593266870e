/**
 * What a customer lets an app do for them, by the names that stand in tokens. `access` says which
 * action needs which; the provider says which app may ask for which.
 */
export const customerScopes = [
  'user:read',
  'user:write',
  'accounts:read',
  'accounts:write',
  'payments:read',
  'payments:write',
] as const

/** What a service or a member of the staff does to other people's accounts. */
export const staffScopes = ['staff:read', 'staff:write'] as const

export const scopes = [...customerScopes, ...staffScopes] as const
export type Scope = (typeof scopes)[number]

/** What somebody is beside a customer. `support` looks, `operator` also freezes and thaws. */
export const staffRoles = ['support', 'operator'] as const
export type StaffRole = (typeof staffRoles)[number]
