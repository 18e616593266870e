import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import type { Page } from 'puppeteer-core'
import { openBrowser } from '../kit/chromium/browser.ts'
import type { Browser } from '../kit/chromium/browser.ts'
import { component } from '../kit/components.ts'
import { openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { sessionsOf } from './kit/rows.ts'
import { alertOn, send, shown, tokenIn, type } from './kit/screen.ts'
import type { AppWindow } from './kit/screen.ts'
import { serveApp } from './kit/spa/spa.ts'

const { program, missing } = component('chromium')

async function refreshIn(page: Page): Promise<string> {
  return await page.evaluate(async () => {
    const { app } = globalThis as unknown as AppWindow
    return (await app.refresh()).access_token
  })
}

suite('in Chromium', { skip: missing ?? false }, () => {
  let provider: OpenProvider
  let browser: Browser
  let ada: Customer
  let endApp: () => Promise<void>
  before(async () => {
    provider = await openProvider()
    endApp = await serveApp(provider)
    ada = await provider.customer()
    browser = await openBrowser(program ?? '')
  })
  after(async () => {
    await browser.close()
    await endApp()
    await provider.close()
  })

  /** At the sign-in page, from the app. */
  async function asked(button = 'sign-in'): Promise<Page> {
    const page = await browser.person()
    await page.goto(provider.webUrl)
    assert.equal(await shown(page), 'Nobody: login_required')
    await Promise.all([page.waitForNavigation(), page.locator(`#${button}`).click()])
    return page
  }

  async function signedIn({ id, email, password }: Customer): Promise<Page> {
    const page = await asked()
    await type(page, { login: email, password })
    await send(page, '/password')
    assert.equal(await shown(page), `Hello ${id}`)
    return page
  }

  async function opens(token: string, { id }: Customer): Promise<boolean> {
    return (await provider.house.caller(token).ask('GET', `/v1/user/${id}`)).status === 200
  }

  test('whoever signs up in the app comes back signed in', async () => {
    const page = await asked('sign-up')
    await type(page, {
      email: 'grace@example.com',
      phoneNumber: '+14155550177',
      password: 'seven quiet seals',
    })
    await send(page, '/register')
    assert.match(await shown(page), /^Hello user_/)
  })

  test('whoever signs in comes back with a token that opens the API', async () => {
    const page = await signedIn(ada)
    assert(await opens(await tokenIn(page), ada))
  })

  test('a reload asks nobody again, in the same session', async () => {
    const page = await signedIn(ada)
    const { sid } = decodeJwt(await tokenIn(page))
    await page.reload()
    assert.equal(await shown(page), `Hello ${ada.id}`)
    assert.equal(decodeJwt(await tokenIn(page))['sid'], sid)
  })

  test('two tabs that refresh together both stay signed in', async () => {
    const page = await signedIn(ada)
    const second = await browser.tab(page)
    await second.goto(provider.webUrl)
    await shown(second)
    const both = await Promise.all([refreshIn(page), refreshIn(second)])
    assert.notEqual(both[0], both[1])
    for (const token of both) assert(await opens(token, ada))
  })

  test('an app that uses one refresh token twice at once goes on, in the same session', async () => {
    const page = await signedIn(ada)
    const { sid } = decodeJwt(await tokenIn(page))
    const tokens = await page.evaluate(async () => {
      const { app } = globalThis as unknown as AppWindow
      const both = await Promise.all([app.refresh(), app.refresh()])
      return both.map(({ access_token }) => access_token)
    })
    for (const token of tokens) {
      assert.equal(decodeJwt(token)['sid'], sid)
      assert(await opens(token, ada))
    }
    await refreshIn(page)
  })

  test('whoever signs out is asked to sign in again, and the session has ended', async () => {
    const bob = await provider.customer()
    const page = await signedIn(bob)
    await Promise.all([page.waitForNavigation(), page.locator('#sign-out').click()])
    await Promise.all([page.waitForNavigation(), page.locator('button[name=logout]').click()])
    assert.equal(await shown(page), 'Nobody: login_required')
    const sessions = await sessionsOf(provider.house, bob.id)
    assert.deepEqual(
      sessions.map(({ ended }) => ended),
      [true],
    )
  })

  test('a wrong password is told, and the login need not be typed again', async () => {
    const page = await asked()
    await type(page, { login: ada.email, password: 'wrong' })
    await send(page, '/password')
    assert.match(await alertOn(page), /\w+/)
    const typed = await page.$eval('input[name=login]', ({ value }) => value)
    const password = await page.$eval('input[name=password]', ({ value }) => value)
    assert.deepEqual([typed, password], [ada.email, ''])
    await type(page, { password: ada.password })
    await send(page, '/password')
    assert.equal(await shown(page), `Hello ${ada.id}`)
  })

  test('signing in as somebody else in the same browser needs nothing but their password', async () => {
    const bob = await provider.customer()
    const page = await signedIn(ada)
    await page.evaluate(() => {
      const { app } = globalThis as unknown as AppWindow
      void app.manager.signinRedirect({ prompt: 'login' })
    })
    await page.waitForSelector('input[name=login]')
    await type(page, { login: bob.email, password: bob.password })
    await page.locator('form[action$="/password"] button').click()
    assert.equal(await shown(page), `Hello ${bob.id}`)
  })

  test('the keyboard is enough', async () => {
    const page = await asked()
    await page.keyboard.press('Tab')
    await page.keyboard.type(ada.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(ada.password)
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')])
    assert.equal(await shown(page), `Hello ${ada.id}`)
  })
})
