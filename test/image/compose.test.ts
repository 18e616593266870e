import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { parseEnvironment } from '../../src/bin/cluster/files/environment.ts'
import { readConfig } from '../../src/config.ts'
import { repository } from './kit/dockerfile.ts'

const folder = `${repository}deploy/compose`

type Service = Readonly<{
  extends?: Readonly<{ file: string; service: string }>
  image: string
  user: string
  read_only: boolean
  cap_drop: readonly string[]
  security_opt: readonly string[]
  deploy: Readonly<{ resources: Readonly<{ limits: Readonly<Record<string, string | number>> }> }>
  healthcheck?: Readonly<{ disable?: boolean }>
  ports?: readonly string[]
  volumes?: readonly string[]
  env_file?: string
  environment?: Readonly<Record<string, string>>
  networks: Readonly<Record<string, Readonly<{ ipv4_address?: string }>>>
  depends_on?: Readonly<Record<string, unknown>>
  secrets?: readonly (string | Readonly<{ source: string }>)[]
}>
type File = Readonly<{
  services: Readonly<Record<string, Service>>
  networks: Readonly<Record<string, Readonly<{ internal?: boolean }>>>
  volumes: Readonly<Record<string, unknown>>
  secrets: Readonly<Record<string, Readonly<{ file: string }>>>
}>

const read = (name: string) =>
  parse(readFileSync(`${folder}/${name}`, 'utf8'), { merge: true }) as File
const file = read('compose.yaml')
const kinds = read('kinds.yaml').services
/** Each service, with what it has of its kind: nothing here stands in both. */
const services = Object.entries(file.services).map(([name, own]) => {
  const kind = kinds[own.extends?.service ?? ''] ?? assert.fail(`${name} is of no kind`)
  return [name, { ...kind, ...own }] as const
})

const { version } = JSON.parse(readFileSync(`${repository}package.json`, 'utf8')) as {
  version: string
}
let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-compose-'))
  execFileSync(process.execPath, [`${folder}/files.ts`, `${dir}/made`], { stdio: 'ignore' })
})
after(async () => await rm(dir, { recursive: true, force: true }))

function lint(path: string): string {
  const { stdout } = spawnSync(
    `${repository}node_modules/.bin/dclint`,
    ['--color=false', '-c', `${folder}/dclint.json`, path],
    { encoding: 'utf8' },
  )
  return stdout.trim()
}

test('the linter of Compose files, which holds them against the schema, finds nothing', () => {
  assert.equal(lint(folder), '')
  assert.equal(lint(`${folder}/kinds.yaml`), '')
})

const broken: Readonly<Record<string, readonly [was: string, is: string]>> = {
  'a key that there is none of': ['depends_on:', 'depend_on:'],
  'a port that is open to all': ['127.0.0.1:8080:8080', '8080:8080'],
  'a port twice': ['127.0.0.1:8180:8080', '127.0.0.1:8080:8080'],
}
for (const [what, [was, is]] of Object.entries(broken)) {
  test(`the linter of Compose files would find ${what}`, async () => {
    const text = readFileSync(`${folder}/compose.yaml`, 'utf8')
    assert(text.includes(was))
    await cp(`${folder}/kinds.yaml`, join(dir, 'kinds.yaml'))
    await writeFile(join(dir, 'compose.yaml'), text.replace(was, is))
    assert.notEqual(lint(join(dir, 'compose.yaml')), '')
  })
}

test('no container is root, can write its root, gains a privilege, or takes without end', () => {
  for (const [name, service] of services) {
    assert.equal(service.user, '1000:1000', name)
    assert.equal(service.read_only, true, name)
    assert.deepEqual(service.cap_drop, ['ALL'], name)
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
    assert.deepEqual(Object.keys(service.deploy.resources.limits), ['cpus', 'memory', 'pids'], name)
    assert(service.image.endsWith(`:${version}`), name)
    // The image has a health check of its own, for servers.
    const isAsked = service.healthcheck?.disable !== true
    assert.equal(isAsked, !/^(worker|migrate)/.test(name), name)
  }
})

test('only balancers are published, to this host alone, and only they reach the databases', () => {
  for (const [name, { ports = [], networks }] of services) {
    const isBalancer = name.startsWith('balancer-')
    assert.equal(ports.length > 0, isBalancer, name)
    assert(
      ports.every((port) => port.startsWith('127.0.0.1:')),
      name,
    )
    assert.equal('outside' in networks, isBalancer, name)
    assert.equal('data' in networks, isBalancer || name.startsWith('postgres-'), name)
    assert.equal('votes' in networks, /^(postgres|etcd)-/.test(name), name)
  }
  const open = Object.entries(file.networks).filter(([, { internal }]) => internal !== true)
  assert.deepEqual(
    open.map(([name]) => name),
    ['outside', 'outbound'],
  )
})

