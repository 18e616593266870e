import { noFence } from '../cache/kit/no-fence.ts'
import { connectLedger } from '../../src/db/pool.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import type { Passengers } from '../../src/ledger/passengers.ts'
import { systemClock } from '../../src/time.ts'
import { payment } from './books.ts'

// Posts a payment between the two accounts of the second and third argument, in the database of the
// first, while somebody behind the lock changes the version of both. The process must not survive.
const [, , url = '', from = '', to = ''] = process.argv

const tampering: Passengers<null, never> = {
  look: async (tx) => {
    await tx.query('update account set version = version + 1')
    return () => () => null
  },
  write: async () => undefined,
}

const ledger = createLedger({
  connect: async () =>
    await connectLedger({
      url,
      statementTimeoutMs: 4_000,
      lockTimeoutMs: 3_000,
      applicationName: 'tampered',
    }),
  passengers: tampering,
  fence: noFence,
  clock: systemClock,
  lanes: 1,
})
try {
  await ledger.post(payment(from as AccountId, to as AccountId, 1n))
  console.log('posted')
} catch (error) {
  console.log(`refused: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
}
