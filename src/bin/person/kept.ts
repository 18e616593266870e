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

/**
 * The session that is kept here of this issuer: no other gets to see its tokens.
 *
 * @throws StartRefused when nobody is signed in here, or at another issuer.
 */
export async function kept(issuer: string): Promise<Kept> {
  let text: string
  try {
    text = await readFile(path(), 'utf8')
  } catch (cause) {
    throw new StartRefused('You are not signed in here: run `farthing sign-in`.', { cause })
  }
  const session = parse(text)
  if (session === null) {
    throw new StartRefused(`${path()} cannot be read: run \`farthing sign-in\` anew.`)
  }
  if (session.issuer !== issuer) {
    throw new StartRefused(`You are signed in at ${session.issuer}, not at ${issuer}.`)
  }
  return session
}

export async function forget(): Promise<void> {
  await rm(path(), { force: true })
}

/** Null for what `keep` has not written. */
function parse(text: string): Kept | null {
  try {
    const found = JSON.parse(text) as Partial<Kept> | null
    const texts = [found?.issuer, found?.userId, found?.accessToken, found?.refreshToken]
    const whole = texts.every((one) => typeof one === 'string')
    return whole && typeof found?.expiresAtMs === 'number' ? (found as Kept) : null
  } catch {
    return null
  }
}
