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
  return JSON.parse(text, (_key, part: unknown) => {
    if (typeof part !== 'string' || !part.startsWith('#')) return part
    return part.startsWith('##') ? part.slice(1) : BigInt(part.slice(1))
  }) as unknown
}
