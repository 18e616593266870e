import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { callerOf, freshnessFor } from '../actor.ts'
import { bankIdOf, toLink } from '../shapes/forms.ts'
import { keyOf, unwrap } from '../idempotency.ts'
import type { HttpParts } from '../parts.ts'
import { BankAccount, BankAccountPage } from '../resources.ts'
import * as ask from '../schemas.ts'
import { nothing, ref } from '../shapes/words.ts'
import { toBankAccount, toPageAsk } from '../wire.ts'

const tags = ['bank accounts']

const link = {
  tags,
  operationId: 'linkBankAccount',
  summary: 'Link a bank account',
  description: `Two small amounts are sent to it; their cents verify it. A number that the same user
links again within 30 days is sent nothing new: the same amounts verify it. A factor must have been
shown within ten minutes: 401 \`step_up_required\`.`,
  params: ask.UserPath,
  querystring: ask.NoQuery,
  body: ask.LinkBody,
  response: { 201: ref(BankAccount, 'The bank account, waiting to be verified.') },
}

const verify = {
  tags,
  operationId: 'verifyBankAccount',
  summary: 'Verify a bank account',
  description: 'Three wrong answers lock it.',
  params: ask.UserBankPath,
  querystring: ask.NoQuery,
  body: ask.VerifyBankBody,
  response: { 200: ref(BankAccount, 'The bank account, verified.') },
}

const unlink = {
  tags,
  operationId: 'unlinkBankAccount',
  summary: 'Unlink a bank account',
  params: ask.UserBankPath,
  querystring: ask.NoQuery,
  response: { 204: nothing('It is unlinked. Money on its way still arrives.') },
}

const unlinkById = {
  ...unlink,
  operationId: 'unlinkBankAccountById',
  summary: 'Unlink a bank account of the caller, by its id alone',
  params: ask.BankPath,
}

const list = {
  tags,
  operationId: 'listBankAccounts',
  summary: 'List bank accounts, newest first',
  params: ask.UserIdPath,
  querystring: ask.BankAccountsQuery,
  response: { 200: ref(BankAccountPage, 'A page.') },
}

const listAsSpelled = {
  ...list,
  operationId: 'listBankAccuonts',
  summary: 'The same as /v1/bankAccounts, in another spelling',
  deprecated: true,
}

/** Accounts at banks: link, verify, unlink, list. */
export const bankAccountRoutes =
  ({ payments, clock }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const own = { owner: 'id' } as const

    app.post(
      '/v1/user/:id/accounts',
      { schema: link, config: { ...own, action: 'account.link' } },
      async (request, reply) => {
        const asked = toLink(request.body)
        const shown = freshnessFor(request, 'account.link', clock)
        const key = keyOf(request)
        const linked = await payments.linkBankAccount(callerOf(request), asked, key, shown)
        return await reply.code(201).send(toBankAccount(unwrap(reply, linked)))
      },
    )

    app.post(
      '/v1/user/:id/accounts/:bankId/verify',
      { schema: verify, config: { ...own, action: 'account.verify' } },
      async (request, reply) => {
        const proof = {
          id: bankIdOf(request.params.bankId),
          amountsCents: request.body.amountsCents,
        }
        const verified = await payments.verifyBankAccount(callerOf(request), proof, keyOf(request))
        return toBankAccount(unwrap(reply, verified))
      },
    )

    app.delete(
      '/v1/user/:id/accounts/:bankId',
      { schema: unlink, config: { ...own, action: 'account.unlink' } },
      async (request, reply) => {
        const id = bankIdOf(request.params.bankId)
        unwrap(reply, await payments.unlinkBankAccount(callerOf(request), id, keyOf(request)))
        return await reply.code(204).send()
      },
    )

    app.delete(
      '/v1/account/:bankId',
      { schema: unlinkById, config: { action: 'account.unlink' } },
      async (request, reply) => {
        const id = bankIdOf(request.params.bankId)
        unwrap(reply, await payments.unlinkBankAccount(callerOf(request), id, keyOf(request)))
        return await reply.code(204).send()
      },
    )

    const spellings = {
      '/v1/bankAccounts/:userId': list,
      '/v1/bankAccuonts/:userId': listAsSpelled,
    }
    for (const [url, schema] of Object.entries(spellings)) {
      app.get(
        url,
        { schema, config: { owner: 'userId', action: 'account.list' } },
        async (request) => {
          const asked = toPageAsk(request.query)
          const { data, nextCursor } = await payments.listBankAccounts(callerOf(request), asked)
          return { data: data.map(toBankAccount), nextCursor }
        },
      )
    }

    done()
  }
