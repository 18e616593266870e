import { spawn } from 'node:child_process'
import { chownSync, closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StartRefused } from '../../errors.ts'
import { parseTime, printTime } from '../../time.ts'
import { execute } from './execute.ts'
import { makeFolder } from './folder.ts'
import type { Machine } from './machine.ts'
import { type Place, ports } from './places.ts'
import { isAlive, MARK, runningAs, signal, untilGone } from './processes/process.ts'
import { programs } from './processes/programs.ts'
import { lookAtDatabases } from './status/databases.ts'

const farthing = fileURLToPath(new URL('../../../bin/farthing', import.meta.url))
const RECOVERED_WITHIN_MS = 120_000
const STOPPED_WITHIN_MS = 30_000
const LOOK_MS = 300

type Say = (line: string) => void

/** @throws StartRefused when there is none. */
export async function primaryOf({ places }: Machine): Promise<Place> {
  const { looks } = await lookAtDatabases(places.postgres)
  const primary = places.postgres[looks.findIndex(({ role }) => role === 'primary')]
  if (!primary) throw new StartRefused('There is no primary: see `farthing cluster status`.')
  return primary
}

/** As the superuser, by the socket: nobody else lets it in. */
export async function askPrimary(machine: Machine, words: readonly string[]): Promise<string> {
  const { run } = machine.deployment.paths(await primaryOf(machine))
  return await askSocket(machine, run, words)
}

async function askSocket(machine: Machine, run: string, words: readonly string[]) {
  const { postgres, farthing: password } = machine.deployment.secrets
  const env = { ...envOf(machine), PGPASSWORD: postgres, FARTHING_PASSWORD: password }
  const how = ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-h', run, '-U', 'postgres']
  return (await execute(['psql', ...how, ...words], env)).trim()
}

function envOf({ deployment, settings }: Machine): Readonly<Record<string, string>> {
  return {
    PATH: `${deployment.postgresBin}:/usr/bin:/bin`,
    LANG: 'C.UTF-8',
    PGPASSWORD: deployment.secrets.postgres,
    [MARK]: settings.dir,
  }
}

async function pgbackrest(machine: Machine, place: Place, ...words: readonly string[]) {
  const { archive } = machine.deployment.paths(place)
  const command = [
    programs.pgbackrest,
    `--config=${archive?.config}`,
    '--stanza=farthing',
    ...words,
  ] as const
  return await execute(command, envOf(machine), machine.userOf(place))
}

/** Makes the repository ready for the archive of WAL; what is ready stays as it is. */
export async function makeRepository(machine: Machine): Promise<void> {
  await pgbackrest(machine, await primaryOf(machine), 'stanza-create')
}

/** A back-up of the primary: whole if it is the first, else of what has changed. */
export async function backUp(machine: Machine, say: Say): Promise<void> {
  const primary = await primaryOf(machine)
  say(`Backing up ${primary.name}.`)
  await pgbackrest(machine, primary, 'backup')
  say(await pgbackrest(machine, primary, 'info'))
}

/**
 * Restores the newest back-up beside the cluster, as it was at a time, or with all that was
 * archived; proves the books there, and takes it away again.
 *
 * @param to An RFC 3339 time; null: the end of the archive.
 */
