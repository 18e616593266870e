import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { callerOf, requireScope } from '../actor.ts'
import { parseKey } from '../idempotency.ts'
import type { HttpParts } from '../parts.ts'
import { Outcome } from '../resources.ts'
import * as ask from '../schemas.ts'
import { ref } from '../shapes/words.ts'
import { toOutcome } from '../wire.ts'

const find = {
  tags: ['requests'],
  operationId: 'findRequest',
  summary: 'Did it happen?',
  description:
    'What came of the request that the caller sent with this key, however long ago. The app needs the scope to read that.',
  params: ask.RequestPath,
  querystring: ask.NoQuery,
  response: { 200: ref(Outcome, 'It happened, and this came of it.') },
}

/** What the answer shows, and so what the app must be allowed to read. */
const reads = {
  transaction: 'transaction.read',
  bankAccount: 'account.list',
  user: 'user.read',
  none: null,
} as const

/** For whoever sent a request and never heard the answer. */
export const requestRoutes =
  ({ payments }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    app.get(
      '/v1/request/:idempotencyKey',
      { schema: find, config: { action: 'request.read' } },
      async (request) => {
        const key = parseKey(request.params.idempotencyKey)
        const outcome = await payments.findRequest(callerOf(request), key)
        const reading = reads[outcome.resource.type]
        if (reading) requireScope(request, reading)
        return toOutcome(key, outcome)
      },
    )
    done()
  }
