import { type Kind, listensOn, type Place } from '../places.ts'
import type { Condition, Sight, Sights } from './sights.ts'

const COLUMNS = 80
const marks: Readonly<Record<Condition, string>> = { up: '●', unwell: '◐', down: '○' }

/** From who asks down to where it is written. */
const floors: readonly (readonly [string, readonly Kind[]])[] = [
  ['balancers', ['balancer']],
  ['sign-in', ['auth']],
  ['servers', ['server']],
  ['jobs', ['worker']],
  ['cache', ['redis', 'sentinel']],
  ['database', ['postgres', 'etcd']],
]

/** The whole as text, of at most 80 columns. */
export function draw(sights: Sights): string {
  const { net, dir, supervised, writes, reads, seen } = sights
  const lines = floors.flatMap(([name, kinds]) => [
    '',
    ...seen
      .filter(({ place }) => kinds.includes(place.kind))
      .map((sight, index) => drawOne(index === 0 ? name : '', sight)),
  ])
  const head = `Farthing on ${net}.0/24, in ${dir}`
  const verdict = [
    `Money moves: ${writes ? 'yes' : 'NO'}. Reads: ${reads ? 'yes' : 'NO'}.`,
    ...(supervised ? [] : ['Nobody starts again what ends: `farthing cluster up` does.']),
  ]
  const legend = '● does its work   ◐ runs, and does not   ○ down   ↻ times started again'
  return [head, ...lines, '', ...verdict, legend].map(cut).join('\n')
}

function drawOne(floor: string, { place, condition, note, restarts }: Sight): string {
  const again = restarts > 0 ? ` ↻${restarts}` : ''
  const at = portOf(place)
  const parts = [floor.padEnd(10), marks[condition], place.name.padEnd(10), at.padEnd(18)]
  return `${parts.join(' ')} ${note}${again}`
}

function portOf(place: Place): string {
  const [first] = listensOn(place)
  return first ? `${first.address}:${first.port}` : place.address
}

function cut(line: string): string {
  const columns = Array.from(line)
  return columns.length <= COLUMNS ? line : `${columns.slice(0, COLUMNS - 1).join('')}…`
}
