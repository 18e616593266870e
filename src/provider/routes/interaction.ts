import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import { Type } from 'typebox'
import type { AuthLayer } from '../../access/auth-layer.ts'
import type { Arrive } from '../../auth/arrival.ts'
import type { Factors } from '../../auth/factors/factors.ts'
import { changePassword } from '../../auth/recovery/change-password.ts'
import type { RecoveryParts } from '../../auth/recovery/parts.ts'
import type { SignIn } from '../../auth/sign-in.ts'
import type { Queryable } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { MILLISECOND, SECOND } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import {
  askedBy,
  identityScopes,
  openGrant,
  standingGrant,
  timeOf,
  widen,
} from '../openid/grants.ts'
import type { Client } from '../openid/clients.ts'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import * as pages from '../pages/sign-in.ts'
import * as passing from './passing.ts'
import type { Interaction } from './passing.ts'

export type InteractionParts = Readonly<{
  provider: Provider
  db: Queryable
  clock: Clock
  recovery: RecoveryParts
  signIn: SignIn
  factors: Factors
  sessions: Sessions
  arrive: Arrive
  layer: AuthLayer
  clientOf: (id: string) => Client
  audience: string
}>

export const InteractionPath = Type.Object({
  uid: Type.String({ pattern: '^[A-Za-z0-9_-]{10,64}$' }),
})
const text = (maxLength: number) => Type.String({ maxLength })
const PasswordForm = Type.Object({ login: text(254), password: text(1_024) })
const CodeForm = Type.Object({ code: text(32) })
const NewPasswordForm = Type.Object({ before: text(1_024), password: text(1_024) })
const SignUpForm = Type.Object({
  email: text(254),
  phoneNumber: text(32),
  displayName: text(80),
  handle: text(64),
  password: text(1_024),
})

/** Refusals that a form is shown again with. */
const mendable = [
  'credentials_invalid',
  'contact_invalid',
  'contact_taken',
  'password_refused',
  'rate_limited',
  'overloaded',
] as const

