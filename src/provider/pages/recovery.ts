import { markup } from '../../markup.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { alert, print } from './layout.ts'
import { newPasswordField } from './sign-in.ts'

export function forgottenPage(problem: string | null): string {
  return print({
    title: 'Forgot your password?',
    body: markup`<section class="card"><h1>Forgot your password?</h1>
<p class="quiet">We send a link to your e-mail address, if you have proven that it is yours.</p>
${alert(problem)}
<form method="post" action="/reset">
<label>E-mail, phone or handle
<input name="login" autocomplete="username" required maxlength="254" autocapitalize="none"
 spellcheck="false"></label>
<button>Send the link</button></form></section>`,
  })
}

export function resetPage(
  ask: Readonly<{ token: string; needsSecond: boolean; problem: string | null }>,
): string {
  const { token, needsSecond, problem } = ask
  const code = markup`<label>Code of your authenticator app
<small>Or one of your recovery codes.</small>
<input class="code" name="code" autocomplete="one-time-code" required minlength="6" maxlength="32"
 spellcheck="false"></label>
<p class="quiet">You have neither, but a passkey? It needs no password:
<a href="/account">sign in with it</a>, and make recovery codes there.</p>`
  return print({
    title: 'Choose a new password',
    body: markup`<section class="card"><h1>Choose a new password</h1>
<p class="quiet">You will be signed out everywhere, and then sign in with the new one.</p>
${alert(problem)}
<form method="post" action="/reset-password">
<input type="hidden" name="token" value="${token}">
${newPasswordField}
${needsSecond ? code : markup``}
<button>Change password</button></form></section>`,
  })
}

export function lostFactorsPage(problem: string | null): string {
  return print({
    title: 'Lost your second factor?',
    body: markup`<section class="card"><h1>Lost your second factor?</h1>
<p>If you have neither your passkey nor your app nor a recovery code, we can take them off. So
that nobody else does it in your name, that takes three days, in which we write to you. One click
ends it, and so does signing in with a second factor.</p>
<p class="quiet">You need your password, and codes that we send by e-mail and to your phone.</p>
${alert(problem)}
<form method="post" action="/lost-factors">
<label>E-mail, phone or handle
<input name="login" autocomplete="username" required maxlength="254" autocapitalize="none"
 spellcheck="false"></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required maxlength="1024">
</label>
<button>Go on</button></form></section>`,
  })
}

export function factorCodesPage(ask: Readonly<{ slip: string; problem: string | null }>): string {
  const { slip, problem } = ask
  return print({
    title: 'Enter both codes',
    body: markup`<section class="card"><h1>Enter both codes</h1>
<p class="quiet">One went to your e-mail address, the other to your phone.</p>
${alert(problem)}
<form method="post" action="/lost-factors/codes">
<input type="hidden" name="slip" value="${slip}">
<label>Code from the e-mail
<input class="code" name="emailCode" inputmode="numeric" autocomplete="off" required
 maxlength="10"></label>
<label>Code from the phone
<input class="code" name="phoneCode" inputmode="numeric" autocomplete="one-time-code" required
 maxlength="10"></label>
<button>Start the three days</button></form></section>`,
  })
}

export function waitingPage(readyAt: Micros): string {
  const when = printTime(readyAt).slice(0, 16).replace('T', ' at ')
  return print({
    title: 'Now it takes three days',
    body: markup`<section class="card"><h1>Now it takes three days</h1>
<p>From ${when} UTC on you can come back here with your password, and your second factors come off.
Found one meanwhile? Just sign in with it.</p></section>`,
  })
}

export function cancelPage(token: string): string {
  return print({
    title: 'Keep your second factors?',
    body: markup`<section class="card"><h1>Keep your second factors?</h1>
<p>Somebody who knows your password asked us to take them off. If it was not you, press the button,
and change your password.</p>
<form method="post" action="/cancel-factor-reset">
<input type="hidden" name="token" value="${token}"><button>Keep them</button></form></section>`,
  })
}

export function changePasswordPage(problem: string | null): string {
  return print({
    title: 'Change your password',
    body: markup`<section class="card"><h1>Change your password</h1>
<p class="quiet">You will be signed out everywhere else.</p>
${alert(problem)}
<form method="post" action="/account/password">
<label>Current password
<input name="before" type="password" autocomplete="current-password" required maxlength="1024">
</label>
${newPasswordField}
<button>Change password</button></form>
<p class="links"><a href="/account">Back</a></p></section>`,
  })
}
