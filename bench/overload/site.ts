import type { Pool } from '../../src/db/pool.ts'
import type { Finding } from '../../src/ops/audit.ts'
import type { Customer } from '../load/clients.ts'
import type { Door } from '../load/connection.ts'

/** What is flooded. */
export type Target = Readonly<{
  /** Where customers ask. */
  doors: readonly Door[]
  /** Each server by itself, for whoever wants to know whether it is well. */
  servers: readonly string[]
  /** Where there are metrics. */
  operators: readonly string[]
  /** They have money, and are signed in. */
  customers: readonly Customer[]
  /** The processes that shall not grow. */
  pids: () => readonly number[]
}>

/** What was started to be flooded. */
export type Site = Readonly<{
  /** As people read it. */
  what: string
  command: string
  /** The file of its results, in bench/. */
  page: string
  target: Target
  pool: Pool
  audit: (say: (line: string) => void) => Promise<readonly Finding[]>
  stop: () => Promise<void>
}>

export const PEOPLE = 2_000
