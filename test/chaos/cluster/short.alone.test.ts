import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { component } from '../../kit/components.ts'
import { networkMissing } from './faults/network.ts'

/** Raising, breaking, checking and taking down again takes less than four minutes on two cores. */
const SHORT_MS = 340_000
const ENDING_MS = 30_000

const run = fileURLToPath(new URL('run.ts', import.meta.url))

/** Why a cluster cannot be broken here; null: it can. */
async function whyNot(): Promise<string | null> {
  return component('cluster').missing ?? component('chaos').missing ?? (await networkMissing())
}

test(
  'whatever breaks in a cluster, what customers heard is true',
  { timeout: SHORT_MS },
  async (t) => {
    const missing = await whyNot()
    if (missing !== null) {
      t.skip(missing)
      return
    }
    const env = { ...process.env, CHAOS_FORM: 'short' }
    const limits = { env, timeout: SHORT_MS - ENDING_MS, killSignal: 'SIGTERM' } as const
    const ended = await promisify(execFile)(process.execPath, [run], limits).catch(
      (error: unknown) => assert.fail(`${String(error)}\n${(error as { stdout?: string }).stdout}`),
    )
    for (const line of ended.stdout.split('\n').slice(-60)) t.diagnostic(line)
  },
)
