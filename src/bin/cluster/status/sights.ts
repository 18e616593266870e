import type { Kept } from '../processes/keeper.ts'
import type { Place } from '../places.ts'

/** `up`: it does its work. `unwell`: it runs, and does not do it. `down`: it does not answer. */
export type Condition = 'up' | 'unwell' | 'down'

/** What was seen of one process. */
export type Sight = Readonly<{
  place: Place
  condition: Condition
  /** What it is among its kind, as `primary`; null where all are alike. */
  role: string | null
  /** For people. */
  note: string
  pid: number | null
  restarts: number
  /** Kept down on purpose. */
  stopped: boolean
}>

/** What was seen of the whole. */
export type Sights = Readonly<{
  net: string
  dir: string
  supervised: boolean
  /** Whether money can move, and whether it can be looked at. */
  writes: boolean
  reads: boolean
  seen: readonly Sight[]
}>

/** What one look found, before it is known what the supervisor says of the process. */
export type Look = Pick<Sight, 'condition' | 'role' | 'note'>

export function sightOf(place: Place, look: Look, kept: Kept | undefined): Sight {
  const stopped = kept !== undefined && !kept.wanted
  return {
    place,
    ...look,
    note: stopped && look.condition === 'down' ? 'stopped on purpose' : look.note,
    pid: kept?.running?.pid ?? null,
    restarts: kept?.restarts ?? 0,
    stopped,
  }
}

export const away: Look = { condition: 'down', role: null, note: 'no answer' }
