import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { readConfig } from '../../config.ts'
import { StartRefused } from '../../errors.ts'
import { loadKeys } from '../../keys.ts'
import { readVerifyingKeys } from '../../token-keys.ts'
import { writeEdgeKeys } from '../edge-keys.ts'
import type { File } from './files/deployment.ts'
import { folderOf, inOrder, type Machine } from './machine.ts'
import type { Place } from './places.ts'
import type { Process } from './processes/process.ts'
import { newSecrets, type Secrets } from './secrets.ts'

const secretsIn = (dir: string): string => `${dir}/secrets.json`

/** Of the cluster in that folder; null when there is none. */
export function readSecrets(dir: string): Secrets | null {
  if (!existsSync(secretsIn(dir))) return null
  return JSON.parse(readFileSync(secretsIn(dir), 'utf8')) as Secrets
}

/** Whether it is a cluster's. `farthing cluster files` has secrets in its folder, too. */
export function holdsCluster(dir: string): boolean {
  if (existsSync(`${dir}/run/plan.json`)) return true
  return existsSync(`${dir}/run`) && existsSync(secretsIn(dir))
}

/**
 * Makes the folder ours, and its secrets with it.
 *
 * @throws StartRefused when it holds something else, or is nobody's to look into.
 */
export function claimFolder(dir: string): Secrets {
  const known = holdsCluster(dir) ? readSecrets(dir) : null
  if (known) return known
  if (existsSync(dir)) {
    throw new StartRefused(
      `${dir} is there, and holds no cluster: set CLUSTER_DIR to another path.`,
    )
  }
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  refuseClosedWay(dir)
  for (const name of ['run', 'log', 'keys']) mkdirSync(`${dir}/${name}`, { mode: 0o700 })
  for (const name of ['edge', 'edge/problems', 'edge/keys']) {
    mkdirSync(`${dir}/${name}`, { mode: 0o755 })
  }
  const secrets = newSecrets()
  writeFileSync(secretsIn(dir), JSON.stringify(secrets, null, 2), { mode: 0o600 })
  return secrets
}

/** The system users that databases run as must be able to go there. */
function refuseClosedWay(dir: string): void {
  if (process.getuid?.() !== 0) return
  for (let path = dirname(dir); path !== '/'; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) !== 0) continue
    rmSync(dir, { recursive: true })
    throw new StartRefused(
      `${path} is closed to the users that PostgreSQL and Redis run as: set CLUSTER_DIR to a ` +
        'path that is open to all, as /var/lib/farthing-cluster is.',
    )
  }
}

/** Every file that the processes read. What one of them writes into stays as it is. */
export async function writeFiles(machine: Machine): Promise<void> {
  const { dir } = machine.settings
  for (const { path, text } of machine.sharedFiles) writeFileSync(path, text, { mode: 0o644 })
  for (const place of inOrder(machine.places)) writeFilesOf(machine, place)
  const [database] = machine.places.postgres
  if (database) makeFolder(`${dir}/backup`, machine.userOf(database))
  await writeKeys(dir)
  const plan = inOrder(machine.places).map(machine.processOf)
  writeFileSync(`${dir}/run/plan.json`, JSON.stringify(plan, null, 2), { mode: 0o600 })
}

function writeFilesOf(machine: Machine, place: Place): void {
  const folder = folderOf(machine.settings.dir, place)
  const user = machine.userOf(place)
  for (const path of [folder, `${folder}/data`, `${folder}/run`]) makeFolder(path, user)
  for (const { path, text } of machine.filesOf(place).filter(isWanted)) {
    writeFileSync(path, text, { mode: 0o600 })
    if (user) chownSync(path, user.uid, user.gid)
  }
}

/** For its owner alone. */
export function makeFolder(path: string, user: Process['user']): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (user) chownSync(path, user.uid, user.gid)
}

function isWanted({ path, once }: File): boolean {
  return once !== true || !existsSync(path)
}

/** The auth layer's, the others' without what signs, and the balancers'. */
async function writeKeys(dir: string): Promise<void> {
  const keys = await loadKeys(readConfig({ DATA_DIR: `${dir}/keys` }))
  const file = JSON.parse(readFileSync(`${dir}/keys/keys.json`, 'utf8')) as {
    tokenKeys: readonly Record<string, string>[]
  }
  const tokenKeys = file.tokenKeys.map((key) => ({ ...key, d: undefined }))
  const text = JSON.stringify({ ...file, tokenKeys }, null, 2)
  writeFileSync(`${dir}/keys/keys-api.json`, text, { mode: 0o600 })
  await writeEdgeKeys(`${dir}/edge/keys`, readVerifyingKeys(keys.tokenKeys), [])
}
