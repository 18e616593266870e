import { MONEY_MAX, type Money, money } from './money.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export type Reader = ReturnType<typeof createReader>
type Range = Readonly<{ from: number; to: number; unset: number }>

/** Reads single variables. What is wrong with one is noted, and reading goes on. */
export function createReader(environment: Environment, problems: string[]) {
  const text = (name: string): string | null => environment[name]?.trim() || null

  const digits = (name: string): bigint | null => {
    const value = text(name)
    if (value === null) return null
    if (/^\d{1,16}$/.test(value)) return BigInt(value)
    problems.push(`${name} must be a whole number, not "${value}"`)
    return null
  }

  /** Its value may hold a password, and is never repeated. */
  const addressIn = (name: string, value: string, protocols: readonly string[]): string | null => {
    if (URL.canParse(value) && protocols.includes(new URL(value).protocol)) return value
    const starts = protocols.map((protocol) => `${protocol}//`)
    problems.push(`${name} must be an address that starts with ${starts.join(' or ')}`)
    return null
  }

  /** Without a slash at its end. */
  const originIn = (name: string, value: string): string | null => {
    const origin = addressIn(name, value, ['http:', 'https:'])?.replace(/\/$/, '') ?? null
    if (origin === null || origin === new URL(origin).origin) return origin
    problems.push(`${name} must be an origin, as https://id.pay.example is: nothing behind it`)
    return null
  }

  return {
    text,
    integer: (name: string, { from, to, unset }: Range): number => {
      const value = Number(digits(name) ?? unset)
      if (value >= from && value <= to) return value
      problems.push(`${name} must be from ${from} to ${to}, not ${value}`)
      return unset
    },
    cents: (name: string, unset: bigint): Money => {
      const value = digits(name) ?? unset
      if (value <= MONEY_MAX) return money(value)
      problems.push(`${name} must be at most ${MONEY_MAX} cents`)
      return money(unset)
    },
    choice: <C extends string>(name: string, choices: readonly C[], unset: NoInfer<C>): C => {
      const value = text(name)
      if (value === null) return unset
      const chosen = choices.find((choice) => choice === value)
      if (chosen === undefined) {
        problems.push(`${name} must be ${choices.join(' or ')}, not "${value}"`)
      }
      return chosen ?? unset
    },
    url: (name: string, protocols: readonly string[]): string | null => {
      const value = text(name)
      return value === null ? null : addressIn(name, value, protocols)
    },
    origin: (name: string): string | null => {
      const value = text(name)
      return value === null ? null : originIn(name, value)
    },
    /** One or more, with commas between. */
    origins: (name: string): readonly string[] | null => {
      const values = text(name)?.split(',') ?? null
      return values && values.flatMap((value) => originIn(name, value.trim()) ?? [])
    },
  }
}
