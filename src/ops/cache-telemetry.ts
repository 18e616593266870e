import type { Logger } from 'pino'
import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { listen } from './listen.ts'

type Outcome = Readonly<{ outcome: string; error?: unknown }>
type Turn = Readonly<{ state: string; number: bigint; why: string }>
type RedisEvent = Readonly<{ event: string; why: string }>
type Trouble = Readonly<{ message: string; error: unknown }>

/** What the cache tells: how often it answers, and whether it may. */
export function listenToCache(registry: Registry, log: Logger): readonly (() => void)[] {
  const counted = (name: string, help: string, seen: readonly string[] = []) => {
    const registers = [registry]
    const counter = new Counter({ name, help, labelNames: ['outcome'], registers })
    for (const outcome of seen) counter.inc({ outcome }, 0)
    return ({ outcome }: Outcome) => counter.inc({ outcome })
  }
  return [
    listen(
      'farthing:cache.read',
      counted('farthing_cache_reads_total', 'Reads that a copy may answer, by what came of it'),
    ),
    listen(
      'farthing:cache.fill',
      counted('farthing_cache_fills_total', 'Copies that were offered to Redis, and whether taken'),
    ),
    listen(
      'farthing:cache.fence',
      counted('farthing_cache_fences_total', 'Fences before a commit; one that failed closes', [
        'raised',
        'failed',
      ]),
    ),
    listen('farthing:cache.epoch', watchEpochs(registry, log)),
    listen('farthing:cache.redis', ({ event, why }: RedisEvent) => {
      log[event === 'connected' ? 'info' : 'warn']({ event, why }, 'the Redis of the cache')
    }),
    listen('farthing:cache.trouble', ({ message, error }: Trouble) => {
      log.warn({ err: error }, message)
    }),
  ]
}

const states = ['off', 'closing', 'on'] as const

function watchEpochs(registry: Registry, log: Logger): (turn: Turn) => void {
  const registers = [registry]
  const turns = new Counter({
    name: 'farthing_cache_epoch_turns_total',
    help: 'How often copies were seen to become readable, or to be so no more',
    labelNames: ['state'],
    registers,
  })
  let now: Readonly<{ state: string; since: number }> = { state: 'off', since: performance.now() }
  const off = new Counter({
    name: 'farthing_cache_off_seconds_total',
    help: 'How long the database has answered every read since this process began',
    registers,
    collect: count,
  })
  function count(): void {
    const at = performance.now()
    if (now.state !== 'on') off.inc((at - now.since) / 1_000)
    now = { ...now, since: at }
  }
  const state = new Gauge({
    name: 'farthing_cache_state',
    help: '1 for how the row cache_epoch stands',
    labelNames: ['state'],
    registers,
  })
  return (turn) => {
    count()
    now = { ...now, state: turn.state }
    turns.inc({ state: turn.state })
    for (const one of states) state.set({ state: one }, one === turn.state ? 1 : 0)
    const { number, why } = turn
    log.info({ epoch: String(number), why }, `the cache is ${turn.state}`)
  }
}
