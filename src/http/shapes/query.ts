import { parse } from 'node:querystring'

/** More members than any route takes, and few enough to look at each. */
const MEMBERS_MAX = 32

/**
 * Reads a query string. Never throws: a parameter that comes twice is handed over as a list, which
 * no schema takes. `limit` comes as a number, so that its schema can say what it is; the validator
 * itself turns nothing into anything.
 */
export function parseQuery(text: string): Record<string, unknown> {
  if (text === '') return {}
  const { limit, ...query } = parse(text, '&', '=', { maxKeys: MEMBERS_MAX })
  if (limit === undefined) return query
  return {
    ...query,
    limit: typeof limit === 'string' && /^\d{1,9}$/.test(limit) ? Number(limit) : limit,
  }
}
