import { execFile } from 'node:child_process'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const wanted = join(root, 'test/kit/lambda/runtime')
/** Out of the reach of what reads the tree. It goes, and is built again, with the dependencies. */
const folder = join(root, 'node_modules/.cache/lambda-runtime')
const client = join(folder, 'node_modules/aws-lambda-ric')
const BUILD_MS = 400_000

/** The official runtime client, which is between Lambda and a function's code. */
export const program = join(client, 'index.mjs')
/** Its native part. */
export const needs = [join(client, 'rapid-client.node')] as const

const tools = ['cmake', 'g++', 'make', 'python3', 'xz'] as const

export function canBuild(): boolean {
  const places = (process.env['PATH'] ?? '').split(delimiter)
  return tools.every((tool) => places.some((place) => existsSync(join(place, tool))))
}

/** Installs and builds the locked version. Null when that went well, or why it did not. */
export async function build(): Promise<string | null> {
  console.log('Building the runtime client of AWS Lambda, about a minute …')
  try {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    for (const name of ['package.json', 'package-lock.json']) {
      await copyFile(join(wanted, name), join(folder, name))
    }
    await copyFile(join(root, '.npmrc'), join(folder, '.npmrc'))
    const PATH = [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter)
    const options = { cwd: folder, env: { ...process.env, PATH }, timeout: BUILD_MS }
    await promisify(execFile)('npm', ['ci', '--no-progress', '--loglevel=error'], options)
    return null
  } catch (error) {
    return `the runtime client of AWS Lambda could not be built: ${String(error).slice(0, 300)}`
  }
}
