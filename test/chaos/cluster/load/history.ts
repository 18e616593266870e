import { appendFileSync } from 'node:fs'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { TransactionId, UserId } from '../../../../src/ids/ids.ts'
import type { Heard } from '../../kit/lies.ts'

/** Milliseconds of the machine's steady clock, the same in every process of the machine. */
export function moment(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

/** One try of a request at one balancer. */
export type Attempt = Readonly<{ api: string; began: number; ended: number; end: string }>

/** How an attempt ends that brought the answer. */
export const ANSWERED = 'answered'

export type Timed = Readonly<{ began: number; ended: number; attempts: readonly Attempt[] }>

/** What a read showed of a user: where the chain of their entries stood, as far as it tells. */
export type Seen =
  | Readonly<{ of: 'balance'; balance: bigint; held: bigint }>
  /** The user's newest transactions, newest first. Something is still to come of open ones. */
  | Readonly<{ of: 'history'; newest: readonly Readonly<{ id: TransactionId; open: boolean }>[] }>

/** One line of the file that a crowd writes while it asks. */
export type Line =
  | (Timed & Readonly<{ what: 'move'; heard: Heard }>)
  | (Timed & Readonly<{ what: 'read'; user: UserId; seen: Seen }>)
  /** What came of an earlier request, asked for by its key. */
  | (Timed & Readonly<{ what: 'recall'; user: UserId; key: string; id: TransactionId | null }>)
  | (Timed & Readonly<{ what: 'sign-in'; user: UserId }>)
  /** An answer that nobody should ever hear. */
  | (Timed & Readonly<{ what: 'odd'; asked: string; key: string | null; answer: string }>)
  /** Nothing was heard for so long that the customer gave up. */
  | (Timed & Readonly<{ what: 'silence'; asked: string; key: string | null }>)
  /** Due, and not asked: too many waited for their answers. */
  | (Timed & Readonly<{ what: 'unasked' }>)

/** Which of the customers' doings a line belongs to. Null: to none. */
export function doingOf(line: Line): Doing | null {
  if (line.what === 'move') return 'write'
  if (line.what === 'read' || line.what === 'recall') return 'read'
  return line.what === 'sign-in' ? 'sign-in' : null
}

export const doings = ['write', 'read', 'sign-in'] as const
export type Doing = (typeof doings)[number]

/** Written at once: a process that is killed has left what it knew. */
export function writeLine(path: string, line: Line): void {
  const text = JSON.stringify(line, (_, value: unknown) =>
    typeof value === 'bigint' ? { cents: String(value) } : value,
  )
  appendFileSync(path, `${text}\n`)
}

export async function readLines(path: string): Promise<readonly Line[]> {
  const lines: Line[] = []
  for await (const text of createInterface({ input: createReadStream(path, 'utf8') })) {
    lines.push(parseLine(text))
  }
  return lines
}

function parseLine(text: string): Line {
  return JSON.parse(text, (_, value: unknown) => {
    const isCents = typeof value === 'object' && value !== null && 'cents' in value
    return isCents && Object.keys(value).length === 1 ? BigInt(String(value.cents)) : value
  }) as Line
}
