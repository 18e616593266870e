import type * as fc from 'fast-check'
import type * as holds from '../../../src/ledger/hold.ts'
import type { post } from '../../../src/ledger/post.ts'

/** The rules under test come as a parameter: the mutation test hands in broken ones. */
export type Rules = Readonly<{ post: typeof post }> &
  Pick<typeof holds, 'capture' | 'place' | 'release'>

export type Property = Readonly<{
  title: string
  check: (rules: Rules, how: fc.Parameters<unknown>) => void
}>

export type Case = Readonly<{ title: string; check: (rules: Rules) => void }>
