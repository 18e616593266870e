import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

/** Requests that may be worked on at once, and those that were let in or refused, by their kind. */
export type AdmissionCounts = readonly Readonly<{
  kind: string
  inside: number
  limit: number
  waiting: number
  admitted: number
  refused: number
}>[]

/** Asked for when somebody looks: an event for each request would cost more than to refuse one. */
export function gaugeAdmission(registry: Registry, counts: () => AdmissionCounts): void {
  const labelNames = ['kind'] as const
  const registers = [registry]
  const inside = new Gauge({
    name: 'farthing_http_inside',
    help: 'Requests that are worked on at this moment',
    labelNames,
    registers,
    collect: () => {
      for (const { kind, inside: now } of counts()) inside.set({ kind }, now)
    },
  })
  const limit = new Gauge({
    name: 'farthing_http_inside_limit',
    help: 'How many may be worked on at once while more come than can be answered',
    labelNames,
    registers,
    collect: () => {
      for (const { kind, limit: now } of counts()) limit.set({ kind }, now)
    },
  })
  const waiting = new Gauge({
    name: 'farthing_http_waiting',
    help: 'Requests of a new crowd that wait until they may be worked on',
    labelNames,
    registers,
    collect: () => {
      for (const { kind, waiting: now } of counts()) waiting.set({ kind }, now)
    },
  })
  const decided = new Counter({
    name: 'farthing_http_admission_total',
    help: 'Requests that were let in, and those that were refused because there were too many',
    labelNames: ['kind', 'outcome'],
    registers,
    collect: () => {
      decided.reset()
      for (const { kind, admitted, refused } of counts()) {
        decided.inc({ kind, outcome: 'admitted' }, admitted)
        decided.inc({ kind, outcome: 'refused' }, refused)
      }
    },
  })
}
