import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { cp, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { programOf, repository, stageNamed } from './dockerfile.ts'
import type { Step } from './dockerfile.ts'
import { inside } from './sandbox.ts'
import type { Root } from './sandbox.ts'

/** The application's files as an image has them, and where to run them. */
export type Tree = Readonly<{ root: Root; close: () => Promise<void> }>

/**
 * Does what the stage `build` of the Dockerfile says, on this machine's own system: its COPYs, and
 * its RUNs with nothing writable but the application.
 */
export async function buildTree(): Promise<Tree> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-image-'))
  const folder = async (name: string): Promise<string> => {
    await mkdir(join(dir, name), { mode: 0o755 })
    return join(dir, name)
  }
  const npm = execFileSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' })
  const root = {
    system: '/',
    app: await folder('app'),
    node: await realpath(createRequire(import.meta.url).resolve('node/bin/node')),
    npm: dirname(dirname(npm.trim())),
    secrets: await folder('secrets'),
    stage: await folder('stage'),
  }
  const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim()
  await mkdir(cache, { recursive: true })
  for (const step of stageNamed('build').slice(1)) await take(step, root, cache)
  return {
    root: { ...root, npm: null },
    close: async () => await rm(dir, { recursive: true, force: true }),
  }
}

async function take(step: Step, root: Root, cache: string): Promise<void> {
  if (step.name === 'WORKDIR') assert.equal(step.text, '/app')
  else if (step.name === 'COPY') await copy(step.words, root.app)
  else if (step.name === 'RUN') await run(step, root, cache)
  else assert.fail(`${step.name} in the stage build: teach the test what it does`)
}

async function copy(words: readonly string[], app: string): Promise<void> {
  const [to = '.', ...from] = words.toReversed()
  for (const source of from) {
    const isFolder = to.endsWith('/')
    const target = isFolder ? join(to, source.split('/').at(-1) ?? source) : to
    await cp(join(repository, source), join(app, target), { recursive: true })
  }
}

async function run(step: Step, root: Root, cache: string): Promise<void> {
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    npm_config_cache: '/npm-cache',
    npm_config_prefer_offline: 'true',
    // What lets npm through to its registry from here.
    ...pick(['HOME', 'NODE_EXTRA_CA_CERTS', 'HTTPS_PROXY', 'https_proxy']),
  }
  const running = inside(root, { command: programOf(step), env, building: cache })
  assert.equal(await running.ended, 0, `RUN ${step.text}\n${running.output()}`)
}

function pick(names: readonly string[]): Readonly<Record<string, string>> {
  const found = names.map((name) => [name, process.env[name]] as const)
  return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >
}
