import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { repository, stageNamed } from './dockerfile.ts'
import type { Tree } from './tree.ts'

const BUILD_MS = 900_000

/**
 * Builds the whole Dockerfile with buildah, which needs no engine. Its base cannot be had here: in
 * its place stands a Debian by debootstrap, with the pinned Node and npm where that base has them.
 */
export async function buildImage(buildah: string): Promise<Tree> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-image-'))
  const store = ['--root', `${dir}/store`, '--runroot', `${dir}/run`, '--storage-driver', 'vfs']
  const run = (...words: readonly string[]): string =>
    execFileSync(buildah, [...store, ...words], { encoding: 'utf8', timeout: BUILD_MS }).trim()
  await makeBase(join(dir, 'base'))
  const empty = run('from', 'scratch')
  // With its devices, which nothing of Node's copies.
  execFileSync('cp', ['-a', `${dir}/base/.`, run('mount', empty)])
  run('commit', '--quiet', '--rm', empty, `docker.io/library/${stageNamed('node')[0]?.words[0]}`)
  const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim()
  const how = ['--isolation', 'chroot', '--network', 'host', '--pull-never', '--format', 'docker']
  const file = `${repository}deploy/Dockerfile`
  run('bud', ...how, '--volume', `${cache}:/npm-cache`, '-f', file, '-t', 'farthing', repository)
  const system = run('mount', run('from', '--pull-never', 'localhost/farthing'))
  const [secrets, stage] = [join(dir, 'secrets'), join(dir, 'stage')]
  await mkdir(secrets, { mode: 0o755 })
  await mkdir(stage)
  return {
    root: { system, app: join(system, 'app'), node: null, npm: null, secrets, stage },
    close: async () => await rm(dir, { recursive: true, force: true }),
  }
}

async function makeBase(base: string): Promise<void> {
  const words = ['--variant=minbase', 'bookworm', base]
  execFileSync('debootstrap', words, { stdio: 'ignore', timeout: BUILD_MS })
  const local = join(base, 'usr', 'local')
  const node = await realpath(createRequire(import.meta.url).resolve('node/bin/node'))
  await cp(node, join(local, 'bin', 'node'))
  const which = ['-c', 'readlink -f "$(command -v npm)"']
  const npm = dirname(dirname(execFileSync('sh', which, { encoding: 'utf8' }).trim()))
  await cp(npm, join(local, 'lib', 'node_modules', 'npm'), { recursive: true, dereference: true })
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin', 'npm'))
  await mkdir(join(local, 'etc'), { recursive: true })
  await writeFile(join(local, 'etc', 'npmrc'), 'prefer-offline=true\ncache=/npm-cache\n')
  // Debian keeps the packages that it was made from.
  await rm(join(base, 'var', 'cache', 'apt', 'archives'), { recursive: true })
  await rm(join(base, 'var', 'lib', 'apt', 'lists'), { recursive: true })
}