/** The pages between an app's request and its answer: who is it, and do they allow it? */
export const interactionRoutes =
  (parts: InteractionParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const { provider } = parts
    const schema = { params: InteractionPath }
    const of = async (request: FastifyRequest, reply: FastifyReply) =>
      await passing.interactionOf(provider, request, reply)

    app.get('/interaction/:uid', { schema }, async (request, reply) => {
      const interaction = await of(request, reply)
      return await reply.send(await pageFor(parts, interaction, null))
    })

    app.post(
      '/interaction/:uid/password',
      { schema: { ...schema, body: PasswordForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        const at = parts.clock.now()
        try {
          const { userId, expired, second } = await parts.signIn.password(
            request.body,
            whence,
            'sign_in',
          )
          const methods = second ? null : ['pwd']
          const shown = { userId, expired, methods, at }
          return await go(reply, await advance(parts, interaction, { request, reply }, shown))
        } catch (error) {
          const problem = passing.sentenceFor(error, mendable)
          const { login } = request.body
          return await reply.send(signInPage(parts, interaction, { problem, login }))
        }
      },
    )

    app.post(
      '/interaction/:uid/code',
      { schema: { ...schema, body: CodeForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const pending = passing.pendingOf(interaction)
        if (!pending || pending.methods) return await go(reply, baseOf(interaction))
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        try {
          const methods = await parts.signIn.code(
            pending.userId,
            request.body.code,
            whence,
            'sign_in',
          )
          const shown = { ...pending, methods }
          return await go(reply, await advance(parts, interaction, { request, reply }, shown))
        } catch (error) {
          const told = passing.sentenceFor(error, mendable)
          const wrong = error instanceof AppError && error.code === 'credentials_invalid'
          const problem = wrong ? 'This code is not right, or was used before.' : told
          return await reply.send(await pageFor(parts, interaction, problem))
        }
      },
    )

    app.post(
      '/interaction/:uid/new-password',
      { schema: { ...schema, body: NewPasswordForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const pending = passing.pendingOf(interaction)
        if (!pending?.expired || !pending.methods) return await go(reply, baseOf(interaction))
        const { userId, methods } = pending
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        try {
          await changePassword(parts.recovery, {
            ...request.body,
            userId,
            stays: null,
            whence,
          })
        } catch (error) {
          const problem = passing.sentenceFor(error, mendable)
          return await reply.send(pages.newPasswordPage({ base: baseOf(interaction), problem }))
        }
        const at = await momentAfter(parts.clock)
        return await go(reply, await enter(parts, request, reply, { userId, methods, at }))
      },
    )

    app.get('/interaction/:uid/sign-in', { schema }, async (request, reply) => {
      const shown = { problem: null, login: '' }
      return await reply.send(signInPage(parts, await of(request, reply), shown))
    })

    app.get('/interaction/:uid/register', { schema }, async (request, reply) => {
      const base = baseOf(await of(request, reply))
      const typed = { email: '', phoneNumber: '', displayName: '', handle: '' }
      return await reply.send(pages.signUpPage({ base, problem: null, typed }))
    })

    app.post(
      '/interaction/:uid/register',
      { schema: { ...schema, body: SignUpForm } },
      async (request, reply) => {
        const interaction = await of(request, reply)
        const { displayName, handle, ...ask } = request.body
        const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
        const place = { network: whence.network ?? '', device: whence.device }
        try {
          const signUp = { ...ask, displayName: displayName || null, handle: handle || null }
          const { userId } = await parts.layer.signUp(signUp, null, place)
          const shown = { userId, methods: ['pwd'], at: parts.clock.now() }
          return await go(reply, await enter(parts, request, reply, shown))
        } catch (error) {
          const problem = passing.sentenceFor(error, mendable)
          const page = { base: baseOf(interaction), problem, typed: request.body }
          return await reply.send(pages.signUpPage(page))
        }
      },
    )

    app.post('/interaction/:uid/consent', { schema }, async (request, reply) => {
      const interaction = await of(request, reply)
      const to = await allow(parts, interaction, request, reply)
      return await reply.redirect(to, 303)
    })

    app.post('/interaction/:uid/abort', { schema }, async (request, reply) => {
      await of(request, reply)
      const refused = { error: 'access_denied', error_description: 'the customer did not allow it' }
      const once = { mergeWithLastSubmission: false }
      const to = await provider.interactionResult(request.raw, reply.raw, refused, once)
      return await reply.redirect(to, 303)
    })

    done()
  }

function baseOf({ uid }: Interaction): string {
  return `/interaction/${uid}`
}

/** The page that this interaction is at. */
async function pageFor(
  parts: InteractionParts,
  interaction: Interaction,
  problem: string | null,
): Promise<string> {
  const base = baseOf(interaction)
  if (interaction.prompt.name === 'consent') return await consentPage(parts, interaction)
  const pending = passing.pendingOf(interaction)
  if (pending?.expired && pending.methods) return pages.newPasswordPage({ base, problem })
  if (pending) {
    const { totp, passkeys, recoveryCodes } = await parts.factors.enrolled(pending.userId)
    const may = { totp, passkeys: passkeys > 0, recoveryCodes: recoveryCodes > 0 }
    return pages.secondFactorPage({ base, problem, ...may })
  }
  if (interaction.params['screen_hint'] === 'register' && problem === null) {
    const typed = { email: '', phoneNumber: '', displayName: '', handle: '' }
    return pages.signUpPage({ base, problem, typed })
  }
  const hint = interaction.params['login_hint']
  const login = typeof hint === 'string' ? hint.slice(0, 254) : await knownLogin(parts, interaction)
  return signInPage(parts, interaction, { problem, login })
}

/** Whoever is asked again need not type who they are. */
async function knownLogin(
  { db }: Pick<InteractionParts, 'db'>,
  { session }: Interaction,
): Promise<string> {
  const userId = parseId('user', session?.accountId ?? '')
  const user = userId && (await findUser(db, userId))
  return user ? user.handle : ''
}

function signInPage(
  { clientOf }: InteractionParts,
  interaction: Interaction,
  shown: Readonly<{ problem: string | null; login: string }>,
): string {
  const app = clientOf(passing.clientIdOf(interaction)).name
  const again = interaction.session?.accountId !== undefined
  return pages.signInPage({ ...shown, base: baseOf(interaction), app, again })
}

async function consentPage(parts: InteractionParts, interaction: Interaction): Promise<string> {
  const client = parts.clientOf(passing.clientIdOf(interaction))
  const userId = parseId('user', interaction.session?.accountId ?? '')
  const user = userId && (await findUser(parts.db, userId))
  if (!user) throw new AppError('route_unknown')
  const { identity, scopes } = askedBy(client, interaction.params['scope'])
  const before = await grantBefore(parts, interaction, userId)
  const had = [before?.getOIDCScope(), before?.getResourceScope(parts.audience)].join(' ')
  const could = new Set([...identity, ...scopes, ...had.split(' ')])
  const all = [...identityScopes, ...client.scopes].filter((scope) => could.has(scope))
  const page = { base: baseOf(interaction), app: client.name, user: user.handle }
  return pages.consentPage({ ...page, scopes: all })
}

/** What this app was let do in this browser before, and asks for more now. */
async function grantBefore(
  { provider, sessions }: InteractionParts,
  interaction: Interaction,
  userId: UserId,
) {
  const { grantId } = interaction
  if (grantId === undefined || interaction.deviceCode !== undefined) return undefined
  const clientId = passing.clientIdOf(interaction)
  return await standingGrant(provider, sessions, { grantId, userId, clientId })
}

/**
 * Lets the app do what it asks for: in a session of its own, or in the one that it has in this
 * browser. A device's has nothing to do with the browser that allowed it.
 */
async function allow(
  parts: InteractionParts,
  interaction: Interaction,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<string> {
  const { provider, sessions, clientOf, audience } = parts
  const accountId = interaction.session?.accountId
  const userId = parseId('user', accountId ?? '')
  const browser = interaction.session && (await provider.Session.findByUid(interaction.session.uid))
  if (interaction.prompt.name !== 'consent' || !userId || !browser) {
    throw new AppError('route_unknown')
  }
  const clientId = passing.clientIdOf(interaction)
  const { network, device } = passing.whenceOf(request, clientId)
  const ofDevice = interaction.deviceCode !== undefined
  const client = clientOf(clientId)
  const granted = askedBy(client, interaction.params['scope'])
  const beginning = {
    userId,
    clientId,
    methods: browser.amr ?? [],
    authenticatedAt: timeOf(browser.loginTs),
    network,
    device: ofDevice ? client.name : device,
    browserId: ofDevice ? null : browser.uid,
  }
  const before = await grantBefore(parts, interaction, userId)
  const grant = before
    ? await widen(before, granted, audience)
    : await openGrant(provider, { sessions, audience }, beginning, granted)
  return await provider.interactionResult(request.raw, reply.raw, {
    consent: { grantId: grant.jti },
  })
}

/** Where the browser goes on: signed in, or to what is still to be shown or changed. */
export async function advance(
  parts: InteractionParts,
  interaction: Interaction,
  { request, reply }: Readonly<{ request: FastifyRequest; reply: FastifyReply }>,
  shown: passing.Pending,
): Promise<string> {
  const { userId, expired, methods, at } = shown
  if (!expired && methods) return await enter(parts, request, reply, { userId, methods, at })
  await passing.keepPending(interaction, shown)
  return baseOf(interaction)
}

async function go(reply: FastifyReply, to: string): Promise<FastifyReply> {
  return await reply.redirect(to, 303)
}

type Entering = Readonly<{ userId: UserId; methods: readonly string[]; at: Micros }>

/**
 * Signs somebody in, and gives where their browser goes on.
 *
 * @throws AppError `credentials_invalid` when everybody was signed out since the first step.
 */
async function enter(
  { provider, sessions, arrive, clock }: InteractionParts,
  request: FastifyRequest,
  reply: FastifyReply,
  { userId, methods, at }: Entering,
): Promise<string> {
  const interaction = await passing.interactionOf(provider, request, reply)
  const browserId = interaction.session?.uid ?? null
  const ended = await sessions.requireSince({ userId, browserId, at })
  await untilSecondBehind(ended, clock)
  const whence = passing.whenceOf(request, passing.clientIdOf(interaction))
  const shown = { userId, methods, now: clock.now() }
  const to = await passing.signedIn(provider, request, reply, shown)
  await arrive(userId, whence, methods)
  return to
}

/**
 * The provider counts whole seconds: in the second of a sign-out it could not tell who signed in
 * before it from who did after.
 */
async function untilSecondBehind(ended: Micros | null, clock: Clock): Promise<void> {
  if (ended === null) return
  const left = ended / SECOND + 1n - clock.now() / SECOND
  if (left > 0n && left <= 1n)
    await sleep(Number((SECOND - (clock.now() % SECOND)) / MILLISECOND) + 1)
}

/** Later than all that has happened: clocks count whole milliseconds. */
async function momentAfter(clock: Clock): Promise<Micros> {
  await sleep(2)
  return clock.now()
}
