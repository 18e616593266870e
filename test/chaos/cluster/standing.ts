import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../../../src/bin/cluster/machine.ts'
import type { Kind, Place } from '../../../src/bin/cluster/places.ts'
import { ask } from '../../../src/bin/cluster/processes/control.ts'
import type { Process } from '../../../src/bin/cluster/processes/process.ts'
import { lookAt } from '../../../src/bin/cluster/status/look.ts'

/** Starts these anew with settings of their own: a supervisor runs by a plan, which is a file. */
export async function restartWith(
  { settings: { dir }, places }: Machine,
  kinds: readonly Kind[],
  settingsOf: (place: Place) => Readonly<Record<string, string>>,
): Promise<void> {
  const path = join(dir, 'run', 'plan.json')
  const plan = JSON.parse(readFileSync(path, 'utf8')) as readonly Process[]
  const changed = kinds.flatMap((kind) => places[kind])
  const own = plan.map((process) => {
    const place = changed.find(({ name }) => name === process.name)
    return place ? { ...process, env: { ...process.env, ...settingsOf(place) } } : process
  })
  writeFileSync(path, JSON.stringify(own, null, 2), { mode: 0o600 })
  const names = changed.map(({ name }) => name)
  await ask(dir, { do: 'stop', names })
  await ask(dir, { do: 'start', names })
}

/**
 * What is not as it should be; null when all is well. Also what does its work, and not yet with all
 * of those beside it.
 */
export async function findMissing(machine: Machine): Promise<string | null> {
  const { seen, writes } = await lookAt(machine)
  const bad = seen.find(({ condition }) => condition !== 'up')
  if (bad) return `${bad.place.name}: ${bad.note}`
  const { server, auth } = machine.places
  const all = `servers ${server.length}/${server.length}, auth ${auth.length}/${auth.length}`
  const partly = seen.find(({ place, note }) => place.kind === 'balancer' && !note.startsWith(all))
  if (partly) return `${partly.place.name}: ${partly.note}`
  return writes ? null : 'money does not move'
}
