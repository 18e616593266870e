import { createHash } from 'node:crypto'
import { parseCopy, printCopy } from '../../cache/copy.ts'
import type { Reader } from '../../cache/reader.ts'
import type { Payments, TimeRange } from '../../payments/asks.ts'
import type { PaymentParts } from '../../payments/parts.ts'
import type { Page, TransactionView } from '../../payments/rules/views.ts'
import { ownUserUntil } from '../../payments/wallet.ts'
import type { ViewUntil } from '../../payments/wallet.ts'
import type { Clock } from '../../time.ts'

/** Copies of other code may look otherwise: raise it when a view changes its members. */
const SHAPE = 1
/** The first page as it is asked for without a limit. */
const PAGE_ROWS = 25

const isWhole = ({ start, end }: TimeRange): boolean => start === null && end === null

/**
 * The hall, with copies in front of what is asked most: a user's whole view of themselves, and the
 * first page of their transactions. All else asks the database, and so does every decision.
 */
export function withCopies(payments: Payments, parts: PaymentParts, read: Reader | null): Payments {
  if (!read) return payments
  const shape = shapeOf(parts)
  return {
    ...payments,
    ownUser: async (userId, range) => {
      if (!isWhole(range)) return await payments.ownUser(userId, range)
      const { view } = await read<ViewUntil>({
        kind: 'user',
        user: userId,
        load: async () => await ownUserUntil(parts, userId, range),
        print: (found) => shape + printCopy(found),
        parse: (text) => inTime(parseIn<ViewUntil>(shape, text), parts.clock),
      })
      return view
    },
    listTransactions: async (userId, ask) => {
      const { limit, cursor, status, kind } = ask
      const plain = isWhole(ask) && cursor === null && status === null && kind === null
      if (!plain || limit !== PAGE_ROWS) return await payments.listTransactions(userId, ask)
      return await read<Page<TransactionView>>({
        kind: 'history',
        user: userId,
        load: async () => await payments.listTransactions(userId, ask),
        print: (page) => shape + printCopy(page),
        parse: (text) => parseIn<Page<TransactionView>>(shape, text),
      })
    },
  }
}

/** Stands before each copy: servers with other limits show other views. */
function shapeOf({ limits }: PaymentParts): string {
  const digest = createHash('sha256').update(printCopy(limits)).digest('base64url').slice(0, 12)
  return `${SHAPE}.${digest}.`
}

function parseIn<T>(shape: string, text: string): T | null {
  return text.startsWith(shape) ? (parseCopy(text.slice(shape.length)) as T) : null
}

function inTime(copy: ViewUntil | null, clock: Clock): ViewUntil | null {
  const until = copy?.until ?? null
  return until !== null && clock.now() >= until ? null : copy
}
