import { noFence } from '../../cache/kit/no-fence.ts'
import { randomUUID } from 'node:crypto'
import { connectLedger, openPool } from '../../../src/db/pool.ts'
import { AppError } from '../../../src/errors.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { createLedger } from '../../../src/ledger/ledger.ts'
import { money } from '../../../src/money.ts'
import { createPassengers } from '../../../src/payments/ride/passengers.ts'
import { createPayments } from '../../../src/payments/payments.ts'
import type { Payments } from '../../../src/payments/asks.ts'
import type { MoneyMove } from '../../../src/payments/asks.ts'
import type { World } from '../../kit/world.ts'
import type { Heard } from './lies.ts'
import type { Again } from './insist.ts'
import { startProxy } from './proxy.ts'
import type { Proxy } from './proxy.ts'

/** A second way into a world, whose ledger and pool reach the database through a proxy. */
export type Door = Readonly<{
  /** As its sessions call themselves at the database. */
  name: string
  proxy: Proxy
  payments: Payments
  close: () => Promise<void>
}>

/** What may be heard while the database is troubled. All of it says: ask again. */
export const troubles: ReadonlySet<ErrorCode> = new Set([
  'database_unavailable',
  'outcome_unknown',
  'overloaded',
  'request_in_progress',
])

export async function openDoor(world: World, lanes = 2): Promise<Door> {
  const proxy = await startProxy(world.url)
  const name = `chaos ${randomUUID()}`
  const settings = { url: proxy.url, statementTimeoutMs: 5_000, applicationName: name }
  const ledger = createLedger({
    connect: async () => await connectLedger({ ...settings, lockTimeoutMs: 4_000 }),
    passengers: createPassengers(null),
    fence: noFence,
    clock: world.parts.clock,
    lanes,
  })
  const pool = openPool({ ...settings, max: 4 })
  return {
    name,
    proxy,
    payments: createPayments({ ...world.parts, ledger, pool }),
    close: async () => {
      await ledger.close()
      // First the way to the database: whoever still waits for it is told at once.
      await proxy.close()
      await pool.end()
    },
  }
}

/** One attempt at a flow: its answer, or that it has to be asked again. Other errors are thrown. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | Again> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError && troubles.has(error.code)) return { again: error.code }
    throw error
  }
}

export type Payment = Readonly<{ from: UserId; to: UserId; cents: bigint; key: string }>

/** A payment as the hall is asked for it. */
export function askFor({ from, to, cents }: Omit<Payment, 'key'>): MoneyMove {
  return {
    from: { kind: 'user', id: from },
    to: { kind: 'user', id: to },
    amount: money(cents),
    note: null,
    transactionDate: null,
  }
}

/** One attempt at a payment under its key, as it is held against the books. */
export async function tryPayment(
  payments: Payments,
  payment: Payment,
  began: number,
): Promise<Heard | Again> {
  return await attempt(async () => {
    const { from, to, cents, key } = payment
    const { value } = await payments.moveMoney(from, askFor(payment), key, { fresh: true })
    const { transactionId: id, status, declineReason } = value
    const said = { caller: from, key, kind: 'payment', payee: to, cents } as const
    return { ...said, began, ended: performance.now(), answer: { id, status, declineReason } }
  })
}
