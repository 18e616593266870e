import { stripTypeScriptTypes } from 'node:module'

/** One change to one line of a source file. */
export type Mutant = Readonly<{ line: number; before: string; after: string; source: string }>

type Change = (line: string) => readonly string[]

/** Each place where one text stands, replaced alone by each of the others. */
const swap =
  (from: string, ...to: readonly string[]): Change =>
  (line) =>
    [...line.matchAll(new RegExp(RegExp.escape(from), 'g'))].flatMap(({ index }) =>
      to.map((text) => line.slice(0, index) + text + line.slice(index + from.length)),
    )

/** Each place that a pattern finds, left out alone. */
const drop =
  (pattern: RegExp): Change =>
  (line) =>
    [...line.matchAll(pattern)].map(({ 0: found, index }) => {
      return line.slice(0, index) + line.slice(index + found.length)
    })

/** What people get wrong: the edge of a comparison, a sign, a condition, a line that is missing. */
const changes: readonly Change[] = [
  swap(' < ', ' <= ', ' > '),
  swap(' > ', ' >= ', ' < '),
  swap(' >= ', ' > ', ' < '),
  swap(' <= ', ' < ', ' > '),
  swap(' === ', ' !== '),
  swap(' !== ', ' === '),
  swap(' && ', ' || '),
  swap(' || ', ' && '),
  swap(' + ', ' - '),
  swap(' - ', ' + '),
  swap(' += ', ' -= '),
  swap(' -', ' '),
  swap('0n', '1n'),
  swap('1n', '0n', '2n'),
  swap(' === 0', ' === 1'),
  swap(' true', ' false'),
  swap(' false', ' true'),
  swap("'zero'", "'none'"),
  swap("'closed'", "'blocked'"),
  swap("'blocked'", "'closed'"),
  swap("'posted'", "'declined'"),
  swap("'declined'", "'posted'"),
  swap('.lines', '.ifDeclined'),
  swap('.ifDeclined', '.lines'),
  swap('after,', 'before,'),
  swap(', after)', ', before)'),
  swap('payer', 'payee'),
  swap('payee', 'payer'),
  condition('true'),
  condition('false'),
  (line) => [line.replace(/ \? (.+) : (.+)$/, ' ? $2 : $1')],
  drop(/ (?:&&|\|\|) [\w.]+ [<>=]+ [\w.]+/g),
  drop(/(?<=return )[^|&()]+ (?:&&|\|\|) /g),
  // A member of an object, an item of a list, and a statement.
  drop(/^ +(?:\.\.\.)?\w+(?:: .*)?,$/g),
  drop(/(?<=[{,]) (?:\.\.\.)?\w+(?:: [^,{}]+)?(?:,|(?= }))/g),
  drop(/^ +(?:\[?\{.*\}\]?,|[\w.]+\(.*\)|\w+ [+-]= .*)$/g),
]

/** A condition that always holds, or never does. */
function condition(to: string): Change {
  return (line) => {
    const [, start, asked, end] = /^( +if \()(.*)(\) (?:return .*|\{))$/.exec(line) ?? []
    return asked === undefined ? [] : [`${start}${to}${end}`, `${start}!(${asked})${end}`]
  }
}

/** All mutants of the functions of a module that are still a program. */
export function mutantsOf(source: string): readonly Mutant[] {
  const lines = source.split('\n')
  const original = withoutSpace(stripTypeScriptTypes(source))
  return bodyLines(lines).flatMap((number) => {
    const before = lines[number] ?? ''
    const after = new Set(changes.flatMap((change) => change(before)))
    after.delete(before)
    return [...after].flatMap((text) => {
      const script = stripped(lines.with(number, text).join('\n'))
      return script === null || withoutSpace(script) === original
        ? []
        : { line: number + 1, before: before.trim(), after: text.trim(), source: script }
    })
  })
}

/** The lines inside functions: not their names and types, nor comments. */
function bodyLines(lines: readonly string[]): readonly number[] {
  const found: number[] = []
  let where: 'outside' | 'signature' | 'body' = 'outside'
  for (const [number, line] of lines.entries()) {
    if (where === 'body') {
      if (line === '}') where = 'outside'
      else if (!/^ *(?:\/\/|$)/.test(line)) found.push(number)
    } else if (where === 'signature' || /^(?:export )?function /.test(line)) {
      where = line.endsWith(' {') ? 'body' : 'signature'
    }
  }
  return found
}

/** A change of a type leaves the program as it is. */
const withoutSpace = (script: string): string => script.replaceAll(/\s+/g, ' ')

function stripped(source: string): string | null {
  try {
    return stripTypeScriptTypes(source)
  } catch {
    return null
  }
}
