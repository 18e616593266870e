import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as imports from './tidy/imports.ts'
import * as map from './tidy/map.ts'
import * as places from './tidy/places.ts'
import * as shapes from './tidy/shapes.ts'
import { readSources, roomOf } from './tidy/source.ts'
import type { Rule, Source } from './tidy/source.ts'

const served = readSources('src/**/*.ts')
const code = [...served, ...readSources('test/**/*.ts', 'bench/**/*.ts', 'deploy/**/*.ts')]
const everything = [...code, ...readSources('src/**/*.sql', 'docs/**/*.md', '*.md')]

const rules: readonly (readonly [string, Rule, readonly Source[]])[] = [
  ['imports follow the map', imports.importsFollowTheMap, served],
  ['no imports go round in a circle', imports.noCycles, code],
  ['everything is exported by its name', imports.noDefaultExports, code],
  ['everything is imported at the top', imports.noLateImports, code],
  ['nothing is handed on by another file', imports.noBarrels, code],
  ['SQL stands in stores, db/ and queue/', places.sqlStandsInStores, served],
  ['statements have names of their own', places.statementsHaveTheirOwnNames, served],
  ['only doors know status codes', places.onlyHttpKnowsStatusCodes, served],
  ['only time.ts asks the time', places.onlyTimeAsksTheTime, served],
  ['files are short', shapes.filesAreShort, code],
  ['functions are short', shapes.functionsAreShort, code],
  ['lines are short', shapes.linesAreShort, code],
  ['folders are small', shapes.foldersAreSmall, code],
  ['names say something', shapes.namesSaySomething, code],
  ['nothing is left for later', shapes.nothingIsLeftForLater, everything],
]

for (const [title, rule, sources] of rules) {
  test(title, () => {
    const broken = rule(sources)
    assert.equal(broken.length, 0, `\n${broken.join('\n')}\n`)
  })
}

test('the tree was read', () => {
  assert(served.length > 100, `only ${served.length} files were found`)
  assert.deepEqual(
    [...new Set(served.map(({ path }) => String(roomOf(path))))].toSorted(),
    Object.keys(map.mayImport).toSorted(),
    'every room stands on the map in test/tidy/map.ts, and nothing else does',
  )
})

const sorted = (all: readonly (readonly string[])[]) => all.map((one) => one.toSorted())

test('ARCHITECTURE.md draws the same map', () => {
  const page = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8')
  const [section = ''] = page.split('## Rooms')[1]?.split('\n## ') ?? []
  const rows = [...section.matchAll(/^\| `(\w+|src\/\*\.ts)`[^|]*\|[^|]*\|([^|]*)\|$/gm)]
  const rooms = rows.map(([, room = '']) => (room === 'src/*.ts' ? 'ground' : room))
  const drawn = rows.map(([, , may = ''], index) => {
    const above = rooms.slice(0, index)
    const without = /^all above but `?(\w+)`?$/.exec(may.trim())?.[1]
    if (without !== undefined) return above.filter((room) => room !== without)
    if (may.trim() === 'all') return above
    return may.split(',').flatMap((room) => /\w+/.exec(room)?.[0] ?? [])
  })
  assert.deepEqual(rooms.toSorted(), Object.keys(map.mayImport).toSorted())
  assert.deepEqual(sorted(drawn), sorted(rooms.map((room) => map.mayImport[room] ?? [])))
})

test('an exception names a file that is there', () => {
  const { mayAskTheTime, mayHaveLongLines, mayHoldSql, mayImportLate, mayNameStatuses } = map
  const lists = [mayAskTheTime, mayHaveLongLines, mayHoldSql, mayImportLate, mayNameStatuses]
  const named = lists.flatMap((list) => Object.keys(list))
  const known = new Set(code.map(({ path }) => path))
  assert.deepEqual(
    named.filter((path) => !known.has(path)),
    [],
    'strike it from test/tidy/map.ts',
  )
})
