import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fillPeople } from '../../bench/books.ts'
import type { Customer } from '../../bench/load/clients.ts'
import { overload } from '../../bench/overload/overload.ts'
import { countWritten } from '../../bench/overload/written.ts'
import { withChildren } from '../../bench/processes.ts'
import { signIn } from '../../bench/sign-in.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { ownPort } from '../kit/port.ts'
import { until } from '../kit/until.ts'
import { assertBooks } from './kit/books.ts'
import { createFarthing, untilOpen } from './kit/farthing.ts'
import type { Farthing } from './kit/farthing.ts'
import { pipeline } from './kit/pipeline.ts'

/**
 * Goal: what is too much is refused, every request is answered, what was accepted was done once.
 * Method: two servers that share a port, and five times as much as they can do, by the clock.
 * Whether it is quick enough is told by the long form alone, on a machine with nothing else to do:
 * npm run overload. Where a read waits long for a connection, it may hear 503: nothing happened.
 */
const PEOPLE = 300
/** In two servers, of one kind: a new crowd; or what their limit says, as seen now and then. */
const CROWD_MAX = 2 * 400
const LIMIT_TIMES = 1.5
const MEMORY_MAX_BYTES = 600_000_000
const seconds = { warmUp: 1, capacity: 1, calm: 1, flood: 5, after: 2 }
/** More than may be inside. */
const CONNECTIONS = 1_000
/** As long as a slow machine may take to get to a request. */
const PATIENCE_MS = 60_000

let dataDir: string
let database: FreshDatabase
let service: Farthing
let customers: readonly Customer[]
let operators: string
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'farthing-flood-'))
  database = await freshDatabase()
  const people = await fillPeople(database.pool, PEOPLE)
  const own = { DATA_DIR: dataDir, DATABASE_URL: database.url, AUTH_PORT: String(await ownPort()) }
  service = await createFarthing({ ...own, SERVERS: '2' })
  service.start()
  await untilOpen(service)
  customers = await signIn({ ...own, PORT: new URL(service.api).port }, people)
  const found = /Operators +(\S+)\/metrics/.exec(service.output())?.[1]
  operators = found ?? assert.fail('their port is printed')
})
after(async () => {
  await service.sigkill()
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

for (const what of ['payments', 'reads'] as const) {
  test(`of five times as many ${what} as can be done, each is answered or refused`, async (t) => {
    const outcome = await overload({
      target: {
        doors: [{ host: '127.0.0.1', port: Number(new URL(service.api).port) }],
        servers: [service.api],
        operators: [operators],
        customers,
        pids: () => withChildren(service.pid()),
      },
      what,
      seconds,
      patienceMs: PATIENCE_MS,
      connections: CONNECTIONS,
      giveToLoad: async () => await Promise.resolve(),
      say: (line) => t.diagnostic(line),
    }).catch((error: unknown) => assert.fail(`${String(error)}\n${service.output()}`))
    const { calm, flood, after: later, seen, peakBytes } = outcome
    const stretches = [calm, flood, later]
    assert.deepEqual(
      stretches.flatMap(({ wrong }) => wrong),
      [],
    )
    assert(flood.tookMs.length > 0 && later.tookMs.length > 0)
    t.diagnostic(JSON.stringify(seen))
    const kind = what === 'payments' ? 'writes' : 'reads'
    const highest = (gauge: string) => seen.highest[`${gauge}{kind="${kind}"}`] ?? Number.NaN
    const limit = highest('farthing_http_inside_limit')
    for (const gauge of ['farthing_http_inside', 'farthing_http_waiting']) {
      const most = highest(gauge)
      assert(most <= Math.max(CROWD_MAX, limit * LIMIT_TIMES), `${gauge} was ${most}`)
    }
    const { 'did it happen?': inquiries } = seen.asked
    assert(inquiries && inquiries.count > 0)
    assert.equal(inquiries.failed, 0, 'who must know is told')
    // Where nobody tells it, it is NaN.
    assert(!(peakBytes >= MEMORY_MAX_BYTES), `a process took ${peakBytes} bytes`)
    const { accepted, refused } = await countWritten(database.pool, stretches)
    assert.equal(accepted.found, accepted.asked, 'what was accepted is on record, once')
    assert.equal(refused.found, 0, 'what was refused is not')
  })

  test(`after a flood of ${what} all is let in again`, async () => {
    await until('nobody is inside', async () => {
      const metrics = await (await fetch(`${operators}/metrics`)).text()
      return (
        /^farthing_http_inside\{kind="reads"\} 0$/m.test(metrics) &&
        /^farthing_http_inside\{kind="writes"\} 0$/m.test(metrics)
      )
    })
    const asks = customers.slice(0, 100).map(({ id, token }) => {
      return { method: 'GET', path: `/v1/user/${id}`, token } as const
    })
    for (const answer of await pipeline(service.api, asks)) assert.equal(answer?.status, 200)
  })
}

test('after all that the books are right', async () => {
  await assertBooks(database.pool)
})
