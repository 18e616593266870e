import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'

/** A file of the tree; the path begins at the root of the repository. */
export type Source = Readonly<{ path: string; text: string }>

/** Holds one rule against files. A message for each breach names the file, and the cure. */
export type Rule = (sources: readonly Source[]) => readonly string[]

const root = new URL('../../', import.meta.url)

export function readSources(...patterns: readonly string[]): readonly Source[] {
  const paths = patterns.flatMap((pattern) => globSync(pattern, { cwd: root }))
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(new URL(path, root), 'utf8') }))
}

/** Lines of code with their numbers: comments are left out, also behind code. */
export function codeOf({ text }: Source): readonly Readonly<{ number: number; line: string }>[] {
  return text
    .split('\n')
    .map((line, index) => ({ number: index + 1, line: line.replace(/(?<=^|\s)\/\/ .*$/, '') }))
    .filter(({ line }) => !/^\s*(?:\/\*|\*|$)/.test(line))
}

/** What a file imports, or hands on, of the tree. `erased`: types, which are gone when it runs. */
export type Import = Readonly<{ from: string; to: string; erased: boolean }>

const importing = /^(?:import|export)(?: (type))?[^'";]*?(?: from)? ?'(\.{1,2}\/[^']+)'/gm

export function importsOf({ path, text }: Source): readonly Import[] {
  return [...text.matchAll(importing)].map(([, type, target = '']) => {
    const to = posix.join(posix.dirname(path), target)
    return { from: path, to, erased: type !== undefined }
  })
}

/** The room of a file of src; `ground` for those that lie in src itself. */
export function roomOf(path: string): string | null {
  const [top, room, more] = path.split('/')
  if (top !== 'src' || room === undefined) return null
  return more === undefined ? 'ground' : room
}