export async function drill(machine: Machine, to: string | null, say: Say): Promise<void> {
  const { settings, userOf } = machine
  const target = to === null ? null : targetOf(to)
  const primary = await primaryOf(machine)
  const folder = `${settings.dir}/drill`
  rmSync(folder, { recursive: true, force: true })
  for (const path of [folder, `${folder}/data`, `${folder}/run`]) makeFolder(path, userOf(primary))
  say('Archiving what was written up to now.')
  // A time is reached when something later is read: so something is, and is archived.
  await askPrimary(machine, ['-c', 'select pg_current_xact_id()', 'postgres'])
  await askPrimary(machine, ['-c', 'select pg_switch_wal()', 'postgres'])
  await pgbackrest(machine, primary, 'check')
  const until =
    target === null ? [] : ['--type=time', `--target=${target}`, '--target-action=promote']
  const what = to === null ? 'all that was archived' : `what was at ${to}`
  say(`Restoring ${what}, beside the cluster.`)
  await pgbackrest(machine, primary, `--pg1-path=${folder}/data`, ...until, 'restore')
  say('Starting a PostgreSQL on it, which reads the archive.')
  const { stop, lives } = startRestored(machine, primary, folder)
  try {
    await untilRecovered(machine, `${folder}/run`, lives)
    const seen = `
      select count(*) || ' transactions, the last at ' ||
             to_char(max(posted_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
      from transaction`
    say(await askSocket(machine, `${folder}/run`, ['-c', seen, 'farthing']))
    say('Auditing it.')
    const url = `postgres://farthing:${machine.deployment.secrets.farthing}@${restoredAddress(machine)}:${ports.postgres}/farthing`
    const env = { ...envOf(machine), PATH: process.env['PATH'] ?? '', DATABASE_URL: url }
    say((await execute(['/bin/sh', farthing, 'audit'], env)).trim().split('\n').at(-1) ?? '')
  } finally {
    await stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The same moment in the words of pgBackRest. */
function targetOf(to: string): string {
  const at = parseTime(to)
  if (at === null) throw new StartRefused(`${to} is no time: write it as 2026-03-02T10:15:00Z.`)
  return printTime(at).replace('T', ' ').replace('Z', '+00')
}

/** Beside the three. */
function restoredAddress({ settings }: Machine): string {
  return `${settings.net}.91`
}

type Restored = Readonly<{ stop: () => Promise<void>; lives: () => boolean }>

/** A PostgreSQL of its own: no Patroni, no archive, nobody to follow. */
function startRestored(machine: Machine, primary: Place, folder: string): Restored {
  const user = machine.userOf(primary)
  const hba = `${folder}/run/pg_hba.conf`
  const lines = [
    'local all postgres scram-sha-256',
    'host farthing farthing 127.0.0.0/8 scram-sha-256',
  ]
  writeFileSync(hba, `${lines.join('\n')}\n`, { mode: 0o600 })
  if (user) chownSync(hba, user.uid, user.gid)
  const settings = {
    listen_addresses: restoredAddress(machine),
    port: ports.postgres,
    unix_socket_directories: `${folder}/run`,
    hba_file: hba,
    archive_mode: 'off',
    synchronous_standby_names: '',
    primary_conninfo: '',
    // A recovery needs room for what its primary had room for.
    max_connections: 500,
  }
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = openSync(`${machine.settings.dir}/log/drill.log`, 'a', 0o600)
  const child = spawn(
    `${machine.deployment.postgresBin}/postgres`,
    ['-D', `${folder}/data`, ...words],
    {
      cwd: folder,
      env: envOf(machine),
      stdio: ['ignore', log, log],
      ...user,
    },
  )
  closeSync(log)
  const running = child.pid === undefined ? null : runningAs(child.pid)
  const stop = async (): Promise<void> => {
    if (!running) return
    signal(running, 'SIGINT', 'it')
    if (!(await untilGone(running, STOPPED_WITHIN_MS))) signal(running, 'SIGQUIT', 'it')
    await untilGone(running, STOPPED_WITHIN_MS)
  }
  return { stop, lives: () => running !== null && isAlive(running) }
}

async function untilRecovered(machine: Machine, run: string, lives: () => boolean): Promise<void> {
  const end = performance.now() + RECOVERED_WITHIN_MS
  for (;;) {
    const ask = ['-c', 'select pg_is_in_recovery()', 'postgres']
    const said = await askSocket(machine, run, ask).catch(() => '')
    if (said === 'f') return
    if (performance.now() > end || !lives()) {
      throw new StartRefused(
        `The restored database does not come up: see ${machine.settings.dir}/log/drill.log. ` +
          'A moment to go back to lies between the end of the first back-up and now.',
      )
    }
    await sleep(LOOK_MS)
  }
}
