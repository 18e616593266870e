import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { createHealth } from '../../src/ops/health.ts'
import { createOperatorServer } from '../../src/ops/operators.ts'
import { createTelemetry } from '../../src/ops/telemetry.ts'

const logged: string[] = []
const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) })
const health = createHealth({ database: async () => await Promise.resolve() })
const telemetry = createTelemetry({ log, poolCounts: () => ({ total: 5, idle: 3, waiting: 1 }) })
const server = createOperatorServer({ metrics: telemetry.metrics, readiness: health.readiness })

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => {
  telemetry.stop()
  server.close()
  server.closeAllConnections()
})

async function ask(path: string, method = 'GET') {
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}

test('what the house publishes becomes metrics', async () => {
  channel('farthing:http.answered').publish({
    method: 'GET',
    route: '/v1/user/:id',
    status: 200,
    milliseconds: 3,
  })
  channel('farthing:ledger.batch').publish({ size: 7, durationMs: 4 })
  channel('farthing:ledger.waiting').publish(12)
  channel('farthing:queue.job').publish({
    name: 'audit',
    jobId: '1',
    attempt: 25,
    outcome: 'parked',
    error: new Error('x'),
  })
  channel('farthing:queue.jobs').publish({ parked: 2, waiting: 0 })
  channel('farthing:database.event').publish({ event: 'connection_lost', error: new Error('y') })

  const { status, text, headers } = await ask('/metrics')
  assert.equal(status, 200)
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const bucket = 'method="GET",route="/v1/user/:id",status="200"'
  assert.ok(text.includes(`farthing_http_request_seconds_bucket{le="0.0025",${bucket}} 0`), text)
  assert.ok(text.includes(`farthing_http_request_seconds_bucket{le="0.005",${bucket}} 1`))
  assert.match(text, /^farthing_ledger_batch_size_sum 7$/m)
  assert.match(text, /^farthing_ledger_waiting 12$/m)
  assert.match(text, /^farthing_jobs_total\{name="audit",outcome="parked"\} 1$/m)
  assert.match(text, /^farthing_jobs\{state="parked"\} 2$/m)
  assert.match(text, /^farthing_jobs\{state="waiting"\} 0$/m)
  assert.match(text, /^farthing_database_events_total\{event="connection_lost"\} 1$/m)
  assert.match(text, /^farthing_pool_connections\{state="busy"\} 2$/m)
  assert.match(text, /^process_resident_memory_bytes \d+/m)
  assert.match(logged.join(''), /a job is parked/)
})

test('health is told on this port too, and nothing else is', async () => {
  assert.deepEqual(await ask('/healthz').then(({ text }) => text), '{"status":"alive"}')
  assert.equal((await ask('/readyz')).status, 200)
  assert.equal((await ask('/v1/user')).status, 404)
  assert.equal((await ask('/metrics', 'POST')).status, 405)
  health.stop()
  assert.equal((await ask('/readyz')).status, 503)
})
