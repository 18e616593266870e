import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as imports from './imports.ts'
import * as places from './places.ts'
import * as shapes from './shapes.ts'
import type { Rule, Source } from './source.ts'

/** A tree of made-up files: path to text. */
type Tree = Readonly<Record<string, string>>

const sourcesOf = (tree: Tree): readonly Source[] =>
  Object.entries(tree).map(([path, text]) => ({ path, text }))

function finds(what: string, rule: Rule, planted: Tree, message: RegExp): void {
  test(`finds ${what.replaceAll(/\s+/g, ' ')}`, () => {
    const [found, ...more] = rule(sourcesOf(planted))
    assert.match(found ?? 'nothing', message)
    assert.deepEqual(more, [])
  })
}

function allows(what: string, rule: Rule, tree: Tree): void {
  test(`allows ${what}`, () => assert.deepEqual(rule(sourcesOf(tree)), []))
}

const long = (lines: number, line = '  work()') => Array<string>(lines).fill(line).join('\n')

const { importsFollowTheMap, noCycles, noDefaultExports, noLateImports, noBarrels } = imports
const wall = /src\/http\/a\.ts imports src\/ledger\/b\.ts: http must not know ledger/
for (const statement of [
  "import { b } from '../ledger/b.ts'",
  "import type { B } from '../ledger/b.ts'",
  "import '../ledger/b.ts'",
  "import {\n  b,\n  c,\n} from '../ledger/b.ts'",
  "import * as b from '../ledger/b.ts'",
  "export { b } from '../ledger/b.ts'",
]) {
  finds(
    `a way through a wall: ${statement}`,
    importsFollowTheMap,
    { 'src/http/a.ts': statement },
    wall,
  )
}
finds(
  'a wall from a folder inside a room',
  importsFollowTheMap,
  { 'src/http/routes/a.ts': "import { b } from '../../ledger/b.ts'" },
  /http must not know ledger/,
)
finds(
  'ground that is not the lowest',
  importsFollowTheMap,
  { 'src/money.ts': "import { b } from './ids/ids.ts'" },
  /ground must not know ids/,
)
finds(
  'a room that is on no map',
  importsFollowTheMap,
  { 'src/cellar/a.ts': "import { b } from '../money.ts'" },
  /cellar must not know ground/,
)
finds(
  'what serves and needs a test',
  importsFollowTheMap,
  { 'src/http/a.ts': "import { b } from '../../test/kit/b.ts'" },
  /what serves stands in src/,
)
allows('downwards, sideways in a room, and tests anywhere', importsFollowTheMap, {
  'src/http/a.ts': "import { pay } from '../payments/pay.ts'\nimport { c } from './c.ts'",
  'src/bin/a.ts': "import { http } from '../http/server.ts'",
  'test/a.test.ts': "import { post } from '../src/ledger/post.ts'",
  'src/ledger/a.ts': "import assert from 'node:assert/strict'\nimport pg from 'pg'",
})

finds(
  'a circle of three',
  noCycles,
  {
    'src/a.ts': "import { b } from './b.ts'",
    'src/b.ts': "import { c } from './c.ts'",
    'src/c.ts': "import { a } from './a.ts'",
  },
  /^src\/a\.ts -> src\/b\.ts -> src\/c\.ts -> src\/a\.ts: a circle/,
)
allows('two ways to one file, and a circle of types', noCycles, {
  'src/a.ts': "import { b } from './b.ts'\nimport { c } from './c.ts'",
  'src/b.ts': "import { d } from './d.ts'",
  'src/c.ts': "import { d } from './d.ts'",
  'src/d.ts': "import type { A } from './a.ts'",
})

finds('a default export', noDefaultExports, { 'src/a.ts': 'export default 1' }, /a\.ts:1: .*name/)
finds('a late import', noLateImports, { 'src/a.ts': "await import('./b.ts')" }, /at the top/)
finds('a late type', noLateImports, { 'src/a.ts': "type B = import('./b.ts').B" }, /at the top/)
finds('an index', noBarrels, { 'src/banks/index.ts': '' }, /Name it for what it holds/)
finds('a barrel', noBarrels, { 'src/a.ts': "export * from './b.ts'" }, /from where it stands/)
finds('half a barrel', noBarrels, { 'src/a.ts': "export {\n  b,\n} from './b.ts'" }, /hands on/)

const { onlyHttpKnowsStatusCodes, onlyTimeAsksTheTime, sqlStandsInStores } = places
for (const statement of [
  "await db.query('select 1')",
  'const text = `insert into account values ($1)`',
  'db.query(`\n  update account set balance = 0`)',
  '    text: `delete from entry`',
  "'WITH chain as (select 1)'",
  "'truncate entry'",
  "'create index a on b (c)'",
]) {
  const tree = { 'src/payments/pay.ts': statement.replaceAll('\n', ' ') }
  finds(`SQL: ${statement}`, sqlStandsInStores, tree, /pay\.ts:1: .*store\.ts/)
}
allows('SQL where it belongs, and words that only look like it', sqlStandsInStores, {
  'src/payments/store.ts': "'select 1'",
  'src/rails/bank/store.ts': "'select 1'",
  'src/db/migrate.ts': "'create table a (b int)'",
  'src/queue/jobs.ts': "'select 1'",
  'test/a.test.ts': "'select 1'",
  'src/http/routes/a.ts': "'user.update'\n// Says 'select a bank account'.\n'update'",
  'src/ledger/lane.ts': "tx.query('commit')",
})

