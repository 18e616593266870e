import { postgresSeconds, processorSeconds } from './processes.ts'
import { quantile } from './samples.ts'
import type { Sample } from './samples.ts'
import type { World } from './world.ts'

export type Phase = Readonly<{
  name: string
  /** What is counted. */
  unit: 'TPC-B' | 'payment' | 'read'
  run: (seconds: number) => Promise<Sample>
  /** The process in which the ledger, or all of the service, runs. */
  program: number | null
  /** The process that asks. */
  clients: number | null
}>

/** One phase in one round. Processor time is in seconds for a thousand of what is counted. */
export type Measured = Readonly<{
  count: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  programSeconds: number
  postgresSeconds: number
  clientSeconds: number
  logBytes: number
  tableBytes: number
}>

const WARM_SECONDS = 1

/** Measures a warm phase that begins with nothing left to write of what came before. */
export async function measure(world: World, phase: Phase, seconds: number): Promise<Measured> {
  await world.settle()
  await phase.run(WARM_SECONDS)
  const before = await readMeters(world, phase)
  const { count, seconds: took, latenciesMs } = await phase.run(seconds)
  const spent = subtract(await readMeters(world, phase), before)
  const thousands = count / 1_000
  return {
    count,
    perSecond: count / took,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    programSeconds: spent.program / thousands,
    postgresSeconds: spent.postgres / thousands,
    clientSeconds: spent.clients / thousands,
    logBytes: spent.logBytes / count,
    tableBytes: spent.tableBytes / count,
  }
}

type Meters = Readonly<
  Record<'program' | 'postgres' | 'clients' | 'logBytes' | 'tableBytes', number>
>

async function readMeters(world: World, { program, clients }: Phase): Promise<Meters> {
  return {
    program: program === null ? Number.NaN : processorSeconds(program),
    postgres: postgresSeconds(world.postgresPid),
    clients: clients === null ? Number.NaN : processorSeconds(clients),
    logBytes: await world.logBytes(),
    tableBytes: await world.tableBytes(),
  }
}

function subtract(after: Meters, before: Meters): Meters {
  const names = Object.keys(after) as (keyof Meters)[]
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Meters
}
