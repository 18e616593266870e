import type { Passkey } from '../../auth/factors/passkeys/store.ts'
import { deviceName } from '../../auth/recovery/device-name.ts'
import type { OpenSession } from '../../auth/sessions/store.ts'
import { printId } from '../../ids/ids.ts'
import { markup } from '../../markup.ts'
import type { Markup } from '../../markup.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import type { Channel, User } from '../../users/user.ts'
import { alert, print, scriptNeeded } from './layout.ts'

export type AccountPage = Readonly<{
  user: User
  /** What was just done, or what went wrong. */
  done: string | null
  problem: string | null
  passkeys: readonly Passkey[]
  totp: boolean
  recoveryCodes: number
  sessions: readonly (OpenSession & Readonly<{ app: string; here: boolean }>)[]
}>

/** Everything about how one signs in, on one page. */
export function accountPage(page: AccountPage): string {
  const { user, done, problem } = page
  return print({
    title: 'Account and security',
    wide: true,
    scripts: true,
    body: markup`<section class="card"><h1>Account and security</h1>
<p class="quiet">${namesOf(user)}</p>
${done === null ? markup`` : markup`<p class="done" role="status">${done}</p>`}
${alert(problem)}
<p class="links"><a href="/account/password">Change password</a>
<a href="/session/end">Sign out</a></p></section>
${contacts(user)}${factors(page)}${sessions(page)}`,
  })
}

function contacts(user: User): Markup {
  const rows = [
    contact('email', 'E-mail', user.email, user.emailVerifiedAt),
    contact('phone', 'Phone', user.phoneNumber, user.phoneVerifiedAt),
  ]
  return markup`<section class="card"><h2>How to reach you</h2>
<p class="quiet">Both proven raise your limits. The e-mail address also lets you back in when
you forget your password.</p>
<ul class="rows">${rows}</ul></section>
`
}

function contact(
  channel: Channel,
  label: string,
  value: string | null,
  provenAt: Micros | null,
): Markup {
  if (value === null) return markup`<li><span>${label}<br><small>none yet</small></span></li>`
  const state = provenAt === null ? 'not proven yet' : 'proven'
  const prove = markup`<form method="post" action="/account/contacts/${channel}/code">
<button class="small second" aria-label="Send a code to ${value}">Send a code</button></form>`
  return markup`<li><span>${value}<br><small>${label}, ${state}</small></span>
${provenAt === null ? prove : markup``}</li>`
}

function factors({ passkeys, totp, recoveryCodes }: AccountPage): Markup {
  const rows = passkeys.map(
    ({ credentialId, name, backedUp, createdAt, usedAt }) => markup`<li><span>${name}<br>
<small>passkey${backedUp ? ', on all your devices' : ''}, since ${day(createdAt)},
${usedAt === null ? markup`not used yet` : markup`last used ${day(usedAt)}`}</small></span>
<form method="post" action="/account/passkeys/remove">
<input type="hidden" name="credentialId" value="${credentialId}">
<button class="small second" aria-label="Remove ${name}">Remove</button></form></li>`,
  )
  const app = totp
    ? markup`<li><span>Authenticator app<br><small>six digits</small></span>
<form method="post" action="/account/totp/remove">
<button class="small second" aria-label="Remove the authenticator app">Remove</button></form>
</li>`
    : markup`<li><span>Authenticator app<br><small>not set up</small></span>
<form method="post" action="/account/totp">
<button class="small" aria-label="Set up an authenticator app">Set up</button></form></li>`
  const again = recoveryCodes > 0 ? 'Make new ones' : 'Make them'
  const codes = markup`<li><span>Recovery codes<br><small>${recoveryCodes} left, for when all
else is lost</small></span><form method="post" action="/account/recovery-codes">
<button class="small second">${again}</button></form></li>`
  const any = totp || passkeys.length > 0
  return markup`<section class="card"><h2>Second factors</h2>
<p class="quiet">With one of these, your password alone opens nothing.</p>
<ul class="rows">${rows}${app}${any ? codes : markup``}</ul>
<form data-passkey="/account/passkeys" data-passkey-adds hidden>
<label>Name of a new passkey <small>It can be in this device, your phone or a security key.</small>
<input name="name" required maxlength="60" placeholder="My laptop"></label>
<button>Add a passkey</button><p class="alert" role="alert" hidden></p></form>
${scriptNeeded}</section>
`
}

