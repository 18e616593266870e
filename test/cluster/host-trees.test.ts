import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseEnvironment } from '../../src/bin/cluster/files/environment.ts'
import { writeHostFiles } from '../../src/bin/cluster/hosts.ts'
import { readConfig } from '../../src/config.ts'
import { StartRefused } from '../../src/errors.ts'

/** Goal: what `farthing cluster files` fills can be copied to hosts, and is read as written. */
const repository = fileURLToPath(new URL('../..', import.meta.url))
const exampleFile = `${repository}deploy/hosts.example.json`
const example = JSON.parse(readFileSync(exampleFile, 'utf8')) as Readonly<{
  publicUrl: string
  authUrl: string
  settings: Readonly<Record<string, string>>
}>
/** All that a shell makes something else of. */
const nasty = String.raw`a "b" 'c' $HOME $(id) ${'`'}id${'`'} \ \\ \" # ~ * ; & | < > !`
let dir: string
before(() => {
  dir = mkdtempSync('/tmp/farthing-hosts-')
  const umask = process.umask(0o077)
  writeHostFiles(hostsWith({ ...example.settings, NASTY: nasty }), `${dir}/filled`)
  process.umask(umask)
})
after(() => rmSync(dir, { recursive: true, force: true }))

test('a tree that is copied with its modes closes no folder of its host', () => {
  const modeOf = (path: string) => (statSync(`${dir}/filled/${path}`).mode & 0o777).toString(8)
  const trees = globSync('*-*', { cwd: `${dir}/filled` })
  assert.equal(trees.length, 21)
  const inside = globSync('*-*/**', { cwd: `${dir}/filled`, withFileTypes: true })
  for (const entry of inside) {
    const path = `${entry.parentPath}/${entry.name}`.slice(`${dir}/filled/`.length)
    assert.equal(modeOf(path), entry.isDirectory() ? '755' : '600', path)
  }
  for (const tree of trees) assert.equal(modeOf(tree), '755', tree)
  assert.deepEqual(['', 'secrets.json'].map(modeOf), ['700', '600'])
})

test('a shell takes the settings of each process as they were meant', () => {
  const files = globSync(`${dir}/filled/*/etc/farthing/*.env`)
  assert.equal(files.length, 8)
  for (const file of files) {
    const settings = parseEnvironment(readFileSync(file, 'utf8'))
    const source = 'set -a; . "$0"; exec env -0'
    const told = execFileSync('/bin/sh', ['-ec', source, file], { env: { PATH: '/usr/bin:/bin' } })
    const seen = new Map(
      told
        .toString()
        .split('\0')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    for (const [name, value] of Object.entries(settings)) assert.equal(seen.get(name), value, name)
    const { NASTY, MAIL_FROM, DATABASE_URL = '', ...rest } = settings
    assert.deepEqual([NASTY, MAIL_FROM], [nasty, example.settings['MAIL_FROM']])
    assert.equal(new URL(DATABASE_URL.replace(/,[^/]*/, '')).searchParams.size, 3)
    const config = readConfig({ ...rest, MAIL_FROM, DATABASE_URL })
    assert.equal(config.environment, 'production')
  }
})

test('a setting that no file could hold is refused', () => {
  for (const settings of [{ SMTP_URL: 'one\nTWO=2' }, { 'SMTP URL': 'x' }, { PORT: 8080 }]) {
    const [name = ''] = Object.keys(settings)
    assert.throws(
      () => writeHostFiles(hostsWith(settings), `${dir}/refused`),
      (error) => error instanceof StartRefused && error.message.includes(`"${name}" in "settings"`),
    )
  }
})

test('somebody listens where the example sends customers', () => {
  for (const tree of ['balancer-1-10.0.1.11', 'balancer-2-10.0.1.12']) {
    const file = readFileSync(`${dir}/filled/${tree}/etc/haproxy/haproxy.cfg`, 'utf8')
    const section = (name: string) => file.split(`\nfrontend ${name} from`)[1]?.split('\n\n')[0]
    for (const [name, url] of [
      ['api', example.publicUrl],
      ['auth', example.authUrl],
    ] as const) {
      const { port } = new URL(url)
      const address = tree.split('-').at(-1)
      assert.match(section(name) ?? '', new RegExp(`\\bbind ${address}:${port || '443'} ssl crt `))
    }
  }
})

test('what is run on the databases by hand is in their trees, and who is let in for it', () => {
  const guide = readFileSync(`${repository}docs/operate.md`, 'utf8')
  const [, script = ''] = /psql .*-f (\/\S+\.sql)/.exec(guide) ?? []
  const roles = readFileSync(`${repository}deploy/patroni/roles.sql`, 'utf8')
  const trees = globSync('postgres-*', { cwd: `${dir}/filled` })
  assert.equal(trees.length, 3)
  for (const tree of trees) {
    assert.equal(readFileSync(`${dir}/filled/${tree}${script}`, 'utf8'), roles)
    const patroni = readFileSync(`${dir}/filled/${tree}/etc/patroni/config.yml`, 'utf8')
    // The exporter comes as its user; superusers come by the socket alone.
    const [, ...lines] =
      /\n {2}pg_hba:\n((?: {4}- .*\n)+)/.exec(patroni)?.[1]?.split('    - ') ?? []
    const local = lines.filter((line) => line.startsWith('local ')).map((line) => line.trim())
    assert.deepEqual(local, [
      'local all postgres scram-sha-256',
      'local replication replicator scram-sha-256',
      'local postgres prometheus peer',
    ])
  }
})

test('migrate and audit refuse, as they are typed on a host, when no settings are there', () => {
  const guide = readFileSync(`${repository}docs/operate.md`, 'utf8')
  const lines = guide.split('\n').filter((line) => line.includes('. /etc/farthing/serve.env'))
  assert.equal(lines.length, 2)
  writeFileSync(`${dir}/empty.env`, '')
  for (const line of lines) {
    const here = line
      .replace('/etc/farthing/serve.env', `${dir}/empty.env`)
      .replace('/opt/farthing/', repository)
    const options = { cwd: dir, env: { PATH: process.env['PATH'] }, encoding: 'utf8' } as const
    const { status, stderr } = spawnSync('/bin/sh', ['-c', here], options)
    assert.equal(status, 1, stderr)
    assert.match(stderr, /production keeps its books on a server: set DATABASE_URL/)
  }
})

function hostsWith(settings: Readonly<Record<string, unknown>>): string {
  const file = `${dir}/hosts.json`
  writeFileSync(file, JSON.stringify({ ...example, settings }))
  return file
}
