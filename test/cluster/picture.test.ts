import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOf, placesOn } from '../../src/bin/cluster/places.ts'
import { draw } from '../../src/bin/cluster/status/picture.ts'
import type { Sight } from '../../src/bin/cluster/status/sights.ts'

const notes: Readonly<Record<string, string>> = {
  balancer: 'servers 4/4, auth 2/2, postgres-1',
  postgres: 'synchronous standby, 0 B behind',
}

test('how often a place was started again is seen within 80 columns, whatever it says', () => {
  const seen = allOf(placesOn('127.77.0')).map((place): Sight => {
    const note = notes[place.kind] ?? 'ready'
    return { place, condition: 'up', role: null, note, pid: 1, restarts: 12, stopped: false }
  })
  const where = { net: '127.77.0', dir: '/var/lib/farthing-cluster-127.77.0' }
  const text = draw({ ...where, supervised: true, writes: true, reads: true, seen })
  const lines = text.split('\n')
  for (const line of lines) assert(Array.from(line).length <= 80, line)
  for (const { place } of seen) {
    const line = lines.find((line) => line.includes(` ${place.name} `)) ?? ''
    assert(line.endsWith(' ↻12'), `${place.name}: ${line}`)
  }
})
