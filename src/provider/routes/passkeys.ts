import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { FactorReset } from '../../auth/recovery/factor-reset.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { advance, InteractionPath } from './interaction.ts'
import type { InteractionParts } from './interaction.ts'
import { clientIdOf, interactionOf, pendingOf, whenceOf } from './passing.ts'
import type { Interaction, Pending } from './passing.ts'

/** What the browser answered; the library that checks it knows its shape. */
export const BrowserAnswer = Type.Object({}, { additionalProperties: true })

/**
 * Signing in with a passkey: alone, or as the second step of someone whose password was right. A
 * script asks, so the answers are JSON.
 */
export const passkeyRoutes =
  (
    parts: InteractionParts & Readonly<{ factorReset: FactorReset }>,
  ): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { provider, factors } = parts
    const { directory } = parts.recovery
    const { passkeys } = factors

    app.post(
      '/interaction/:uid/passkey/options',
      { schema: { params: InteractionPath } },
      async (request, reply) => {
        const interaction = await interactionOf(provider, request, reply)
        const options = await passkeys.authenticationOptions(questionIn(interaction))
        return await reply.type('application/json').send(options)
      },
    )

    app.post(
      '/interaction/:uid/passkey',
      {
        schema: { params: InteractionPath, body: Type.Object({ response: BrowserAnswer }) },
      },
      async (request, reply) => {
        const interaction = await interactionOf(provider, request, reply)
        const { response } = request.body
        const whence = whenceOf(request, clientIdOf(interaction))
        const answer = { ...questionIn(interaction), response }
        const { userId, methods } = await passkeys.authenticate(answer, whence)
        await requireOpen(userId)
        await parts.factorReset.secondShown(userId, whence)
        const known = knownIn(interaction)
        const shown = known
          ? { ...known, methods: ['pwd', ...methods] }
          : { userId, expired: false, methods }
        const location = await advance(parts, interaction, { request, reply }, shown)
        return await reply.type('application/json').send({ location })
      },
    )

    /** A passkey is ours, and yet the directory has the last word on who may come in. */
    async function requireOpen(userId: UserId): Promise<void> {
      const { open } = await directory.standing(userId)
      if (!open) throw new AppError('passkey_refused')
    }

    done()
  }

/** Good for this sign-in alone, and after a password for its owner alone. */
function questionIn(interaction: Interaction) {
  return { binding: interaction.uid, userId: knownIn(interaction)?.userId ?? null }
}

/** Who has shown their password, and must show one thing more. */
function knownIn(interaction: Interaction): Pending | null {
  const pending = pendingOf(interaction)
  return pending?.methods === null ? pending : null
}
