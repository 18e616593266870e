import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { StartRefused } from '../../errors.ts'

/** A session of the command line, as it is kept between two commands. */
export type Kept = Readonly<{
  issuer: string
  userId: string
  accessToken: string
  refreshToken: string
  /** Unix milliseconds. */
  expiresAtMs: number
}>

function path(): string {
  const config = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config')
  return join(config, 'farthing', 'session.json')
}

/** Only its owner may read it: whoever has the file is signed in. */
export async function keep(session: Kept): Promise<void> {
  const file = path()
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // A command that is stopped in the middle leaves the old session or the new one, never half.
  const draft = `${file}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(session)}\n`, { mode: 0o600, flush: true })
  await rename(draft, file)
}

/** @throws StartRefused when nobody is signed in here. */
export async function kept(): Promise<Kept> {
  let text: string
  try {
    text = await readFile(path(), 'utf8')
  } catch (cause) {
    throw new StartRefused('You are not signed in here: run `farthing sign-in`.', { cause })
  }
  try {
    return JSON.parse(text) as Kept
  } catch {
    throw new StartRefused(`${path()} cannot be read: run \`farthing sign-in\` anew.`)
  }
}

export async function forget(): Promise<void> {
  await rm(path(), { force: true })
}
