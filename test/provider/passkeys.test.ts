import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import type { Page } from 'puppeteer-core'
import { parseId } from '../../src/ids/ids.ts'
import { openBrowser } from '../kit/chromium/browser.ts'
import type { Browser } from '../kit/chromium/browser.ts'
import { component } from '../kit/components.ts'
import { addDevice } from './kit/device.ts'
import type { Device } from './kit/device.ts'
import { openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { signedInAgo } from './kit/rows.ts'
import { alertOn, send, shown, tokenIn, type } from './kit/screen.ts'
import type { AppWindow } from './kit/screen.ts'
import { serveApp } from './kit/spa/spa.ts'

const { program, missing } = component('chromium')

const adds = 'form[data-passkey-adds]'
const shows = 'form[data-passkey$="/passkey"]'

/** A page with what keeps its passkeys. */
type Desk = Readonly<{ page: Page; device: Device }>

async function password(page: Page, { email, password }: Customer): Promise<void> {
  await type(page, { login: email, password })
  await send(page, '/password')
}

async function clickOn(page: Page, form: string): Promise<void> {
  await page.locator(`${form} button`).click()
}

async function andGoOn(page: Page, form: string): Promise<void> {
  await Promise.all([page.waitForNavigation(), clickOn(page, form)])
}

async function heading(page: Page): Promise<string> {
  return await page.$eval('h1', ({ textContent }) => textContent ?? '')
}

async function add(page: Page, name: string): Promise<void> {
  await page.locator(`${adds} input`).fill(name)
  await andGoOn(page, adds)
  assert.match(await page.$eval('[role=status]', (e) => e.textContent ?? ''), /passkey is ready/)
}

async function refreshed(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await (globalThis as unknown as AppWindow).app.refresh()
  })
}

/** As an app does that was told to. */
async function askAgain(page: Page): Promise<void> {
  await page.evaluate(() => {
    void (globalThis as unknown as AppWindow).app.manager.signinRedirect({ max_age: 600 })
  })
}

