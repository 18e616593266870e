import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { commands } from '../src/bin/commands.ts'
import { readClients } from '../src/provider/openid/clients.ts'
import { returnCodeFor } from '../src/rails/bank/magic.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const papers = globSync(['*.md', 'docs/**/*.md'], { cwd: root })

test('every link between papers leads somewhere', () => {
  const broken = papers.flatMap((paper) => {
    const links = [...read(paper).matchAll(/\]\((?!https?:|\/)([^)#\s]+)/g)]
    const gone = links.filter(([, to = '']) => !existsSync(join(root, dirname(paper), to)))
    return gone.map(([, to]) => `${paper} -> ${to}`)
  })
  assert.deepEqual(broken, [])
})

test('every file of the source that the papers name exists', () => {
  const missing = papers.flatMap((paper) => {
    const names = [
      ...read(paper).matchAll(/(?<![\w./-])((?:[\w.-]+\/)+(?!NNNN)[\w.-]+\.(?:ts|sql))\b/g),
    ]
    return names.flatMap(([, name = '']) => (isThere(name) ? [] : `${paper}: ${name}`))
  })
  assert.deepEqual(missing, [])
})

test('README.md lists every setting that is read, and no other', () => {
  const reads = /(?:read|text|choice|cents|url|integer)(?:\.\w+)?\(\s*'([A-Z][A-Z0-9_]+)'/g
  const files = globSync('src/*config.ts', { cwd: root })
  const settings = [...files.map(read).join('\n').matchAll(reads)].map(([, name = '']) => name)
  assert.deepEqual(namesIn('README.md', '## Settings'), Array.from(new Set(settings)).sort())
})

test('README.md lists every command, and no other', () => {
  assert.deepEqual(namesIn('README.md', '## Commands'), Object.keys(commands).sort())
})

test('docs/dependencies.md lists every package, and no other', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const paper = 'docs/dependencies.md'
  assert.deepEqual(namesIn(paper, '## At run time'), Object.keys(dependencies).sort())
  assert.deepEqual(namesIn(paper, '## For development'), Object.keys(devDependencies).sort())
})

test('ARCHITECTURE.md lists every table, with its key', () => {
  const sql = globSync('src/db/migrations/*.sql', { cwd: root }).map(read).join('\n')
  const made = [...sql.matchAll(/create table (\w+) \([^]*?primary key \(([\w, ]+)\)/g)]
  const tables = made.map(([, table, key]) => `${table}: ${key}`)
  const section = sectionOf('ARCHITECTURE.md', '## Data').replaceAll('*', '')
  const listed = [...section.matchAll(/^\| `(\w+)` +\| ([\w, ]+?) +\|/gm)]
  const rows = listed.map(([, table, key]) => `${table}: ${key}`)
  assert.deepEqual(rows.filter((row) => !row.startsWith('migration:')).sort(), tables.sort())
})

test('docs/auth.md shows a file of clients that is right', async (t) => {
  const blocks = [...read('docs/auth.md').matchAll(/```json\n([^]*?)```/g)]
  const shown = blocks.map(([, block = '']) => block).find((block) => block.includes('"clients"'))
  assert(shown, 'docs/auth.md shows none')
  const dir = await mkdtemp(join(tmpdir(), 'farthing-papers-'))
  t.after(async () => await rm(dir, { recursive: true }))
  const clientsFile = join(dir, 'clients.json')
  await writeFile(clientsFile, shown)
  const places = { issuer: 'http://localhost:8081', webUrl: 'http://localhost:8080' }
  const clients = readClients({ ...places, clientsFile })
  const added = clients.filter(({ id }) => shown.includes(`"${id}"`)).map(({ id }) => id)
  assert.deepEqual(added, ['bookkeeper', 'risk-desk'])
})

test('docs/banks.md says how the sandbox bank ends each account number', () => {
  const section = sectionOf('docs/banks.md', '## The sandbox bank')
  const rows = [...section.matchAll(/^\| `(\d{10})` +\|[^|]*\|([^|]*)\|([^|]*)\|/gm)]
  assert(rows.length >= 4, 'the table has lost rows')
  for (const [, accountNumber = '', debit = '', credit = ''] of rows) {
    const to = { routingNumber: '222222226', accountNumber }
    assert.equal(codeIn(debit), returnCodeFor('debit', to), `adding money from ${accountNumber}`)
    assert.equal(codeIn(credit), returnCodeFor('credit', to), `cashing out to ${accountNumber}`)
  }
})

function isThere(name: string): boolean {
  return ['', 'src'].some((dir) => existsSync(join(root, dir, name)))
}

function codeIn(cell: string): string | null {
  return /returned (R\d\d)/.exec(cell)?.[1] ?? null
}

/** What stands in code in the first cells of a section's table. */
function namesIn(paper: string, heading: string): readonly string[] {
  const cells = [...sectionOf(paper, heading).matchAll(/^\| *(`[^|]*)\|/gm)]
  const names = cells.flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)])
  return names.map(([, name = '']) => name).sort()
}

function sectionOf(paper: string, heading: string): string {
  const section = read(paper)
    .split(/^(?=## )/m)
    .find((text) => text.startsWith(`${heading}\n`))
  assert(section, `${paper} has no section ${heading}`)
  return section
}
