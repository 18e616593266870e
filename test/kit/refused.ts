import assert from 'node:assert/strict'
import { AppError, type ErrorCode, StartRefused } from '../../src/errors.ts'

/** Asserts that work is refused with this code. */
export async function refusedAs(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof AppError, `expected ${code}, got ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}

/** Asserts that a start is refused, in words that match. */
export async function startRefused(work: Promise<unknown>, words: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof StartRefused, `expected a refusal, got ${String(error)}`)
    assert.match(error.message, words)
    return true
  })
}