suite('passkeys, in Chromium', { skip: missing ?? false }, () => {
  let provider: OpenProvider
  let browser: Browser
  let endApp: () => Promise<void>
  before(async () => {
    provider = await openProvider()
    endApp = await serveApp(provider)
    browser = await openBrowser(program ?? '')
  })
  after(async () => {
    await browser.close()
    await endApp()
    await provider.close()
  })

  async function desk(): Promise<Desk> {
    const page = await browser.person()
    return { page, device: await addDevice(page) }
  }

  /** Another browser with the same passkey. */
  async function elsewhere({ device }: Desk): Promise<Desk> {
    const other = await desk()
    for (const credential of await device.credentials()) await other.device.take(credential)
    return other
  }

  /** At the page of the account, or the sign-in in front of it. */
  async function atAccount(page: Page): Promise<Page> {
    await page.goto(`${provider.issuer}/account`)
    return page
  }

  /** Somebody with a passkey, signed in on the page of the account. */
  async function holder(): Promise<Desk & Readonly<{ ada: Customer }>> {
    const ada = await provider.customer()
    const at = await desk()
    await password(await atAccount(at.page), ada)
    await add(at.page, 'My laptop')
    return { ...at, ada }
  }

  async function isOut(page: Page): Promise<boolean> {
    await atAccount(page)
    return /^(?:Sign in|Second step|Confirm)/.test(await heading(page))
  }

  test('a passkey that was added signs in without a name, also in a new browser', async () => {
    const at = await holder()
    assert.match(await at.page.content(), /My laptop/)
    const { page } = await elsewhere(at)
    await atAccount(page)
    assert.equal(await heading(page), 'Sign in')
    await andGoOn(page, shows)
    assert.equal(await heading(page), 'Account and security')
    assert((await page.content()).includes(at.ada.email))
  })

  test('after the password it is the second step, and without it nothing opens', async () => {
    const at = await holder()
    const { page } = await elsewhere(at)
    await password(await atAccount(page), at.ada)
    assert.equal(await heading(page), 'Second step')
    await andGoOn(page, shows)
    assert.equal(await heading(page), 'Account and security')

    const { email: login, password: word } = at.ada
    const { stranger } = provider.house
    const alone = await stranger.ask('POST', '/v1/session', { login, password: word })
    assert.deepEqual([alone.status, alone.body['code']], [401, 'second_factor_required'])
    const other = await browser.person()
    await password(await atAccount(other), at.ada)
    assert(await isOut(other))
  })

  test("after the password, somebody else's passkey is no second step", async () => {
    const [at, eves] = [await holder(), await holder()]
    const { page } = await elsewhere(eves)
    await password(await atAccount(page), at.ada)
    await clickOn(page, shows)
    assert.match(await alertOn(page), /No passkey was given/)
    assert(await isOut(page))
  })

  test('a device that does not know who holds it opens nothing, and the page says so', async () => {
    const at = await holder()
    const { page, device } = await elsewhere(at)
    await device.setVerified(false)
    await atAccount(page)
    await clickOn(page, shows)
    assert.equal(await alertOn(page), 'No passkey was given. Please try again.')
    assert(await isOut(page))
    await device.setVerified(true)
    await andGoOn(page, shows)
    assert.equal(await heading(page), 'Account and security')
  })

  test('whoever has no passkey here is told, and may try again', async () => {
    const { page } = await desk()
    await atAccount(page)
    await clickOn(page, shows)
    assert.equal(await alertOn(page), 'No passkey was given. Please try again.')
    assert.equal(await page.$eval(`${shows} button`, (button) => button.disabled), false)
  })

  test('a passkey that was taken off opens nothing any more', async () => {
    const at = await holder()
    await andGoOn(at.page, 'form[action$="/passkeys/remove"]')
    assert.doesNotMatch(await at.page.content(), /<span>My laptop/)
    const { page } = await elsewhere(at)
    await atAccount(page)
    await clickOn(page, shows)
    assert.match(await alertOn(page), /\w+/)
    assert(await isOut(page))
    await password(page, at.ada)
    assert.equal(await heading(page), 'Account and security')
  })

  test('each of two devices signs in, and one is not added twice', async () => {
    const at = await holder()
    await at.page.locator(`${adds} input`).fill('The same again')
    await clickOn(at.page, adds)
    assert.equal(await alertOn(at.page), 'This device has a passkey of yours already.')
    const laptops = await at.device.credentials()
    await at.device.remove()
    const stick = await addDevice(at.page, 'usb')
    await add(at.page, 'My stick')
    for (const [credential] of [laptops, await stick.credentials()]) {
      const { page, device } = await desk()
      await device.take(credential ?? assert.fail('it keeps none'))
      await atAccount(page)
      await andGoOn(page, shows)
      assert.equal(await heading(page), 'Account and security')
      assert.match(await page.content(), /My laptop[^]*My stick/)
    }
  })

  test('whoever signed in more than ten minutes ago does so again before one is added', async () => {
    const ada = await provider.customer()
    const { page, device } = await desk()
    await password(await atAccount(page), ada)
    await signedInAgo(provider.house, ada.id, 601)
    await page.locator(`${adds} input`).fill('My laptop')
    await andGoOn(page, adds)
    assert.equal(await heading(page), 'Confirm that it is you')
    assert.deepEqual(await device.credentials(), [])
    await password(page, ada)
    await add(page, 'My laptop')
  })

  test('much money moves once a passkey was shown again, and not before', async () => {
    const { house, webUrl } = provider
    const at = await holder()
    const bob = await provider.customer()
    await fund(at.ada)
    const { page } = at
    await page.goto(webUrl)
    assert.equal(await shown(page), `Hello ${at.ada.id}`)
    await signedInAgo(house, at.ada.id, 601)
    await refreshed(page)
    const much = { fromId: at.ada.id, toId: bob.id, amount: 1_000 }
    const pay = async () =>
      await house.caller(await tokenIn(page)).ask('POST', '/v1/transaction', much)
    const refused = await pay()
    assert.deepEqual([refused.status, refused.body['code']], [401, 'step_up_required'])
    const asked = String(refused.headers['www-authenticate'])
    assert.match(asked, /error="insufficient_user_authentication", max_age=600/)

    await Promise.all([page.waitForNavigation(), askAgain(page)])
    assert.equal(await heading(page), 'Confirm that it is you')
    await andGoOn(page, shows)
    assert.equal(await shown(page), `Hello ${at.ada.id}`)
    const claims = decodeJwt(await tokenIn(page))
    assert(Date.now() / 1_000 - Number(claims['auth_time']) < 60)
    assert.deepEqual(claims['amr'], ['hwk', 'user', 'mfa'])
    const paid = await pay()
    assert.equal(paid.status, 200, JSON.stringify(paid.body))
  })

  /** Little by little: much at once would ask for codes. */
  async function fund({ id }: Customer): Promise<void> {
    const { world } = provider.house
    const rich = await world.rich(200_000n)
    for (let times = 0; times < 5; times += 1) {
      await world.pay(rich, parseId('user', id) ?? assert.fail(), 40_000n)
    }
  }
})
