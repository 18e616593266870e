/**
 * What is kept of a value: JSON, in which a bigint is a text that begins with `#`, and a text that
 * begins so has one more.
 */
export function printCopy(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `#${part}`
    return typeof part === 'string' && part.startsWith('#') ? `#${part}` : part
  })
}

/** @throws SyntaxError for what `printCopy` never wrote. */
export function parseCopy(text: string): unknown {
  return revived(JSON.parse(text))
}

/** In place: as a reviver of `JSON.parse`, the same takes ten times as long as the parsing. */
function revived(part: unknown): unknown {
  if (typeof part === 'string') return part.startsWith('#') ? unmarked(part) : part
  if (typeof part !== 'object' || part === null) return part
  const members = part as Record<string, unknown>
  for (const key of Object.keys(members)) {
    const member = members[key]
    const now = revived(member)
    if (now !== member) members[key] = now
  }
  return part
}

function unmarked(text: string): string | bigint {
  return text.startsWith('##') ? text.slice(1) : BigInt(text.slice(1))
}
