import type { Queryable } from '../query.ts'

/** A node of the cluster by its address, and its answer; null when it cannot be reached. */
type Answer<T> = Readonly<{ node: string; answer: T | null }>

/** Asks every node of the cluster, the coordinator too, for one row. */
export async function askNodes<T>(db: Queryable, query: string): Promise<readonly Answer<T>[]> {
  const { rows } = await db.query<{ node: string | null; success: boolean; result: string }>(
    `select n.nodename || ':' || n.nodeport as node, r.success, r.result
     from run_command_on_all_nodes(
       $command$ select row_to_json(asked) from (${query}) asked $command$,
       give_warning_for_connection_errors => true
     ) r left join pg_dist_node n using (nodeid)`,
  )
  return rows.map(({ node, success, result }) => ({
    node: node ?? 'the coordinator',
    answer: success ? (JSON.parse(result) as T) : null,
  }))
}

/** How long a commit may stay between its phases before it is finished, in seconds. */
const RECOVERED_WITHIN_S = 10

const recoveryStatement = `
  select has_function_privilege('recover_prepared_transactions()', 'execute') as may,
         extract(epoch from current_setting('citus.recover_2pc_interval')::interval)::int as every,
         current_user as role`

/** Why commits that a crash interrupts would stay so; empty when they do not. */
export async function recoveryProblems(db: Queryable): Promise<readonly string[]> {
  const { rows } = await db.query<{ may: boolean; every: number; role: string }>(recoveryStatement)
  const [found] = rows
  if (found && (found.may || (found.every > 0 && found.every <= RECOVERED_WITHIN_S))) return []
  return [
    'nobody finishes in time what a crash leaves between the two phases of a commit: as a ' +
      'superuser on the coordinator, GRANT EXECUTE ON FUNCTION recover_prepared_transactions() ' +
      `TO ${found?.role ?? 'the role of this service'}, or set citus.recover_2pc_interval to 5s`,
  ]
}
