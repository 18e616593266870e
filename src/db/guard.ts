import { AppError, StartRefused } from '../errors.ts'
import { askNodes, recoveryProblems } from './citus/nodes.ts'
import { hasCitus } from './citus/shards.ts'
import type { Queryable, Session } from './query.ts'
import { IsStandby, isStandby } from './standby/incarnation.ts'

const OLDEST_VERSION = 150_000

/**
 * Settings without which a server, or its loss, may undo what it has committed, and their values
 * that do. `local` does not wait for a standby, and `remote_write` not for its disk.
 */
const careless = {
  fsync: ['off'],
  full_page_writes: ['off'],
  synchronous_commit: ['off', 'local', 'remote_write'],
} as const
const durable = Object.keys(careless) as (keyof typeof careless)[]

type Durability = Record<keyof typeof careless, string>
type Server = Durability & {
  version: number
  encoding: string
  standby: boolean
  citus: boolean
}

const durability = durable.map((name) => `current_setting('${name}') as ${name}`).join(', ')

/**
 * Refuses a server that may forget what it has committed, or that cannot hold what we store.
 * The settings are those of our own session: a role or a database may have its own.
 *
 * @throws StartRefused naming every problem at once, and the cure.
 */
export async function guardDatabase(db: Queryable): Promise<void> {
  const problems = await findProblems(db).catch((error: unknown) => {
    // A connection of ours that has said so already.
    if (isStandby(error)) return [new IsStandby().message]
    throw error
  })
  if (problems.length === 0) return
  throw new StartRefused(`This PostgreSQL server is not safe for money: ${problems.join('; ')}.`)
}

async function findProblems(db: Queryable): Promise<readonly string[]> {
  const { rows } = await db.query<Server>(
    `select current_setting('server_version_num')::int as version,
            ${durability},
            current_setting('server_encoding') as encoding,
            pg_is_in_recovery() as standby,
            ${hasCitus} as citus`,
  )
  const [server] = rows
  const problems = server ? problemsOf(server) : ['it does not tell its settings']
  if (server?.citus) problems.push(...(await clusterProblems(db)))
  return problems
}

/**
 * Refuses to work on a server that may forget what it has committed. Asked of each connection that
 * money is posted on: a start sees only the server that is there then, and none after a failover or
 * a change of settings.
 *
 * @throws AppError `database_unavailable`; its cause says why, for the log and for no caller.
 */
export async function requireDurable(db: Session): Promise<void> {
  const { rows } = await db.query<Durability>(`select ${durability}`)
  const problems = rows[0] ? [...forgetfulness(rows[0])] : ['it does not tell its settings']
  // A worker that is away now cannot forget; connections of ours that go through it break.
  if (db.spread) problems.push(...nodeProblems((await askSettings(db)).filter(isThere)))
  if (problems.length === 0) return
  const cause = new Error(`The database is not safe for money: ${problems.join('; ')}`)
  throw new AppError('database_unavailable', {}, { cause })
}

type NodeSettings = Durability & { prepared: number }
type NodeAnswer = Awaited<ReturnType<typeof askSettings>>[number]

/** @throws What asking throws. Nothing is wrong with a Citus that has no workers yet. */
async function clusterProblems(db: Queryable): Promise<readonly string[]> {
  const nodes = await askSettings(db)
  if (nodes.length < 2) return []
  return [...nodeProblems(nodes), ...(await recoveryProblems(db))]
}

async function askSettings(db: Queryable) {
  return await askNodes<NodeSettings>(
    db,
    `select ${durability}, current_setting('max_prepared_transactions')::int as prepared`,
  )
}

function isThere({ answer }: NodeAnswer): boolean {
  return answer !== null
}

function nodeProblems(nodes: readonly NodeAnswer[]): readonly string[] {
  return nodes.flatMap(({ node, answer }) => {
    if (answer === null) return [`its node ${node} cannot be reached`]
    const problems = forgetfulness(answer)
    const unprepared = answer.prepared > 0 ? [] : [noTwoPhases]
    return [...problems, ...unprepared].map((problem) => `on its node ${node}, ${problem}`)
  })
}

const noTwoPhases =
  'max_prepared_transactions is 0, so that nothing commits on two nodes together: set it above ' +
  'the number of connections'

function forgetfulness(server: Durability): readonly string[] {
  return durable
    .filter((name) => (careless[name] as readonly string[]).includes(server[name]))
    .map(
      (name) =>
        `${name} is ${server[name]}, so that it may lose what it has committed: set it to on`,
    )
}

function problemsOf(server: Server): string[] {
  const problems: string[] = []
  if (server.version < OLDEST_VERSION) problems.push('it is older than version 15, upgrade it')
  problems.push(...forgetfulness(server))
  if (server.encoding !== 'UTF8') {
    problems.push(`the encoding of its database is ${server.encoding}: create one with UTF8`)
  }
  if (server.standby) problems.push(new IsStandby().message)
  return problems
}

/** How many connections a server allows, for all who use it together. */
export async function readConnectionLimit(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ allowed: number }>(
    `select current_setting('max_connections')::int as allowed`,
  )
  return rows[0]?.allowed ?? 0
}
