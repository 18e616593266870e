import { mayImport, mayImportLate } from './map.ts'
import { codeOf, importsOf, roomOf } from './source.ts'
import type { Rule, Source } from './source.ts'

/** Data flows one way: doors, hall, rooms, pipes, ground. */
export const importsFollowTheMap: Rule = (sources) =>
  sources.flatMap(importsOf).flatMap(({ from, to }) => {
    const [room, other] = [roomOf(from), roomOf(to)]
    if (room === null) return []
    if (other === null) return `${from} imports ${to}: what serves stands in src/; move it there`
    if (room === other || mayImport[room]?.includes(other)) return []
    const cure = 'Let a room above both bring them together, or hand it in from bin/'
    return `${from} imports ${to}: ${room} must not know ${other} (test/tidy/map.ts). ${cure}`
  })

/** Of what runs: circles of types alone are gone before anything does. */
export const noCycles: Rule = (sources) => {
  const next = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source).flatMap(({ to, erased }) => (erased ? [] : to)),
    ]),
  )
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path)
    if (start >= 0) {
      const circle = [...way.slice(start), path].join(' -> ')
      found.push(`${circle}: a circle. Move what both need into a file that neither imports`)
    }
    if (start >= 0 || done.has(path)) return
    for (const to of next.get(path) ?? []) visit(to, [...way, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return found
}

const everyLine =
  (breaks: (line: string, source: Source) => string | null): Rule =>
  (sources) =>
    sources.flatMap((source) =>
      codeOf(source).flatMap(({ number, line }) => {
        const cure = breaks(line, source)
        return cure === null ? [] : `${source.path}:${number}: ${cure}`
      }),
    )

export const noDefaultExports: Rule = everyLine((line) =>
  /^export default\b|\bas default\b/.test(line)
    ? 'a default export has no name to search for. Export it by its name'
    : null,
)

export const noLateImports: Rule = everyLine((line, { path }) =>
  /\bimport\(/.test(line) && !(path in mayImportLate)
    ? 'an import while it runs is on no map. Import it at the top, or hand it in'
    : null,
)

export const noBarrels: Rule = (sources) =>
  sources.flatMap(({ path, text }) => {
    if (/(?:^|\/)index\.\w+$/.test(path)) {
      return `${path}: a file called index says nothing. Name it for what it holds`
    }
    return /^export (?:type )?(?:\*|\{[^}]*\}) from /m.test(text)
      ? `${path}: it hands on what another file has. Import that from where it stands`
      : []
  })
