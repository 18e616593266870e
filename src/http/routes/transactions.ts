import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { parseDollars } from '../../money.ts'
import type { MoneyMove } from '../../payments/asks.ts'
import { callerOf, freshnessFor } from '../actor.ts'
import { keyOf, unwrap } from '../idempotency.ts'
import type { HttpParts } from '../parts.ts'
import { Transaction, TransactionPage } from '../resources.ts'
import * as ask from '../schemas.ts'
import { ref } from '../shapes/words.ts'
import { toPageAsk, toParty, toTime, toTransaction, transactionIdOf } from '../wire.ts'

const tags = ['transactions']

const move = {
  tags,
  operationId: 'moveMoney',
  summary: 'Move money',
  description: `From user to user is a payment, from one's own bank account to oneself adds money,
from oneself to one's own bank account cashes out, and from one's own bank account to another user
is a payment that the bank funds. A declined transaction is an answer, not an error: look at
\`status\`. Where much leaves the caller, a factor must have been shown within ten minutes: 401
\`step_up_required\`.`,
  querystring: ask.NoQuery,
  body: ask.MoveBody,
  response: { 200: ref(Transaction, 'Accepted, declined with the reason, or waiting.') },
}

const confirm = {
  tags,
  operationId: 'confirmTransaction',
  summary: 'Confirm a transaction that waits for a code',
  description: 'The code went to the payer. Unconfirmed, the transaction expires after 24 h.',
  params: ask.TransactionPath,
  querystring: ask.NoQuery,
  body: ask.CodeBody,
  response: { 200: ref(Transaction, 'The transaction as it now is.') },
}

const read = {
  tags,
  operationId: 'readTransaction',
  summary: 'Look at a transaction',
  description: 'For those who send or receive it.',
  params: ask.TransactionPath,
  querystring: ask.NoQuery,
  response: { 200: ref(Transaction, 'The transaction.') },
}

const list = {
  tags,
  operationId: 'listTransactions',
  summary: 'List transactions, newest first, both sent and received',
  params: ask.UserIdPath,
  querystring: ask.TransactionsQuery,
  response: { 200: ref(TransactionPage, 'A page.') },
}

/** Money that moves. */
export const transactionRoutes =
  ({ payments, clock }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    app.post(
      '/v1/transaction',
      { schema: move, config: { action: 'transaction.create' } },
      async (request, reply) => {
        const asked = toMove(request.body)
        const shown = freshnessFor(request, 'transaction.send-much', clock)
        const moved = await payments.moveMoney(callerOf(request), asked, keyOf(request), shown)
        return toTransaction(unwrap(reply, moved))
      },
    )

    app.post(
      '/v1/transaction/:transactionId/verify',
      { schema: confirm, config: { action: 'transaction.confirm' } },
      async (request, reply) => {
        const proof = {
          id: transactionIdOf(request.params.transactionId),
          code: request.body.code,
        }
        const confirmed = await payments.confirmTransaction(
          callerOf(request),
          proof,
          keyOf(request),
        )
        return toTransaction(unwrap(reply, confirmed))
      },
    )

    // The flow finds a transaction only for its parties, so whoever gets an answer is one.
    app.get(
      '/v1/transaction/:transactionId',
      { schema: read, config: { action: 'transaction.read' } },
      async (request) => {
        const id = transactionIdOf(request.params.transactionId)
        return toTransaction(await payments.findTransaction(callerOf(request), id))
      },
    )

    app.get(
      '/v1/transactions/:userId',
      { schema: list, config: { owner: 'userId', action: 'transaction.list' } },
      async (request) => {
        const { status = null, kind = null, ...query } = request.query
        const asked = { ...toPageAsk(query), status, kind }
        const { data, nextCursor } = await payments.listTransactions(callerOf(request), asked)
        return { data: data.map(toTransaction), nextCursor }
      },
    )

    done()
  }

function toMove(body: Static<typeof ask.MoveBody>): MoneyMove {
  return {
    from: toParty(body.fromId, '/fromId'),
    to: toParty(body.toId, '/toId'),
    amount: parseDollars(body.amount),
    note: body.note ?? null,
    transactionDate: body.transactionDate === undefined ? null : toTime(body.transactionDate),
  }
}
