import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Sample } from '../samples.ts'

const SCALE = 10
const THREADS = 2

export type Pgbench = Readonly<{
  version: string
  run: (ask: Readonly<{ clients: number; seconds: number }>) => Promise<Sample>
}>

/**
 * The measure of all others: PostgreSQL's own TPC-B, on the same server, in a database of its own.
 * Null when this machine has no pgbench and gets none.
 */
export async function preparePgbench(url: string): Promise<Pgbench | null> {
  const program = (await findPgbench()) ?? (await installPgbench())
  if (program === null) return null
  await run(program, ['--initialize', '--quiet', `--scale=${SCALE}`, url])
  const version = (await run(program, ['--version'])).trim()
  return { version, run: async (ask) => await measure(program, url, ask) }
}

async function measure(
  program: string,
  url: string,
  { clients, seconds }: Readonly<{ clients: number; seconds: number }>,
): Promise<Sample> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-pgbench-'))
  try {
    const output = await run(program, [
      '--protocol=prepared',
      `--client=${clients}`,
      `--jobs=${Math.min(THREADS, clients)}`,
      `--time=${seconds}`,
      '--log',
      `--log-prefix=${join(dir, 'log')}`,
      url,
    ])
    const latenciesMs = await readLatencies(dir)
    // Its own count of seconds, which leaves out the time to connect.
    const perSecond = Number(/^tps = ([\d.]+) \(without/m.exec(output)?.[1])
    const count = latenciesMs.length
    if (!(perSecond > 0) || count === 0) throw new Error(`pgbench measured nothing:\n${output}`)
    return { count, seconds: count / perSecond, latenciesMs }
  } finally {
    await rm(dir, { recursive: true })
  }
}

/** A line for each transaction: client, number, microseconds, … */
async function readLatencies(dir: string): Promise<Float64Array> {
  const texts = (await readdir(dir)).map(async (name) => await readFile(join(dir, name), 'utf8'))
  const lines = (await Promise.all(texts)).flatMap((text) => text.trimEnd().split('\n'))
  return Float64Array.from(lines, (line) => Number(line.split(' ')[2]) / 1_000).sort()
}

/** Debian keeps it out of the path when no wrapper is installed. */
async function findPgbench(): Promise<string | null> {
  const places = ['/usr/lib/postgresql', '/usr/pgsql', '/opt/homebrew/opt']
  const versions = await Promise.all(places.map(programsBelow))
  for (const program of ['pgbench', ...versions.flat()]) {
    if (await works(program)) return program
  }
  return null
}

async function programsBelow(place: string): Promise<readonly string[]> {
  try {
    const versions = (await readdir(place)).sort((a, b) => Number(b) - Number(a))
    return versions.map((version) => join(place, version, 'bin', 'pgbench'))
  } catch {
    return [] // no such folder here
  }
}

async function installPgbench(): Promise<string | null> {
  if (process.getuid?.() !== 0) return null
  console.log('There is no pgbench here: trying `apt-get install postgresql-contrib`.')
  try {
    await run('apt-get', ['update', '-qq'])
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'postgresql-contrib'])
  } catch (error) {
    console.log(String(error))
    return null
  }
  return await findPgbench()
}

async function works(program: string): Promise<boolean> {
  try {
    await run(program, ['--version'])
    return true
  } catch {
    return false
  }
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code === 0) return output
  throw new Error(`${program} ended with code ${code}: ${errors.trim()}`)
}
