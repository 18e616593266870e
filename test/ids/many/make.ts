import { closeSync, openSync, writeSync } from 'node:fs'
import { makeIds, ours } from './machines.ts'
import type { Machine } from './machines.ts'

// `make.ts <machine> <count> <file>`: one machine's ids, 16 bytes each, in the order made.
const [machine = '', count = '', file = ''] = process.argv.slice(2)
const out = openSync(file, 'wx')
makeIds({ machine: machine as Machine, count: Number(count), way: ours }, (bytes) => {
  writeSync(out, bytes)
})
closeSync(out)
