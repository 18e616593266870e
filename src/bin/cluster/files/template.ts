import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const deploy = fileURLToPath(new URL('../../../../deploy', import.meta.url))

/** Several lines stand below each other, where the name stood. */
export type Values = Readonly<Record<string, string | number | readonly string[]>>

/**
 * A file of `deploy/` with its names in double braces filled. A line that holds a name alone, and
 * nothing is put there, goes.
 *
 * @throws Error when it has a name that nobody fills.
 */
export function fill(file: string, values: Values): string {
  const text = readFileSync(`${deploy}/${file}`, 'utf8')
  return text
    .split('\n')
    .flatMap((line) => fillLine(line, values, file))
    .join('\n')
}

const alone = /^(?<indent> *(?:- )?)\{\{(?<name>[A-Z_\d]+)\}\}$/

function fillLine(line: string, values: Values, file: string): readonly string[] {
  const { indent = '', name } = alone.exec(line)?.groups ?? {}
  if (name !== undefined) {
    const lines = [valueOf(name, values, file)].flat().map(String)
    return lines.filter((one) => one !== '').map((one) => `${indent}${one}`)
  }
  const filled = line.replaceAll(/\{\{([A-Z_\d]+)\}\}/g, (_, name: string) => {
    const value = valueOf(name, values, file)
    return Array.isArray(value) ? value.join(' ') : String(value)
  })
  return [filled.trimEnd()]
}

function valueOf(name: string, values: Values, file: string): Values[string] {
  const value = values[name]
  if (value === undefined) throw new Error(`deploy/${file} asks for ${name}, which nobody gives`)
  return value
}
