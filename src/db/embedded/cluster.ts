import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, escapeLiteral } from 'pg'
import { StartRefused } from '../../errors.ts'
import { type Identity, run } from './identity.ts'
import type { Programs } from './programs.ts'

/** Where everything of the embedded PostgreSQL lies below the data directory. */
export type Places = Readonly<{
  /** Belongs to whom PostgreSQL runs as. */
  home: string
  /** PGDATA. Either absent or whole. */
  cluster: string
  secrets: string
  log: string
}>

/** Only the owner of the data directory reads them. */
export type Secrets = Readonly<{
  port: number
  superuserPassword: string
  password: string
}>

const SUPERUSER = 'postgres'
/** The role that owns the database, and no more: what serves requests has no rights beyond it. */
const ROLE = 'farthing'
const DATABASE = 'farthing'
const MAJOR = '18'
const PASSWORD_BYTES = 24

export function placesIn(dir: string): Places {
  const home = join(dir, 'postgres')
  return {
    home,
    cluster: join(home, 'cluster'),
    secrets: join(dir, 'postgres.json'),
    log: join(dir, 'postgres.log'),
  }
}

/** What the running process is told on its command line, so that no file can say otherwise. */
export const settings: Readonly<Record<string, string>> = {
  // Nothing that was answered may be lost, also when the machine loses power.
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // Only this machine, only with the password, no socket files with their short paths.
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  password_encryption: 'scram-sha-256',
  max_connections: '60',
  shared_buffers: '192MB',
  max_wal_size: '3GB',
  min_wal_size: '256MB',
  checkpoint_timeout: '15min',
  jit: 'off',
  idle_in_transaction_session_timeout: '30s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statements may hold what must not be logged: values of failed inserts, for one.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
}

/** The role's way into its database, for programs and for people with psql. */
export function roleUrl({ port, password }: Secrets): string {
  return `postgres://${ROLE}:${password}@127.0.0.1:${port}/${DATABASE}`
}

export function superuserUrl({ port, superuserPassword }: Secrets): string {
  return `postgres://${SUPERUSER}:${superuserPassword}@127.0.0.1:${port}/postgres`
}

/** Null when the data directory never held a PostgreSQL. */
export async function readSecrets(places: Places): Promise<Secrets | null> {
  if (!(await exists(places.secrets))) return null
  return JSON.parse(await readFile(places.secrets, 'utf8')) as Secrets
}

export function newSecrets(port: number): Secrets {
  return { port, superuserPassword: newPassword(), password: newPassword() }
}

function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url')
}

export async function writeSecrets(places: Places, secrets: Secrets): Promise<void> {
  const draft = `${places.secrets}.draft`
  await writeFile(draft, `${JSON.stringify(secrets)}\n`, { mode: 0o600, flush: true })
  await rename(draft, places.secrets)
}

/**
 * Makes the database cluster when there is none. It is made aside and moved into place when it is
 * whole, so that a start that was killed halfway leaves nothing that looks like a database.
 */
export async function ensureCluster(
  places: Places,
  programs: Programs,
  identity: Identity,
  secrets: Secrets,
): Promise<void> {
  if (await exists(places.cluster)) {
    await refuseOtherMajor(places)
    return
  }
  const draft = join(places.home, 'draft')
  const passwordFile = join(places.home, 'password')
  await rm(draft, { recursive: true, force: true })
  await writeFile(passwordFile, secrets.superuserPassword, { mode: 0o600 })
  if (identity.owner) await chown(passwordFile, identity.owner.uid, identity.owner.gid)
  const options = [
    `--pgdata=${draft}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--data-checksums',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
  ]
  const command = [...identity.prefix, programs.initdb, ...options]
  const { code, output } = await run(command, { LC_ALL: 'C', TZ: 'UTC' })
  await rm(passwordFile)
  if (code !== 0) throw new StartRefused(`initdb could not make a database: ${output.trim()}`)
  await rename(draft, places.cluster)
}

/** Makes role and database when they are missing. */
export async function ensureDatabase(secrets: Secrets): Promise<void> {
  const client = new Client({ connectionString: superuserUrl(secrets) })
  await client.connect()
  try {
    const role = await client.query('select from pg_roles where rolname = $1', [ROLE])
    if (role.rowCount === 0) {
      await client.query(`create role ${ROLE} login password ${escapeLiteral(secrets.password)}`)
    }
    const database = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (database.rowCount === 0) await client.query(`create database ${DATABASE} owner ${ROLE}`)
  } finally {
    await client.end()
  }
}

/** The directory for the cluster, entered only by its owner. */
export async function ensureHome(places: Places): Promise<void> {
  await mkdir(places.home, { recursive: true, mode: 0o700 })
}

async function refuseOtherMajor(places: Places): Promise<void> {
  const major = (await readFile(join(places.cluster, 'PG_VERSION'), 'utf8')).trim()
  if (major === MAJOR) return
  throw new StartRefused(
    `${places.cluster} was made by PostgreSQL ${major}, and this is PostgreSQL ${MAJOR}. ` +
      'Move the data with pg_dump and pg_restore, or start on another DATA_DIR.',
  )
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path, { throwIfNoEntry: false })) !== undefined
}
