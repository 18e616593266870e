import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from './site.ts'

/** What was seen while others flooded the service. */
export type Seen = Readonly<{
  /** By what was asked: how often, how often it was not answered as it should be, the longest. */
  asked: Readonly<Record<string, Readonly<{ count: number; failed: number; longestMs: number }>>>
  /** The highest that each gauge was seen at, of all together. Where there is none: nothing. */
  highest: Readonly<Record<string, number>>
}>

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
  'haproxy_backend_current_queue{proxy="writes"}',
  'haproxy_backend_current_queue{proxy="reads"}',
] as const

/** Asks what must be answered at any time, again and again, until it is told to stop. */
export async function probe(
  { doors, servers, operators, customers }: Target,
  stop: AbortSignal,
): Promise<Seen> {
  const apis = doors.map(({ host, port }) => `http://${host}:${port}`)
  const authorization = `Bearer ${customers[0]?.token}`
  const asked: Record<string, { count: number; failed: number; longestMs: number }> = {}
  const highest: Record<string, number> = {}

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

  async function everywhere(
    name: string,
    urls: readonly string[],
    status = 200,
    headers = {},
  ): Promise<readonly string[]> {
    return await Promise.all(urls.map(async (url) => await look(name, url, status, headers)))
  }

  for (let turn = 0; !stop.aborted; turn += 1) {
    const key = `/v1/request/no-such-key-${turn}`
    const [metrics] = await Promise.all([
      everywhere(
        'metrics',
        operators.map((at) => `${at}/metrics`),
      ),
      everywhere(
        'readiness',
        servers.map((at) => `${at}/readyz`),
      ),
      everywhere(
        'liveness',
        servers.map((at) => `${at}/healthz`),
      ),
      everywhere(
        'did it happen?',
        apis.map((at) => `${at}${key}`),
        404,
        { authorization },
      ),
    ])
    for (const name of gauges) {
      const values = metrics.flatMap((text) => valueOf(text, name) ?? [])
      const sum = values.reduce((all, value) => all + value, 0)
      if (values.length > 0) highest[name] = Math.max(highest[name] ?? 0, sum)
    }
    await sleep(EVERY_MS)
  }
  return { asked, highest }
}

function valueOf(metrics: string, gauge: string): number | null {
  const line = metrics.split('\n').find((one) => one.startsWith(`${gauge} `))
  return line === undefined ? null : Number(line.slice(gauge.length + 1))
}