function sessions({ sessions }: AccountPage): Markup {
  const rows = sessions.map(
    ({ sessionId, app, device, network, createdAt, usedAt, here }) => markup`<li><span>
${app}${here ? markup` <strong>(this browser)</strong>` : markup``}<br>
<small>${deviceName(device)}, from ${network ?? 'an unknown place'}, since ${day(createdAt)}, last
used ${day(usedAt)}</small></span>
<form method="post" action="/account/sessions/end">
<input type="hidden" name="sessionId" value="${printId('sess', sessionId)}">
<button class="small second"
 aria-label="Sign out: ${app}, ${deviceName(device)}">Sign out</button></form></li>`,
  )
  return markup`<section class="card"><h2>Where you are signed in</h2>
<ul class="rows">${rows}</ul>
${sessions.every(({ here }) => here) ? markup`` : endOthers}</section>
`
}

const endOthers = markup`<form method="post" action="/account/sessions/end-others">
<button class="second">Sign out everywhere else</button></form>`

export function contactCodePage(
  ask: Readonly<{ channel: Channel; recipient: string; problem: string | null }>,
): string {
  const { channel, recipient, problem } = ask
  return print({
    title: 'Enter the code',
    body: markup`<section class="card"><h1>Enter the code</h1>
<p class="quiet">We have sent six digits to ${recipient}.</p>
${alert(problem)}
<form method="post" action="/account/contacts/${channel}/verify">
<label>Code <input class="code" name="code" inputmode="numeric" autocomplete="one-time-code"
 required pattern="[0-9]{6}" maxlength="6"></label><button>Confirm</button></form>
<p class="links"><a href="/account">Back</a></p></section>`,
  })
}

export function totpPage(ask: Readonly<{ secret: string; uri: string; picture: Markup }>): string {
  const { secret, uri, picture } = ask
  return print({
    title: 'Set up an authenticator app',
    body: markup`<section class="card"><h1>Set up an authenticator app</h1>
<p>Scan this with the app on your phone, or type the key into it.</p>
<div class="qr" role="img" aria-label="The key, for a camera">${picture}</div>
<p><a href="${uri}">Open the app on this device</a></p>
<p><small>Key:</small> <code>${secret.replaceAll(/(.{4})/g, '$1 ').trim()}</code></p>
<form method="post" action="/account/totp/confirm">
<label>The six digits that it shows now
<input class="code" name="code" inputmode="numeric" autocomplete="one-time-code" required
 pattern="[0-9 ]{6,7}" maxlength="7"></label><button>Turn on</button></form>
<p class="links"><a href="/account">Back</a></p></section>`,
  })
}

export function totpRetryPage(problem: string): string {
  return print({
    title: 'Set up an authenticator app',
    body: markup`<section class="card"><h1>That did not match</h1>${alert(problem)}
<form method="post" action="/account/totp/confirm">
<label>The six digits that your app shows now
<input class="code" name="code" inputmode="numeric" autocomplete="one-time-code" required
 pattern="[0-9 ]{6,7}" maxlength="7"></label><button>Turn on</button></form>
<form method="post" action="/account/totp"><button class="second">Begin anew</button>
</form>
<p class="links"><a href="/account">Back</a></p></section>`,
  })
}

export function recoveryCodesPage(codes: readonly string[]): string {
  return print({
    title: 'Your recovery codes',
    body: markup`<section class="card"><h1>Your recovery codes</h1>
<p>Print them or write them down, and keep them where you keep important papers. Each works once, in
the place of your second factor. We show them this once, and the ones before are void.</p>
<ul class="codes">${codes.map((code) => markup`<li>${code}</li>`)}</ul>
<form action="/account"><button>I have kept them</button></form></section>`,
  })
}

function day(at: Micros): Markup {
  return markup`<time>${printTime(at).slice(0, 10)}</time>`
}

/** Once, for who has not said how to be called. */
function namesOf({ displayName, handle }: User): string {
  return displayName === handle ? handle : `${displayName} · ${handle}`
}
