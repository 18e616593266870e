import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PAGE_POLICY, page, prefersHtml } from '../../src/http/html.ts'
import { markup } from '../../src/markup.ts'

test('no value can end its element or its attribute', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const { text } = markup`<a title="${value}">${value}</a>`
      assert.match(text, /^<a title="[^"<>]*">[^<>]*<\/a>$/)
    }),
  )
})

test('markup goes into markup as it is', () => {
  const rows = ['<', 'b'].map((cell) => markup`<i>${cell}</i>`)
  assert.equal(markup`<p>${rows}${1}</p>`.text, '<p><i>&#60;</i><i>b</i>1</p>')
})

test("a page's policy knows the one style that it has", () => {
  const style = /<style>([^]*)<\/style>/.exec(page('A', markup``))?.[1] ?? ''
  const hash = createHash('sha256').update(style).digest('base64')
  assert.ok(PAGE_POLICY.includes(`'sha256-${hash}'`))
})

test('a browser gets a page, and whoever does not ask for one gets JSON', () => {
  assert.equal(prefersHtml('text/html,application/xhtml+xml,*/*;q=0.8'), true)
  assert.equal(prefersHtml('application/json, text/html'), false)
  assert.equal(prefersHtml('*/*'), false)
  assert.equal(prefersHtml(undefined), false)
})
