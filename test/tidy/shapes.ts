import { posix } from 'node:path'
import { largeFolders, mayHaveLongLines } from './map.ts'
import { codeOf } from './source.ts'
import type { Rule, Source } from './source.ts'

const FILE_LINES = 400
const FUNCTION_LINES = 60
const LINE_COLUMNS = 100
const FOLDER_FILES = 14

export const filesAreShort: Rule = (sources) =>
  sources.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length
    return lines > FILE_LINES
      ? `${path} has ${lines} lines, and may have ${FILE_LINES}. Split it by what it knows`
      : []
  })

/** A text that stands alone on its line is not broken: it is searched for, and read, as a whole. */
const aloneOnItsLine = /^\s*(?:const \w+ = |\w+: |test\()?(?:'.*'|".*"|`.*`)(?:[,:)]|, .*\{)?$/

/** In characters. */
export const linesAreShort: Rule = (sources) =>
  sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const columns = Array.from(line).length
      if (columns <= LINE_COLUMNS || aloneOnItsLine.test(line) || path in mayHaveLongLines)
        return []
      return `${path}:${index + 1} has ${columns} columns, and may have ${LINE_COLUMNS}. Break it`
    }),
  )

export const functionsAreShort: Rule = (sources) =>
  sources.flatMap((source) =>
    functionsOf(source)
      .filter(({ lines }) => lines > FUNCTION_LINES)
      .map(
        ({ name, start, lines }) =>
          `${source.path}:${start}: ${name} has ${lines} lines, and may have ${FUNCTION_LINES}. ` +
          'Give a part of it a name of its own',
      ),
  )

type Span = Readonly<{ name: string; start: number; end: number }>

/**
 * The functions of a file with the lines that are theirs: those of functions inside count for
 * these. It reads the layout that Prettier gives: a body ends where a line begins with a brace in
 * the column in which the function began.
 */
export function functionsOf(
  source: Source,
): readonly Readonly<{ name: string; start: number; lines: number }>[] {
  const lines = source.text.split('\n')
  const spans = lines.flatMap((line, index): Span[] => {
    const end = startsFunction(line) ? endOf(lines, index) : null
    return end === null ? [] : [{ name: nameOf(line), start: index, end }]
  })
  return spans.map(({ name, start, end }) => {
    const inside = spans.filter((span) => span.start > start && span.end < end)
    const outermost = inside.filter(
      (span) => !inside.some((other) => other.start < span.start && other.end > span.end),
    )
    const theirs = outermost.reduce((sum, span) => sum + span.end - span.start + 1, 0)
    return { name, start: start + 1, lines: end - start + 1 - theirs }
  })
}

function startsFunction(line: string): boolean {
  if (/^\s*(?:if|for|while|switch|catch|return|type|\/\/|\*)\b/.test(line)) return false
  return (
    /\bfunction\b/.test(line) || /=>(?: \{)?$/.test(line) || /^\s*(?:async )?\w+\(.*\{$/.test(line)
  )
}

/** Null for one that ends on the line it begins on. */
function endOf(lines: readonly string[], start: number): number | null {
  const indent = /^\s*/.exec(lines[start] ?? '')?.[0].length ?? 0
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] ?? ''
    const here = /^\s*/.exec(line)?.[0].length ?? 0
    if (line.trim() === '' || here > indent) continue
    // The end of a list of parameters or of types begins another part of the same function.
    return /^\s*[)}\]].*[{(]$/.test(line) && !/^\s*\}\)?,?$/.test(line)
      ? endOf(lines, index)
      : index
  }
  return null
}

function nameOf(line: string): string {
  const [, name] =
    /(?:function\*?|const|let) (\w+)/.exec(line) ?? /^\s*(?:async )?(\w+)/.exec(line) ?? []
  return name ?? line.trim()
}

export const foldersAreSmall: Rule = (sources) => {
  const folders = Map.groupBy(sources, ({ path }) => posix.dirname(path))
  return [...folders].flatMap(([folder, { length }]) => {
    const most = largeFolders[folder]?.files ?? FOLDER_FILES
    const cure = 'Find the rooms inside it, or say why not in test/tidy/map.ts'
    return length > most ? `${folder} has ${length} files, and may have ${most}. ${cure}` : []
  })
}

const empty = ['Service', 'Manager', 'Helper', 'Util', 'Utils', 'Base', 'Impl', 'Info', 'Data']
const exported =
  /^export (?:(?:async|abstract) )*(?:const|let|function\*?|class|type|interface|enum) (\w+)/

/**
 * The words of a name, each with a capital: `readBase` is Read and Base, `database` is Database.
 */
function wordsOf(name: string): readonly string[] {
  const parts = name.split(/[^A-Za-z]|(?=[A-Z][a-z])/).filter(Boolean)
  return parts.map((part) => part.charAt(0).toUpperCase() + part.slice(1).toLowerCase())
}

export const namesSaySomething: Rule = (sources) =>
  sources.flatMap((source) => {
    const names = codeOf(source).flatMap(({ line }) => exported.exec(line)?.[1] ?? [])
    return [posix.basename(source.path), ...names].flatMap((name) => {
      const word = wordsOf(name).find((one) => empty.includes(one))
      return word === undefined
        ? []
        : `${source.path}: ${name} says ${word}, which says nothing. Name what it is or does`
    })
  })

/** Spelled so that this line does not find itself. */
const promises = /\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b/

export const nothingIsLeftForLater: Rule = (sources) =>
  sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      return promises.test(line)
        ? `${path}:${index + 1}: what is left for later is lost. Do it, or write an issue`
        : []
    }),
  )
