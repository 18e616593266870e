import { setTimeout as sleep } from 'node:timers/promises'
import type { Customer } from '../load/clients.ts'

/** What was seen while others flooded the service. */
export type Seen = Readonly<{
  /** By what was asked: how often, how often it was not answered as it should be, the longest. */
  asked: Readonly<Record<string, Readonly<{ count: number; failed: number; longestMs: number }>>>
  /** The highest that each gauge was seen at, of all servers together. */
  highest: Readonly<Record<string, number>>
}>

export type ProbeAsk = Readonly<{ port: number; operators: string; customer: Customer }>

const EVERY_MS = 250
const GIVE_UP_MS = 10_000

/** Those that tell how many wait, and where. */
const gauges = [
  'farthing_http_inside{kind="writes"}',
  'farthing_http_inside{kind="reads"}',
  'farthing_http_inside_limit{kind="writes"}',
  'farthing_http_inside_limit{kind="reads"}',
  'farthing_http_waiting{kind="writes"}',
  'farthing_http_waiting{kind="reads"}',
  'farthing_ledger_waiting',
  'farthing_pool_connections{state="waited_for"}',
] as const

/** Asks what must be answered at any time, again and again, until it is told to stop. */
export async function probe(ask: ProbeAsk, stop: AbortSignal): Promise<Seen> {
  const api = `http://127.0.0.1:${ask.port}`
  const authorization = `Bearer ${ask.customer.token}`
  const asked: Record<string, { count: number; failed: number; longestMs: number }> = {}
  const highest: Record<string, number> = Object.fromEntries(gauges.map((name) => [name, 0]))

  async function look(name: string, url: string, status: number, headers = {}): Promise<string> {
    const notes = (asked[name] ??= { count: 0, failed: 0, longestMs: 0 })
    const began = performance.now()
    notes.count += 1
    try {
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(GIVE_UP_MS) })
      const text = await answer.text()
      if (answer.status !== status) notes.failed += 1
      return text
    } catch {
      notes.failed += 1
      return ''
    } finally {
      notes.longestMs = Math.max(notes.longestMs, performance.now() - began)
    }
  }

  while (!stop.aborted) {
    const key = `/v1/request/no-such-key-${asked['metrics']?.count ?? 0}`
    const [metrics] = await Promise.all([
      look('metrics', `${ask.operators}/metrics`, 200),
      look('readiness', `${api}/readyz`, 200),
      look('liveness', `${api}/healthz`, 200),
      look('did it happen?', `${api}${key}`, 404, { authorization }),
    ])
    for (const name of gauges) highest[name] = Math.max(highest[name] ?? 0, valueOf(metrics, name))
    await sleep(EVERY_MS)
  }
  return { asked, highest }
}

function valueOf(metrics: string, gauge: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${gauge} `))
  return line === undefined ? 0 : Number(line.slice(gauge.length + 1))
}
