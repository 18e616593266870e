/**
 * A crowd of one kind does not shut out the others: they wait for other things. `inquiries` ask
 * what became of a request: whoever was refused, or heard nothing, must be able to.
 */
export const kinds = ['reads', 'writes', 'inquiries'] as const

export type Kind = (typeof kinds)[number]

/** @param url A path or the pattern of a route, as far as it has no host. */
export function kindOf(method: string | undefined, url: string): Kind {
  if (method !== 'GET' && method !== 'HEAD') return 'writes'
  return url.startsWith('/v1/request/') ? 'inquiries' : 'reads'
}
