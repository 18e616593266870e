/** Which methods each path takes, to answer 405 where a path is right and the method is not. */
export type Methods = Readonly<{
  add: (pattern: string, methods: string | readonly string[]) => void
  /** Empty when no route has this path. */
  allowed: (path: string) => readonly string[]
}>

export function createMethods(): Methods {
  const byPattern = new Map<string, Set<string>>()

  return {
    add: (pattern, methods) => {
      const known = byPattern.get(pattern) ?? new Set()
      for (const method of [methods].flat()) known.add(method)
      byPattern.set(pattern, known)
    },
    allowed: (path) => {
      const parts = path.split('/')
      const found = new Set<string>()
      for (const [pattern, methods] of byPattern) {
        if (!fits(pattern.split('/'), parts)) continue
        for (const method of methods) found.add(method)
      }
      return [...found].sort()
    },
  }
}

function fits(pattern: readonly string[], path: readonly string[]): boolean {
  if (pattern.length !== path.length) return false
  return pattern.every((part, index) => {
    return part.startsWith(':') ? path[index] !== '' : part === path[index]
  })
}
