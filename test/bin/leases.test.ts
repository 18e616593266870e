import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createLeases, type Holder, type Leases } from '../../src/bin/processes/leases.ts'
import { createQuotas, quotas as allowed } from '../../src/quotas.ts'
import type { Lease, Quotas, WindowKey } from '../../src/quotas.ts'
import { SECOND } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'

const { most } = allowed['sign-ins']

type Process = Readonly<{ quotas: Quotas; holder: Holder }>

/** Processes that count together, as those of one machine do; without the channels in between. */
function startTogether(count: number, clock = { now: () => 0n as Micros }) {
  const leases = createLeases(clock)
  const processes = Array.from({ length: count }, () => join(leases, clock))
  return { leases, processes }
}

function join(leases: Leases, clock: Readonly<{ now: () => Micros }>): Process {
  const quotas: Quotas = createQuotas(clock, async (name, caller) => {
    return await leases.lease(holder, name, caller)
  })
  const holder: Holder = {
    giveBack: quotas.giveBack,
  }
  return { quotas, holder }
}

async function isAllowed({ quotas }: Process): Promise<boolean> {
  return (await quotas.take('sign-ins', 'a')).refusal === null
}

function leftIn(limit: string): number {
  return Number(/;r=(\d+);/.exec(limit)?.[1])
}

const order = fc.array(fc.nat(3), { minLength: most + 1, maxLength: 3 * most })

test('over all processes a caller has exactly what is allowed, whatever the order', async () => {
  await fc.assert(
    fc.asyncProperty(order, fc.nat(40), async (asked, atOnce) => {
      const { processes } = startTogether(4)
      let passed = 0
      for (let start = 0; start < asked.length; start += atOnce + 1) {
        const some = asked.slice(start, start + atOnce + 1)
        const answers = await Promise.all(some.map(async (one) => await isAllowed(processes[one]!)))
        passed += answers.filter(Boolean).length
      }
      assert.equal(passed, most)
    }),
    { numRuns: 30 },
  )
})

test('no process says that more is left than there is', async () => {
  await fc.assert(
    fc.asyncProperty(order, async (asked) => {
      const { processes } = startTogether(4)
      let left: number = most
      for (const one of asked) {
        const { refusal, limit } = await processes[one]!.quotas.take('sign-ins', 'a')
        if (refusal === null) left -= 1
        assert(leftIn(limit) <= left, `${limit}, and ${left} are left`)
      }
    }),
    { numRuns: 20 },
  )
})

test('a grant and the wish to have half of it back may be read at once', async () => {
  const endsAtMs = 60_000
  const granted = Promise.withResolvers<Lease>()
  const quotas = createQuotas({ now: () => 0n as Micros }, async () => await granted.promise)
  const taking = quotas.take('sign-ins', 'a')
  // As the channel gives both to this process, before anything else has its turn.
  granted.resolve({ granted: most, endsAtMs, exhausted: false })
  const back = await quotas.giveBack({ name: 'sign-ins', caller: 'a', endsAtMs })
  assert.equal((await taking).refusal, null)
  assert(back !== null && back >= most / 2 - 1, `${back} of ${most} were given back`)
})

test('who comes to one process only is told to the last one how many are left', async () => {
  const { processes } = startTogether(4)
  for (let left = most - 1; left >= 0; left -= 1) {
    assert.equal(leftIn((await processes[2]!.quotas.take('sign-ins', 'a')).limit), left)
  }
})

test('what a process has not used when it leaves is left to the others', async () => {
  const { leases, processes } = startTogether(2)
  const [one, other] = [processes[0]!, processes[1]!]
  for (let taken = 0; taken < 50; taken += 1) assert(await isAllowed(one))
  leases.handOver(one.holder, one.quotas.handOver())
  leases.forget(one.holder)
  for (let taken = 50; taken < most; taken += 1) assert(await isAllowed(other))
  assert(!(await isAllowed(other)))
})

test('what a process had in hand when it died is not taken from its callers', async () => {
  const { leases, processes } = startTogether(2)
  const [one, other] = [processes[0]!, processes[1]!]
  assert(await isAllowed(one))
  leases.forget(one.holder)
  for (let taken = 0; taken < most; taken += 1) assert(await isAllowed(other))
})

test('a window that has ended is nobody’s, whoever held it', async () => {
  let now = 0n as Micros
  const { processes } = startTogether(2, { now: () => now })
  for (let taken = 0; taken < most; taken += 1) assert(await isAllowed(processes[0]!))
  assert(!(await isAllowed(processes[1]!)))
  now = (60n * SECOND) as Micros
  assert(await isAllowed(processes[1]!))
  assert(await isAllowed(processes[0]!))
})

test('a process that cannot ask counts for itself, and refuses nobody for it', async () => {
  const quotas = createQuotas({ now: () => 0n as Micros }, async () => {
    return await Promise.reject(new Error('nobody answers'))
  })
  const alone = { quotas, holder: { giveBack: async () => await Promise.resolve(0) } }
  for (let taken = 0; taken < most; taken += 1) assert(await isAllowed(alone))
  assert(!(await isAllowed(alone)))
})

test('while another process is silent, nobody waits for what it holds', async () => {
  const { leases, processes } = startTogether(1)
  const silent: Holder = { giveBack: async () => await Promise.reject(new Error('silent')) }
  await leases.lease(silent, 'sign-ins', 'a')
  for (let taken = 0; taken < most; taken += 1) assert(await isAllowed(processes[0]!))
})

test('where one process counts for itself, another one refuses nobody for it', async () => {
  const clock = { now: () => 0n as Micros }
  const { leases, processes } = startTogether(1)
  // It was given all of the window, but too late.
  const quotas = createQuotas(clock, async () => await Promise.reject(new Error('too late')))
  const alone = {
    quotas,
    holder: { giveBack: async (key: WindowKey) => await Promise.resolve(quotas.giveBack(key)) },
  }
  await leases.lease(alone.holder, 'sign-ins', 'a')
  assert(await isAllowed(alone))
  for (let taken = 0; taken < most; taken += 1) assert(await isAllowed(processes[0]!))
})