function count(kind: string): number {
  return services.filter(([name]) => name.startsWith(`${kind}-`)).length
}

test('the picture has the number of each that it is drawn with', () => {
  const counts = ['balancer', 'server', 'worker', 'auth', 'redis', 'sentinel', 'etcd', 'postgres']
  assert.deepEqual(counts.map(count), [2, 4, 2, 2, 2, 3, 3, 3])
})

test('what a service mounts, waits for and is told is there', () => {
  for (const [name, service] of services) {
    const own = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '')
    for (const source of [...own, ...(service.env_file ? [service.env_file] : [])]) {
      if (source.startsWith('./made/')) assert(existsSync(join(dir, source)), `${name}: ${source}`)
      else if (source.startsWith('.'))
        assert(existsSync(join(folder, source)), `${name}: ${source}`)
      else assert(source in file.volumes, `${name}: ${source}`)
    }
    for (const other of Object.keys(service.depends_on ?? {}))
      assert(other in file.services, `${name}: ${other}`)
    for (const secret of service.secrets ?? []) {
      const source = typeof secret === 'string' ? secret : secret.source
      const path = file.secrets[source]?.file ?? assert.fail(`${name}: ${source}`)
      assert(existsSync(join(dir, path)), `${name}: ${path}`)
    }
  }
})

test('every address in a file is one that a container has, and its own is where it listens', () => {
  const addresses = services.map(([name, { networks }]) => {
    return [name, Object.values(networks).flatMap(({ ipv4_address: at }) => at ?? [])] as const
  })
  const all = addresses.flatMap(([, own]) => own)
  assert.equal(new Set(all).size, all.length, 'two have one address')
  for (const path of globSync('made/*/*.{cfg,conf,yml,env}', { cwd: dir })) {
    const text = readFileSync(join(dir, path), 'utf8')
    const found = [...text.matchAll(/\b172\.30\.\d+\.\d+\b/g)].map(([address]) => address)
    assert(found.length > 0, path)
    assert.deepEqual(
      found.filter((address) => !all.includes(address)),
      [],
      path,
    )
    const [, own = []] = addresses.find(([name]) => path.startsWith(`made/${name}/`)) ?? []
    const listens =
      /^(?:bind|HOST=|  listen: |listen-client-urls: http:\/\/|bind )\s*([\d.]+)/m.exec(text)?.[1]
    if (listens !== undefined && isIP(listens) && listens !== '0.0.0.0')
      assert(own.includes(listens), path)
  }
})

test('each Farthing process would start with what it is told', () => {
  const files = globSync('made/*/farthing.env', { cwd: dir })
  assert.equal(files.length, 8)
  for (const path of files) {
    const settings = parseEnvironment(readFileSync(join(dir, path), 'utf8'))
    assert.notEqual(readConfig(settings).databaseUrl, null, path)
  }
})

const haproxy = '/usr/sbin/haproxy'
const skip = existsSync(haproxy) ? false : 'HAProxy is not installed'
test('HAProxy takes the files of its containers', { skip }, async () => {
  for (const path of globSync('made/balancer-*/haproxy.cfg', { cwd: dir })) {
    const text = readFileSync(join(dir, path), 'utf8')
    assert(text.includes('/made/edge/'))
    const here = text.replaceAll('/made/edge/', `${dir}/made/edge/`)
    await writeFile(join(dir, 'haproxy.cfg'), here.replaceAll('/run/farthing', dir))
    const { status, stderr } = spawnSync(haproxy, ['-c', '-f', join(dir, 'haproxy.cfg')], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
  }
})

async function check(...words: readonly string[]): Promise<boolean> {
  const run = promisify(execFile)('bash', [`${folder}/parts/part-health`, ...words], {
    timeout: 10_000,
    env: { PATH: process.env['PATH'], ADDRESS: '127.0.0.1' },
  })
  return await run.then(
    () => true,
    () => false,
  )
}

test("a part's health check hears 200, and takes nothing else for it", async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/healthz' ? 200 : 503).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  assert.equal(await check('127.0.0.1', String(port), '/healthz'), true)
  assert.equal(await check('127.0.0.1', String(port), '/other'), false)
  assert.equal(await check('postgres', String(port)), false, 'it asks /health')
  assert.equal(await check('127.0.0.1', '1', '/healthz'), false, 'nobody is there')
})