for (const statement of [
  'throw new Refused(404)',
  'const status = 503',
  'return { status: 409 }',
  'reply.code(code)',
  'error.statusCode',
]) {
  const tree = { 'src/payments/pay.ts': statement }
  finds(`a status: ${statement}`, onlyHttpKnowsStatusCodes, tree, /status in problems\.ts/)
}
allows('statuses in http/, and other numbers', onlyHttpKnowsStatusCodes, {
  'src/http/problems.ts': 'status: 404',
  'src/payments/pay.ts': '// The door answers 503.\nconst WAIT_MS = 4_000\nconst n = 404n\n5.404',
})

for (const statement of ['Date.now()', 'new Date()', 'new Date(Number(at))']) {
  const tree = { 'src/payments/pay.ts': `const at = ${statement}` }
  finds(`who asks the time: ${statement}`, onlyTimeAsksTheTime, tree, /Take `now`, or a Clock/)
}
allows('the clock, and the measuring of spans', onlyTimeAsksTheTime, {
  'src/time.ts': 'Date.now()',
  'src/ledger/lane.ts': 'performance.now()\n// never Date.now()',
})

const { filesAreShort, foldersAreSmall, functionsAreShort, linesAreShort } = shapes
finds('a long file', filesAreShort, { 'src/a.ts': long(401) }, /401 lines, and may have 400/)
allows('a file at the limit', filesAreShort, { 'src/a.ts': `${long(400)}\n` })
finds('a long line', linesAreShort, { 'src/a.ts': `\n${'x'.repeat(101)}` }, /a\.ts:2 has 101 col/)
allows('a line at the limit, in characters', linesAreShort, { 'src/a.ts': '€'.repeat(100) })
const text = 'x'.repeat(101)
allows('a long text that stands alone', linesAreShort, {
  'src/a.ts': `  '${text}',\n  title: "${text}"\n  const body = \`${text}\``,
  'test/a.test.ts': `test('${text}', async () => {`,
})
finds('a long text among others', linesAreShort, { 'src/a.ts': `f(a, '${text}')` }, /Break it/)

const body = long(59)
for (const [start, end] of [
  ['export function tooLong(a: string): void {', '}'],
  ['async function tooLong() {', '}'],
  ['export function tooLong<A>(\n  a: A,\n  b: { c: string },\n): Promise<void> {', '}'],
  ['const tooLong = async () => {', '}'],
  ['const tooLong = (\n  a: string,\n): void => {', '}'],
  ['  tooLong(a: string) {', '  }'],
  ["test('tooLong', async () => {", '})'],
]) {
  const text = `${start}\n${body.replaceAll('  work', '      work')}\n${end}\n`
  finds(`a long function: ${start}`, functionsAreShort, { 'src/a.ts': text }, /may have 60\. Give/)
}
allows('a function at the limit', functionsAreShort, {
  'src/a.ts': `function fits() {\n${long(58)}\n}\n`,
})
const inner = `  const inner = () => {\n${long(40, '    work()')}\n  }`
allows('a long one made of short ones', functionsAreShort, {
  'src/a.ts': `function outer() {\n${inner}\n${inner}\n${long(50)}\n}\n`,
})
finds(
  'what is left of a long one without those inside',
  functionsAreShort,
  { 'src/a.ts': `function outer() {\n${inner}\n${long(59)}\n}\n` },
  /a\.ts:1: outer has 61 lines/,
)

const many = (count: number): Tree =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`src/a/${index}.ts`, '']))
finds('a large folder', foldersAreSmall, many(15), /^src\/a has 15 files, and may have 14/)
allows('a folder at the limit', foldersAreSmall, many(14))

const { namesSaySomething, nothingIsLeftForLater } = shapes
for (const [path, text] of [
  ['src/a.ts', 'export class PaymentService {'],
  ['src/a.ts', 'export function readBase(): void {'],
  ['src/a.ts', 'export const userInfo = 1'],
  ['src/a.ts', 'export type DATA = 1'],
  ['src/a.ts', 'export async function helper() {'],
  ['src/string-utils.ts', ''],
] as const) {
  finds(`an empty name: ${text || path}`, namesSaySomething, { [path]: text }, /says nothing/)
}
allows('names in which such a word is only a part of another', namesSaySomething, {
  'src/database.ts': 'export const database = 1\nexport type Informed = 1\nconst data = 1',
})
for (const word of ['to-do', 'fix-me', 'x-xx', 'ha-ck']) {
  const text = `// ${word.replace('-', '').toUpperCase()}: later`
  finds(word, nothingIsLeftForLater, { 'src/a.ts': text }, /Do it, or write/)
}

const statement = (name: string) => `const s = {\n  name: '${name}',\n  text: \`select 1\`,\n}`
finds(
  'two statements of one name',
  places.statementsHaveTheirOwnNames,
  { 'src/a/store.ts': statement('a_find'), 'src/b/store.ts': statement('a_find') },
  /^src\/b\/store\.ts: src\/a\/store\.ts has a statement a_find, too/,
)
allows('statements whose names differ', places.statementsHaveTheirOwnNames, {
  'src/a/store.ts': `${statement('a_find')}\n${statement('a_list')}`,
})
