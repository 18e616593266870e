import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import { only, programOf, repository } from './dockerfile.ts'
import { openPlace } from './place.ts'
import type { Place, Settings } from './place.ts'
import type { Tree } from './tree.ts'

/** The application's part of an image. */
const MEGABYTES_MAX = 100

type Check = (place: Place, t: TestContext) => Promise<void> | void

const checks: Readonly<Record<string, Check>> = {
  'nothing but /tmp can be written, and nobody is root': nothingIsWritable,
  'the service runs there, and its health checks tell when it is ready': theServiceRuns,
  'without DATABASE_URL it says what it needs, in production and out of it': itSaysWhatItNeeds,
  'its Node is what package.json pins, and with another it would not be built': theNodeIsRight,
  'it holds what the service needs to run, and nothing else': nothingElseIsInIt,
}

/** Everything that must hold of an image, however it was built. */
export function checkImage(open: () => Promise<Tree>, skip: string | false): void {
  let place: Place | null = null
  before(async () => {
    if (skip === false) place = await openPlace(open)
  })
  after(async () => await place?.close())
  for (const [title, check] of Object.entries(checks)) {
    test(title, { skip }, async (t) => {
      assert(place, 'it was not built')
      await check(place, t)
    })
  }
}

async function nothingIsWritable({ run }: Place): Promise<void> {
  const files = ['/app/x', '/app/src/x', '/etc/x', '/usr/x', '/x', '/run/secrets/x']
  const attempts = files.map((file) => `touch ${file} && echo ${file} could be written`)
  const tries = await run(['sh', '-c', [...attempts, 'touch /tmp/x'].join('; ')])
  assert.equal(tries.code, 0, '/tmp can be written')
  assert.doesNotMatch(tries.said, /could be written/)
  assert.equal(tries.said.match(/Read-only file system|Permission denied/g)?.length, files.length)
  const fields = 'grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status'
  const { said } = await run(['sh', '-c', `id -u; id -g; id -G; ${fields}`])
  const none = '0000000000000000'
  const lines = ['1000', '1000', '1000', `CapEff: ${none}`, `CapBnd: ${none}`, 'NoNewPrivs: 1']
  assert.deepEqual(said.trim().replaceAll('\t', ' ').split('\n'), lines)
}

async function theServiceRuns({ farthing, begin, run, settings }: Place): Promise<void> {
  assert.equal((await farthing(['health', 'serve'])).code, 1, 'nobody is there yet')
  assert.equal((await farthing(['migrate'])).code, 0)
  const stops = [
    await begin(['auth'], /sign/i),
    await begin(['work'], /works/, { ...settings, OPS_PORT: '0' }),
    await begin(programOf(only('CMD')), /serves/),
  ]
  for (const check of [programOf(only('HEALTHCHECK')), ['farthing', 'health', 'auth']]) {
    const { code, said } = await run(check)
    assert.equal(code, 0, said)
    assert.match(said, /"ready":true/)
  }
  await signUp(settings)
  for (const stop of stops.reverse()) await stop()
  assert.equal((await farthing(['health', 'auth'])).code, 1, 'it is gone')
  assert.equal((await farthing(['audit'])).code, 0)
}

async function signUp(settings: Settings): Promise<void> {
  const post = async (path: string, body: object): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${settings['PORT']}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return answer.status
  }
  const [email, password] = ['ada@example.com', 'three otters, one canoe']
  const person = { email, password, phoneNumber: '+12025550123' }
  assert.equal(await post('/v1/user', person), 201)
  assert.equal(await post('/v1/session', { login: email, password }), 200)
}

async function itSaysWhatItNeeds({ farthing, settings }: Place): Promise<void> {
  const { DATABASE_URL: _, ...without } = settings
  const serve = await farthing(['serve'], without)
  assert.equal(serve.code, 1)
  assert.match(serve.said, /set DATABASE_URL/)
  const start = await farthing(['start'], { FARTHING_ENV: 'development' })
  assert.equal(start.code, 1)
  assert.match(start.said, /there is no PostgreSQL to start\. .*set DATABASE_URL/)
}

async function theNodeIsRight({ run }: Place): Promise<void> {
  const text = readFileSync(`${repository}package.json`, 'utf8')
  const pinned = /"node": "(24[\d.]+)"/.exec(text)?.[1]
  assert.equal((await run(['/app/bin/node', '--version'])).said.trim(), `v${pinned}`)
  const edit = `sed -i 's/"node": "24/"node": "23/' package.json`
  const build = 'cp -r /app/src /app/package.json /tmp && cd /tmp'
  const check = '/app/bin/node src/bin/image/right-node.ts'
  const { code, said } = await run(['sh', '-c', `${build} && ${edit} && ${check}`])
  assert.equal(code, 1, said)
  assert.match(said, /deploy\/Dockerfile must begin FROM node:23/)
}

function nothingElseIsInIt({ tree }: Place, t: TestContext): void {
  const { app } = tree.root
  const files = ['.npmrc', 'LICENSE', 'package-lock.json', 'package.json']
  assert.deepEqual(readdirSync(app).sort(), [...files, 'bin', 'node_modules', 'src'].sort())
  assert.deepEqual(readdirSync(join(app, 'bin')).sort(), ['farthing', 'node', 'with-node'])
  const wanted = productionPackages(readFileSync(join(app, 'package-lock.json'), 'utf8'))
  const missing = wanted.filter((place) => !existsSync(join(app, place, 'package.json')))
  assert.deepEqual(missing, [], 'packages that are needed')
  const nested = '{*,@*/*}/node_modules/{[!@]*,@*/*}/package.json'
  const found = globSync(['node_modules/{[!@]*,@*/*}/package.json', `node_modules/${nested}`], {
    cwd: app,
  })
  const more = found.map((path) => path.slice(0, -'/package.json'.length))
  assert.deepEqual(
    more.filter((place) => !wanted.includes(place)),
    [],
    'packages that nobody needs',
  )
  const megabytes = Number.parseInt(execFileSync('du', ['-sm', app], { encoding: 'utf8' }), 10)
  t.diagnostic(`the application takes ${megabytes} MB, in ${more.length} packages`)
  assert(megabytes < MEGABYTES_MAX)
}

type Locked = Readonly<{ dev?: true; optional?: true; devOptional?: true }>

/** Where the lock file has what is neither for development nor optional. */
function productionPackages(lock: string): readonly string[] {
  const { packages } = JSON.parse(lock) as { packages: Readonly<Record<string, Locked>> }
  return Object.entries(packages)
    .filter(([, { dev, optional, devOptional }]) => !(dev ?? optional ?? devOptional))
    .map(([place]) => place)
    .filter((place) => place !== '')
}
